"""Runs one child process, from run.json to result.json, with a time limit and progress."""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from pytest_mlperf import errors
from pytest_mlperf.artifacts.disk import remedy
from pytest_mlperf.errors import MLPerfError, OutputError, RunError, raised_elsewhere
from pytest_mlperf.implementations.protocol import (
    LOG_FILE,
    PROGRESS_FD_VARIABLE,
    RESULT_FILE,
    RUN_FILE,
    SECRETS_VARIABLE,
    Failure,
    Progress,
    RunSpec,
    WorkerResult,
    read_result,
    write_json,
)
from pytest_mlperf.printable import fit, said
from pytest_mlperf.run.case import PERFORMANCE
from pytest_mlperf.run.directories import removed, unwritable
from pytest_mlperf.run.watch import MachineWatch
from pytest_mlperf.secrecy import arguments_without_secrets, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.implementations.base import Implementation, Program
    from pytest_mlperf.machine.use import MachineUse

#: At the limit the child writes its stacks and exits; the parent kills it this much later.
GRACE_SECONDS = 5.0
#: How often a silent child is checked: a process forked by the runtime may keep the progress pipe open.
WATCH_SECONDS = 1.0
LAST_LINES = 12
#: How much of a log's end is read: faulthandler writes up to a hundred threads there.
TAIL_BYTES = 1 << 18
#: The worker's helper threads in faulthandler's output; they do not explain a hang.
_HELPER_THREAD = re.compile(
    r'worker/(progress\.py", line \d+ in _report|guard\.py", line \d+ in wait)|machine/clock\.py", line \d+ in _watch'
)
#: If less space than this is free after a failed run, the full disk is reported as the cause.
FULL_BYTES = 1 << 16
#: The longest line of progress, and the largest result.json, in bytes; what is longer is no progress and no result.
LONGEST_LINE = 1 << 12
LARGEST_RESULT = 1 << 24
#: The most characters that are shown of a line of the log, or of what is no progress.
LONGEST_SHOWN = 400
#: What a file or a line that any program may have written can raise.
UNREADABLE = (OSError, msgspec.MsgspecError, ValueError, RecursionError)
#: A time limit is suggested with so much room: the rate of a run varies.
MARGIN = 1.2
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Finished:
    """A finished run: the child's result, the duration of its process, and what else the machine did in a timed run."""

    result: WorkerResult
    wall_seconds: float
    machine: MachineUse | None = None


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
    with raised_elsewhere("the implementation gives no command"):
        command = implementation.command(program, output / RUN_FILE)
    public = _public(spec)
    secrets = {name: getattr(spec, name) for name, value in public.items() if value != getattr(spec, name)}
    try:
        write_json(output / RUN_FILE, structs.replace(spec, **public))
        log_file = (output / LOG_FILE).open("wb")
    except OSError as error:
        raise unwritable(output, "--mlperf-output", error) from error
    watch = MachineWatch(spec) if spec.mode == PERFORMANCE else None
    start = time.monotonic()
    reached = Progress(phase="starting")

    def follow(now: Progress) -> None:
        nonlocal reached
        reached = now
        on_progress(now)

    try:
        with log_file as log, _child(command, _environment(program, secrets), log) as child:
            limit = spec.timeout + GRACE_SECONDS if spec.timeout else None
            follower = follow if watch is None else watch.following(child.process.pid, follow)
            in_time = _follow(child, limit, follower)
    except OSError as error:
        raise _not_started(command, error) from error
    seconds = time.monotonic() - start
    result = _judge(spec, child.process.returncode, reached, in_time=in_time)
    if watch is None:
        return Finished(result, seconds)
    use, clock = watch.ended(result.cluster)
    return Finished(structs.replace(result, clock=result.clock or clock), seconds, use)


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    progress: int


@contextlib.contextmanager
def _child(command: list[str], environment: dict[str, str], log: IO[bytes]) -> Iterator[_Child]:
    """Start the child in its own session, so that Ctrl-C does not reach it: LoadGen may crash on the signal.

    Its standard input is a pipe that closes when this process ends; the child then exits.
    """
    reading, writing = os.pipe()
    try:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                env={**environment, PROGRESS_FD_VARIABLE: str(writing)},
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            yield _Child(process, reading)
        finally:
            _kill(process)
    finally:
        os.close(reading)


def _public(spec: RunSpec) -> dict[str, Any]:
    """Return the fields that may have secrets, without them: run.json may be shown to anybody."""
    options = arguments_without_secrets(f"{name}={value}" for name, value in spec.backend_options.items())
    return {
        "model": without_secrets(spec.model),
        "backend_options": {
            name: shown[len(name) + 1 :] for name, shown in zip(spec.backend_options, options, strict=True)
        },
    }


def _environment(program: Program, secrets: Mapping[str, Any]) -> dict[str, str]:
    changed = {**os.environ, **program.environment}
    if secrets:
        changed[SECRETS_VARIABLE] = msgspec.json.encode(secrets).decode()
    return {name: value for name, value in changed.items() if value is not None}


def _follow(child: _Child, limit: float | None, on_progress: OnProgress) -> bool:
    """Report the child's progress until it ends; return False if it is still running after `limit` seconds."""
    deadline = None if limit is None else time.monotonic() + limit
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
                    on_progress(_progress(line))
                if len(pending) > LONGEST_LINE:
                    raise _no_progress(pending)
            elif child.process.poll() is not None:
                return True
    return False


def _progress(line: bytes) -> Progress:
    try:
        return msgspec.json.decode(line, type=Progress)
    except UNREADABLE as error:
        raise _no_progress(line) from error


def _no_progress(found: bytes) -> RunError:
    return RunError(
        "the run's progress cannot be read",
        expected='lines such as {"phase": "performance", "done": 10, "total": 64}',
        found=repr(found[:LONGEST_SHOWN])[1:],
        fix=f"correct the implementation, which writes them to the descriptor in {PROGRESS_FD_VARIABLE}",
    )


def _not_started(command: list[str], error: OSError) -> RunError:
    return RunError(
        f"{command[0]} cannot be run",
        expected="a program, and pipes to it",
        found=str(error),
        fix=remedy(error, "see that it is there and may be executed"),
    )


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


def _judge(spec: RunSpec, code: int, reached: Progress, *, in_time: bool) -> WorkerResult:
    """Return the child's result, or raise the error with which it ended."""
    output = Path(spec.output)
    if not output.is_dir():
        raise removed(output)
    result, fault = _read_result(output / RESULT_FILE)
    if result is not None and result.failure is not None:
        raise _as_error(result.failure, output)
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
        raise _timed_out(spec.timeout or 0, reached, output)
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


def _as_error(failure: Failure, output: Path) -> MLPerfError:
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


def _timed_out(timeout: float, reached: Progress, output: Path) -> RunError:
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
