"""Closes models, and does not wait for ever for a runtime that does not come back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_mlperf.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable

#: How long close() may take. Freeing a large model takes a second or two.
CLOSE_SECONDS = 20.0


def close_in_time(close: Callable[[], None], backend: str, seconds: float = CLOSE_SECONDS) -> None:
    """Call `close`, and raise if it does not return; the process then has to be left without destructors.

    Raises
    ------
    RunError
        It did not return in time.
    """
    raised: list[BaseException] = []

    def call() -> None:
        try:
            close()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call, name="close", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise RunError(
            f"{backend} does not come back from close()",
            expected=f"the end of close() within {seconds:g} s",
            found=f"it still runs after {seconds:g} s",
            fix=f"correct the backend {backend}: its model's close() must free what it holds and return",
        )
    if raised:
        raise raised[0]
