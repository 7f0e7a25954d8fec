"""All results of a session in one JSON file, for --mlperf-json, and the schema of such files."""

from __future__ import annotations

import tempfile
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf import __version__
from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.errors import OutputError
from pytest_mlperf.run.directories import unwritable
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from pytest_mlperf.report.finished import Finished

#: The format of the file. It changes when a field is removed or gets another meaning; new fields may come without that.
FORMAT = 1


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a session.

    Attributes
    ----------
    format
        `FORMAT` of the version that wrote it.
    pytest_mlperf
        The version that wrote it.
    results
        The results, in the order of case, mode and test.
    """

    format: int
    pytest_mlperf: str
    results: tuple[RunResult, ...]


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of the file; readers should take fields that it does not name."""
    described = msgspec.json.schema(Document)
    for definition in described["$defs"].values():
        if "description" in definition:  # the docstring, which Python leaves indented before 3.13
            definition["description"] = cleandoc(definition["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Results of pytest-mlperf, format {FORMAT}",
        **described,
    }


def write_results(path: Path, finished: Finished) -> None:
    """Write the results to `path`; if that fails, to a file beside the results or in the temporary directory.

    Raises
    ------
    OutputError
        `path` cannot be written; the message says where the results are instead.
    """
    content = msgspec.json.encode(Document(format=FORMAT, pytest_mlperf=__version__, results=finished.results))
    text = msgspec.json.format(content, indent=2) + b"\n"
    try:
        _write(path, text)
    except OSError as error:
        failed = unwritable(path.parent, "--mlperf-json", error)
        there = _write_elsewhere(path.name, text, [finished.directory] if finished.directory else [])
        fix = f"{failed.fix}; the results are in {there} instead" if there else failed.fix
        raise OutputError(failed.what, expected=failed.expected, found=failed.found, fix=fix) from error


def _write_elsewhere(name: str, text: bytes, beside: list[Path]) -> Path | None:
    """Write a file into one of these directories or the temporary one; return where it is."""
    for directory in (*beside, Path(tempfile.gettempdir())):
        try:
            # Named by nobody else, also in the temporary directory.
            path = Path(tempfile.mkdtemp(prefix="report-", dir=directory), name)
            _write(path, text)
        except OSError:
            continue
        return path
    return None


def _write(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)
