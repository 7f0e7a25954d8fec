"""Standard output and error of the commands: what is written to them has no control characters from elsewhere."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO, cast

from pytest_mlperf.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Printable:
    """A text stream that escapes control characters but tabs and newlines; `beneath` is the stream as it was."""

    def __init__(self, beneath: TextIO) -> None:
        self.beneath = beneath

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)

    def write(self, text: str) -> int:
        """Write text with its control characters escaped."""
        return self.beneath.write(printable(text))


@contextmanager
def printable_output() -> Iterator[None]:
    """Escape control characters in all that the block writes to standard output and error."""
    streams = (cast("TextIO", Printable(stream)) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(next(streams)), redirect_stderr(next(streams)):
        yield


def control_stream(stream: TextIO) -> TextIO:
    """Return the stream beneath, for control characters of our own."""
    return stream.beneath if isinstance(stream, Printable) else stream


@contextmanager
def passing_line() -> Iterator[Callable[[str], None]]:
    """Give the block a function that shows what it is at, on one line of the terminal that is gone at its end.

    It goes to standard error; where that is no terminal, nothing is shown.
    """
    stream = control_stream(sys.stderr)
    if not stream.isatty():
        yield lambda _: None
        return

    def tell(what: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        stream.write(f"\r\x1b[K{printable(f'reading {what}')[:width]}")
        stream.flush()

    try:
        yield tell
    finally:
        stream.write("\r\x1b[K")
        stream.flush()
