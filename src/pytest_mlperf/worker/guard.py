"""Ends the process at an exception in a LoadGen callback, with the error in result.json.

LoadGen's threads outlive an exception that passes through StartTest, and the process then crashes with SIGSEGV
or SIGABRT later. So the error is written where it happens and the process exits there.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

from pytest_mlperf.errors import MLPerfError
from pytest_mlperf.implementations.protocol import RESULT_FILE, Failure, WorkerResult, write_json
from pytest_mlperf.printable import fit, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXIT_FAILED = 70
EXIT_ORPHANED = 71
#: The most characters of a traceback that are written to the log; the frames come first.
LONGEST_TRACEBACK = 1 << 18

P = ParamSpec("P")
R = TypeVar("R")


class Guard:
    """Ends the process when a wrapped function raises, with the error in result.json.

    Parameters
    ----------
    output
        The run's directory, where result.json goes.
    abandon
        Called before the process exits, to end what it has started elsewhere.
    """

    def __init__(self, output: Path, abandon: Callable[[], None] = lambda: None) -> None:
        self._output = output
        self._abandon = abandon
        self._lock = threading.Lock()

    def wrap(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return `function`, changed so that any exception ends the run."""

        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except BaseException as error:  # nothing may leave a callback
                self.fail(error)

        return guarded

    def fail(self, error: BaseException) -> NoReturn:
        """Write the traceback to the log and the error to result.json, and exit without destructors."""
        self._lock.acquire()  # never released: only the first error is reported
        try:
            with suppress(Exception):  # a full disk, or a runtime that closed it
                sys.stderr.write(f"{fit(''.join(traceback.format_exception(error)), LONGEST_TRACEBACK)}\n")
            write_json(self._output / RESULT_FILE, WorkerResult(failure=_failure(error)))
            with suppress(Exception):
                self._abandon()
        finally:  # without the file the exit code still reports the failure; others may wait for the lock
            leave(EXIT_FAILED)


def _failure(error: BaseException) -> Failure:
    if isinstance(error, MLPerfError):
        return Failure(
            kind=type(error).__name__,
            what=error.what,
            expected=error.expected,
            found=error.found,
            fix=error.fix,
            for_user=True,
        )
    kind = MemoryError if isinstance(error, MemoryError) else type(error)
    return Failure(kind=fit(kind.__name__), what=said(error))


def leave(code: int) -> NoReturn:
    """Exit at once: LoadGen's static destructors crash while its threads are alive."""
    try:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:  # a runtime may have closed or replaced them
        os._exit(code)


def exit_with_parent(lifeline: int) -> None:
    """End this process when the other end of the `lifeline` pipe closes, that is, when the parent has ended.

    If this process leads a process group, the whole group is killed, with what the runtime has started. A `lifeline`
    that is not a pipe, as in a run by hand, is ignored.
    """
    if not stat.S_ISFIFO(os.fstat(lifeline).st_mode):
        return

    def wait() -> None:
        while os.read(lifeline, 1):
            pass
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(EXIT_ORPHANED)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
