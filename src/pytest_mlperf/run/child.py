"""Runs one child process, from run.json to result.json, with a time limit and progress."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from pytest_mlperf import errors
from pytest_mlperf.errors import MLPerfError, OutputError, RunError
from pytest_mlperf.implementations.protocol import (
    LOG_FILE,
    PROGRESS_FD_VARIABLE,
    RESULT_FILE,
    RUN_FILE,
    Failure,
    Progress,
    RunSpec,
    WorkerResult,
    read_result,
    write_json,
)
from pytest_mlperf.run.directories import unwritable

if TYPE_CHECKING:
    from pytest_mlperf.implementations.base import Implementation, Program

#: At the limit the child writes its stacks and exits; the parent kills it this much later.
GRACE_SECONDS = 5.0
#: How often a silent child is checked: a process forked by the runtime may keep the progress pipe open.
WATCH_SECONDS = 1.0
LAST_LINES = 12
#: How much of a log's end is read: faulthandler writes up to a hundred threads there.
TAIL_BYTES = 1 << 18
#: The worker's helper threads in faulthandler's output; they do not explain a hang.
_HELPER_THREAD = re.compile(r'worker/(progress\.py", line \d+ in _report|guard\.py", line \d+ in wait)')
#: If less space than this is free after a failed run, the full disk is reported as the cause.
FULL_BYTES = 1 << 16
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Finished:
    """A finished run: the child's result and the duration of its process."""

    result: WorkerResult
    wall_seconds: float


def execute(spec: RunSpec, implementation: Implementation, program: Program, on_progress: OnProgress) -> Finished:
    """Run `spec` in a child process; no process is left behind.

    Parameters
    ----------
    spec
        The run.
    implementation, program
        The implementation and its program.
    on_progress
        Called with the child's progress.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C while the child ran.
    OutputError
        The run's directory cannot be written.
    MLPerfError
        The child's own error, with the same class; RunError if it crashed, hung, or failed otherwise.
    """
    output = Path(spec.output)
    try:
        write_json(output / RUN_FILE, spec)
        log_file = (output / LOG_FILE).open("wb")
    except OSError as error:
        raise unwritable(output, "--mlperf-output", error) from error
    start = time.monotonic()
    with log_file as log, _child(implementation.command(program, output / RUN_FILE), program, log) as child:
        limit = spec.timeout + GRACE_SECONDS if spec.timeout else None
        in_time = _follow(child, limit, on_progress)
    seconds = time.monotonic() - start
    return Finished(_judge(spec, child.process.returncode, in_time=in_time), seconds)


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    progress: int


@contextlib.contextmanager
def _child(command: list[str], program: Program, log: IO[bytes]) -> Iterator[_Child]:
    """Start the child in its own session, so that Ctrl-C does not reach it: LoadGen may crash on the signal.

    Its standard input is a pipe that closes when this process ends; the child then exits.
    """
    reading, writing = os.pipe()
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=(writing,),
        env={**_environment(program), PROGRESS_FD_VARIABLE: str(writing)},
        start_new_session=True,
    )
    os.close(writing)
    try:
        yield _Child(process, reading)
    finally:
        _kill(process)
        os.close(reading)


def _environment(program: Program) -> dict[str, str]:
    changed = {**os.environ, **program.environment}
    return {name: value for name, value in changed.items() if value is not None}


def _follow(child: _Child, limit: float | None, on_progress: OnProgress) -> bool:
    """Report the child's progress until it ends; return False if it is still running after `limit` seconds."""
    deadline = None if limit is None else time.monotonic() + limit
    decoder = msgspec.json.Decoder(Progress)
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.progress, selectors.EVENT_READ)
        while deadline is None or time.monotonic() < deadline:
            if selector.select(WATCH_SECONDS):
                chunk = os.read(child.progress, 65536)
                if not chunk:
                    return _ends(child.process, deadline)
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    on_progress(decoder.decode(line))
            elif child.process.poll() is not None:
                return True
    return False


def _ends(process: subprocess.Popen[bytes], deadline: float | None) -> bool:
    """Wait for a child that has closed its pipe; return False at the deadline."""
    try:
        process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the child's process group, if it still exists."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    process.wait()


def _judge(spec: RunSpec, code: int, *, in_time: bool) -> WorkerResult:
    """Return the child's result, or raise the error with which it ended."""
    output = Path(spec.output)
    result = _read_result(output)
    if result is not None and result.failure is not None:
        raise _as_error(result.failure, output)
    if code == 0 and in_time and result is not None:
        return result
    if result is None and (free := shutil.disk_usage(output).free) < FULL_BYTES:
        raise OutputError(
            f"no room for LoadGen's logs in {output}",
            expected="room for the logs and the result",
            found=f"{free:,} bytes free",
            fix="free some space there, or choose another place with --mlperf-output",
        )
    timed_out = not in_time or (code == 1 and _ran_out_of_time(output))
    what = f"the run did not end within {spec.timeout:g} s" if timed_out else _died(code)
    raise _ended(what, output)


def _read_result(output: Path) -> WorkerResult | None:
    try:
        return read_result(output / RESULT_FILE)
    except (OSError, msgspec.MsgspecError):
        return None


def _as_error(failure: Failure, output: Path) -> MLPerfError:
    """Return the child's MLPerfError, or for any other exception a RunError with the end of the log."""
    if failure.for_user:
        kind: type[MLPerfError] = getattr(errors, failure.kind, RunError)
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
    return lines[-LAST_LINES:]


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
