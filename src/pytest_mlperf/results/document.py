"""The JSON file with all results of a session, as --mlperf-json writes it; changes with its format."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.errors import StoredResultsError
from pytest_mlperf.machine.fingerprint import Fingerprint
from pytest_mlperf.run.repeated import Repeated
from pytest_mlperf.run.result import RunResult
from pytest_mlperf.versioned import read_versioned

if TYPE_CHECKING:
    from pathlib import Path

#: The format of the file; a newer one is refused. It changes when a field is removed or gets another meaning, and new
#: fields may come without that. Files without a number are as old as format 1.
FORMAT = 1


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a session.

    Attributes
    ----------
    format
        `FORMAT` when it was written.
    pytest_mlperf
        The version that wrote it.
    results
        Of every run, in the order of case, mode, test and repetition.
    started
        When the session started, with the offset from UTC; empty if unknown.
    command
        The words of its command line, without secrets.
    root
        The directory of the project.
    commit
        The commit that was checked out, with a plus sign if files differed from it; empty outside a repository.
    machine
        Where it was run.
    notes
        What is told of no single result.
    repeated
        With ``--mlperf-repeat``, what the runs of each case say together.
    """

    format: int = FORMAT
    pytest_mlperf: str
    results: tuple[RunResult, ...]
    started: str = ""
    command: tuple[str, ...] = ()
    root: str = ""
    commit: str = ""
    machine: Fingerprint | None = None
    notes: tuple[str, ...] = ()
    repeated: tuple[Repeated, ...] = ()


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


def encoded(document: Document) -> bytes:
    """Return the text of the file."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def read_document(path: Path) -> Document:
    """Return the results in a file.

    Raises
    ------
    StoredResultsError
        It cannot be read, is cut off, is another file, or was written by a newer version.
    """
    return read_versioned(
        path,
        Document,
        FORMAT,
        StoredResultsError,
        what="a file of results",
        expected="the file that --mlperf-json wrote",
        fix="name another file, or get it again from where it is kept",
    )
