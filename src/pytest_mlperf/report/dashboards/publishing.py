"""Publishes to a dashboard in a process of its own: whatever becomes of it, the session ends, and in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.errors import PublishError
from pytest_mlperf.report.dashboards.base import Publication

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.report.finished import Finished

_LAST_CHARACTERS = 2000


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the process leaves: where the results can be seen, or the parts of an error."""

    seen: tuple[str, ...] = ()
    what: str = ""
    expected: str = ""
    found: str = ""
    fix: str = ""


def publication(finished: Finished, options: Mapping[str, str]) -> Publication:
    """Return what a dashboard is given of a session."""
    commit, machine = finished.provenance
    submitted = finished.submitted
    report = submitted.report if submitted is not None else None
    return Publication(
        session=finished.directory.name if finished.directory is not None else "",
        started=finished.started.astimezone().isoformat(timespec="seconds"),
        command=finished.command,
        options=dict(options),
        commit=commit,
        machine=msgspec.structs.asdict(machine) if machine is not None else {},
        results=finished.results,
        directory=str(finished.directory or ""),
        submission=tuple(str(file.absolute()) for file in submitted.files) if submitted is not None else (),
        submission_verdict=report.verdict if report is not None else "",
    )


def publish(name: str, content: Publication, seconds: float) -> tuple[str, ...]:
    """Publish to a dashboard, and return where the results can be seen.

    Parameters
    ----------
    name
        The dashboard's entry point.
    content
        What is published.
    seconds
        The time that it may take; then its process is ended, and all that it has started.

    Raises
    ------
    PublishError
        It took too long, failed, or was interrupted, or no process could be started.
    """
    try:
        return _publish(name, content, seconds)
    except OSError as error:  # a full disk, no memory
        raise _failed(name, str(error), "a process of its own") from error


def _publish(name: str, content: Publication, seconds: float) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="pytest-mlperf-") as directory:
        given, answer, log = (Path(directory, name) for name in ("given.json", "answer.json", "log"))
        given.write_bytes(msgspec.json.encode(content))
        words = [name, str(given), str(answer), str(seconds)]
        command = [sys.executable, "-m", "pytest_mlperf.report.dashboards.child", *words]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # A file of the project may have a client's name.
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise _failed(name, f"no end after {seconds:g} s", f"it takes {seconds:g} s at most") from None
        except KeyboardInterrupt:
            raise _failed(name, "Ctrl-C") from None
        finally:
            _end(process)
        return _read(name, answer, log)


def _read(name: str, answer: Path, log: Path) -> tuple[str, ...]:
    try:
        left = msgspec.json.decode(answer.read_bytes(), type=Answer)
    except (OSError, msgspec.MsgspecError):
        said = log.read_text("utf-8", "replace")[-_LAST_CHARACTERS:].strip()
        raise _failed(name, f"its process died; it said: {said or 'nothing'}") from None
    if left.what:
        raise PublishError(left.what, expected=left.expected, found=left.found, fix=left.fix)
    return left.seen


def end_children(pid: int) -> None:
    """End all processes that a process has started, also those in sessions of their own."""
    import psutil

    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                child.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)  # it starts nothing more
        end_children(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(name: str, found: str, expected: str = "") -> PublishError:
    return PublishError(
        f"the results were not published to {name}, or not all of them",
        expected=expected or "a server that takes them",
        found=found,
        fix="look whether it can be reached; --mlperf-dashboard-timeout gives it more time",
    )
