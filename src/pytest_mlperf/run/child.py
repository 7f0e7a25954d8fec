"""Runs one child process, from run.json to result.json, with a time limit and progress."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from pytest_mlperf.artifacts.disk import remedy
from pytest_mlperf.errors import RunError, raised_elsewhere
from pytest_mlperf.implementations.protocol import (
    LOG_FILE,
    PROGRESS_FD_VARIABLE,
    RUN_FILE,
    SECRETS_VARIABLE,
    Progress,
    RunSpec,
    WorkerResult,
    write_json,
)
from pytest_mlperf.run.case import PERFORMANCE
from pytest_mlperf.run.child_end import LONGEST_SHOWN, UNREADABLE, result_of
from pytest_mlperf.run.directories import unwritable
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
#: The longest line of progress in bytes; what is longer is no progress.
LONGEST_LINE = 1 << 12
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
    result = result_of(spec, child.process.returncode, reached, in_time=in_time)
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
