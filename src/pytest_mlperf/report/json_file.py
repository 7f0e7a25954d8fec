"""All results of a session in one JSON file, for --mlperf-json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf import __version__
from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.run.directories import unwritable

if TYPE_CHECKING:
    from pathlib import Path


def write_results(path: Path, results: list[dict[str, Any]]) -> None:
    """Write the results to `path`: a temporary file is written, then renamed.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    content = {"pytest_mlperf": __version__, "results": results}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    except OSError as error:
        raise unwritable(path.parent, "--mlperf-json", error) from error
