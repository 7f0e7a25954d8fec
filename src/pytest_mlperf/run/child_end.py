"""What a child process leaves when it has ended: its result, or why there is none, with the end of its log."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf import errors
from pytest_mlperf.errors import MLPerfError, OutputError, RunError
from pytest_mlperf.implementations.protocol import LOG_FILE, RESULT_FILE, read_result
from pytest_mlperf.printable import fit, said
from pytest_mlperf.run.directories import removed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.implementations.protocol import Failure, Progress, RunSpec, WorkerResult

LAST_LINES = 12
#: How much of a log's end is read: faulthandler writes up to a hundred threads there.
TAIL_BYTES = 1 << 18
#: The worker's helper threads in faulthandler's output; they do not explain a hang.
_HELPER_THREAD = re.compile(
    r'worker/(progress\.py", line \d+ in _report|guard\.py", line \d+ in wait)|machine/clock\.py", line \d+ in _watch'
)
#: If less space than this is free after a failed run, the full disk is reported as the cause.
FULL_BYTES = 1 << 16
#: The largest result.json in bytes; what is larger is no result.
LARGEST_RESULT = 1 << 24
#: The most characters that are shown of a line of the log, or of what is no progress.
LONGEST_SHOWN = 400
#: What a file or a line that any program may have written can raise.
UNREADABLE = (OSError, msgspec.MsgspecError, ValueError, RecursionError)
#: A time limit is suggested with so much room: the rate of a run varies.
MARGIN = 1.2


def result_of(spec: RunSpec, code: int, reached: Progress, *, in_time: bool) -> WorkerResult:
    """Return the result of a child that has ended, or raise the error with which it ended.

    Parameters
    ----------
    spec
        Its run.
    code
        The exit code of its process.
    reached
        The last progress that it told.
    in_time
        Whether it ended before its time limit.

    Raises
    ------
    OutputError
        The run's directory is gone, or has no room.
    MLPerfError
        The child's own error, with the same class; RunError if it crashed, hung, or failed otherwise.
    """
    output = Path(spec.output)
    if not output.is_dir():
        raise removed(output)
    result, fault = _read_result(output / RESULT_FILE)
    if result is not None and result.failure is not None:
        raise as_error(result.failure, output)
    if code == 0 and in_time and result is not None:
        return result
    if code == 0 and in_time and fault:
        raise RunError(
            f"the run left a {RESULT_FILE} that cannot be read",
            expected="one JSON object with the fields of a result",
            found=fault,
            fix=f"correct the implementation, which writes {output / RESULT_FILE}",
        )
    if result is None and (free := shutil.disk_usage(output).free) < FULL_BYTES:
        raise OutputError(
            f"no room for LoadGen's logs in {output}",
            expected="room for the logs and the result",
            found=f"{free:,} bytes free",
            fix="free some space there, or choose another place with --mlperf-output",
        )
    if not in_time or (code == 1 and _ran_out_of_time(output)):
        raise timed_out(spec.timeout or 0, reached, output)
    raise _ended(_died(code), output)


def _read_result(file: Path) -> tuple[WorkerResult | None, str]:
    """Return the child's result, if there is one, and what is wrong with the file, if it cannot be read."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_RESULT:
            return None, f"no file of at most {LARGEST_RESULT:,} bytes"
        return read_result(file), ""
    except FileNotFoundError:
        return None, ""
    except UNREADABLE as error:
        return None, said(error)


def as_error(failure: Failure, output: Path) -> MLPerfError:
    """Return the child's MLPerfError, or for any other exception a RunError with the end of the log."""
    if failure.for_user:
        kind = getattr(errors, failure.kind, None)
        if not isinstance(kind, type) or not issubclass(kind, MLPerfError):
            kind = RunError
        return kind(failure.what, expected=failure.expected, found=failure.found, fix=failure.fix)
    if failure.kind == "MemoryError":
        return _ended("the run ran out of memory", output)
    return _ended(f"the run failed: {failure.what}", output)


def _ended(what: str, output: Path) -> RunError:
    """Return the error for a run without a result, with the end of its log."""
    return RunError(
        what,
        found="the end of its log:\n    " + "\n    ".join(_last_lines(output) or ["nothing"]),
        fix=f"see the whole log: {output / LOG_FILE}",
    )


def timed_out(timeout: float, reached: Progress, output: Path) -> RunError:
    """Return the error for a run that was ended at its time limit: how far it was, and what it would have taken."""
    ended = _ended(f"the run did not end within {timeout:g} s", output)
    needed = reached.seconds_left(reached.done / reached.seconds if reached.seconds else 0.0)
    enough = f"--mlperf-timeout {math.ceil(MARGIN * (timeout + needed))}" if needed else "a larger --mlperf-timeout"
    return RunError(
        ended.what,
        expected=f"its end; about {needed:,.0f} s more were needed" if needed else "",
        found=f"{_how_far(reached)}; {ended.found}",
        fix=f"give it more time with {enough} (0: no limit), or less to do with --test-query-count or --min-duration\n"
        + ended.fix,
    )


def _how_far(reached: Progress) -> str:
    words = reached.phase
    if reached.done or reached.total:
        words += f", {reached.done:,}{f' of {reached.total:,}' if reached.total else ''} samples"
    of = f" of {reached.least_seconds:g} s" if reached.least_seconds else " s"
    return f"{words} after {reached.seconds:,.1f}{of}"


def _died(code: int) -> str:
    if code == -signal.SIGKILL:
        return "the run was killed (SIGKILL), probably because memory ran out"
    if code < 0:
        return f"the run crashed: {signal.Signals(-code).name}"
    return f"the run ended with exit code {code} and no result"


def _ran_out_of_time(output: Path) -> bool:
    return b"Timeout (" in _tail(output)


def _last_lines(output: Path) -> list[str]:
    lines = [line for line in _tail(output).decode("utf-8", "replace").splitlines() if line.strip()]
    dumps = [n for n, line in enumerate(lines) if line.startswith(("Fatal Python error", "Timeout ("))]
    if dumps:
        kept = [*lines[max(0, dumps[-1] - 2) : dumps[-1] + 1], *_relevant_stacks(lines[dumps[-1] + 1 :])]
        return kept[:LAST_LINES]
    return [fit(line, LONGEST_SHOWN) for line in lines[-LAST_LINES:]]


def _relevant_stacks(dump: list[str]) -> Iterator[str]:
    """Yield the relevant lines of faulthandler's dump: the crashed thread, or all threads that may hang."""
    starts = [n for n, line in enumerate(dump) if line.startswith(("Current thread", "Thread ", "Extension modules"))]
    stacks = [dump[start:end] for start, end in zip(starts, [*starts[1:], len(dump)], strict=True)]
    crashed = [stack for stack in stacks if stack[0].startswith("Current thread")]
    for stack in crashed or stacks:
        if not _HELPER_THREAD.search("\n".join(stack)) and not stack[0].startswith("Extension modules"):
            yield from stack


def _tail(output: Path) -> bytes:
    try:
        with (output / LOG_FILE).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            return log.read()
    except OSError:
        return b""
