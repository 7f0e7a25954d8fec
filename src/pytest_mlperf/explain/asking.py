"""Has a run's model asked again where that is possible, and says why where it is not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from pytest_mlperf.errors import RunError
from pytest_mlperf.implementations.protocol import RUN_FILE, RunSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.explain.again import Reply

#: A larger model takes too long to load beside the tests.
_LARGEST_BYTES: Final = 250_000_000
_TIMEOUT_SECONDS: Final = 180


def ask_again(run: Path, indices: Sequence[int]) -> Reply:
    """Ask the model of a run again.

    Parameters
    ----------
    run
        The run's directory, with its run.json.
    indices
        The samples.

    Raises
    ------
    RunError
        It cannot be asked; the message says why.
    """
    from pytest_mlperf.explain.again import Reply

    _require_small_onnx(run / RUN_FILE)
    with tempfile.TemporaryDirectory(prefix="pytest-mlperf-") as scratch:
        reply = Path(scratch, "reply")
        command = [sys.executable, "-m", "pytest_mlperf.explain.again", str(run / RUN_FILE)]
        command += [",".join(map(str, indices)), str(reply)]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_TIMEOUT_SECONDS,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_asked(f"{type(error).__name__}: {error}") from error
        if done.returncode or not reply.exists():
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise _not_asked("; ".join([f"its process ended with {done.returncode}", *last]))
        found = msgspec.msgpack.decode(reply.read_bytes(), type=Reply)
    if not found.tried:
        raise _not_asked(f"a sample takes {found.seconds:.2g} s of the processor")
    return found


def _require_small_onnx(run_json: Path) -> None:
    try:
        spec = msgspec.json.decode(run_json.read_bytes(), type=RunSpec)
    except (OSError, msgspec.MsgspecError) as error:
        raise _not_asked(f"{run_json} cannot be read: {error}") from error
    if spec.model_format != "onnx":
        raise _not_asked(f"it is no ONNX file but {spec.model_format}")
    place = Path(spec.model)
    if not place.exists():
        raise _not_asked("it is not there any more")
    files = place.rglob("*") if place.is_dir() else [place]
    size = sum(path.stat().st_size for path in files if path.is_file())
    if size > _LARGEST_BYTES:
        raise _not_asked(f"it has {size / 1e6:,.0f} MB")


def _not_asked(reason: str) -> RunError:
    return RunError(f"channels, normalisation and the form of the outputs were not tried with the model: {reason}")
