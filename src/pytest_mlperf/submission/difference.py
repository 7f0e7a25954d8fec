"""How two submissions differ: results, settings, systems, files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.disk import file_sha256
from pytest_mlperf.printable import one_line
from pytest_mlperf.rules.figure_names import name_of
from pytest_mlperf.rules.performance import RESULT_FIELDS
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.reading.source import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_mlperf.rules.reading.submission import Result, Run, Submission, System
    from pytest_mlperf.rules.reading.tree import Directory

#: The order of the output.
KINDS = ("results", "settings", "systems", "files")
_CHUNK = 1 << 20
#: The prefix of settings in LoadGen's detail log.
_SETTING = "effective_"


@dataclass(frozen=True)
class Difference:
    """One difference between two submissions.

    Attributes
    ----------
    kind
        One of `KINDS`.
    where
        The result, the system or the file.
    name
        The figure, the setting or the field; empty for a whole result, system or file.
    left, right
        The value in each submission; None if it is missing.
    """

    kind: str
    where: str
    name: str
    left: str | None
    right: str | None

    def __str__(self) -> str:
        place = f"{self.where}: {self.name}" if self.name else self.where
        if self.left is None or self.right is None:
            only, value = ("right", self.right) if self.left is None else ("left", self.left)
            return one_line(f"{place}: only on the {only}" + (f": {value}" if value else ""))
        return one_line(f"{place}: {self.left} -> {self.right}{_percent(self.left, self.right)}")


def differ(left: Path, right: Path) -> tuple[Difference, ...]:
    """Compare two submissions, each a directory or a tarball; sort the differences by kind, then by place.

    Raises
    ------
    OptionError, ArchiveError
        A submission does not exist, or cannot be unpacked.
    """
    with opened(left) as one, opened(right) as other:
        pair = read_submission(one), read_submission(other)
        found = (*_results(*pair), *_systems(*pair), *_files((one, pair[0].tree), (other, pair[1].tree)))
    return tuple(sorted(found, key=lambda each: (KINDS.index(each.kind), each.where, each.name)))


def _results(left: Submission, right: Submission) -> Iterator[Difference]:
    for where, one, other in _pairs(_by_path(left), _by_path(right)):
        if one is None or other is None:
            yield Difference("results", where, "", None if one is None else "", None if other is None else "")
            continue
        yield from _fields("results", where, _figures(one), _figures(other))
        yield from _fields("settings", where, _settings(one), _settings(other))


def _by_path(submission: Submission) -> dict[str, Result]:
    return {result.path: result for _, system in _each_system(submission) for result in system.results}


def _each_system(submission: Submission) -> Iterator[tuple[str, System]]:
    for submitter in submission.submitters:
        for system in submitter.systems:
            yield f"{submitter.path}/systems/{system.name}", system


def _figures(result: Result) -> dict[str, str]:
    field = RESULT_FIELDS.get(result.scenario or "")
    found: dict[str, str] = {}
    value = result.performance.detail.number(field.key) if field else None
    if field and value is not None:
        name = name_of(result.scenario or "", result.performance.detail)
        found[f"{name.words} ({field.unit})"] = f"{value * field.scale:.6g}"
    if "result_validity" in result.performance.detail.values:
        found["validity"] = str(result.performance.detail.values["result_validity"])
    for stated in result.accuracy_text.stated:
        if stated.what != "hash":
            found.setdefault(f"accuracy ({stated.what})", stated.value)
    found |= {f"{test} verdict": _verdict(result.tests[test].performance.content) for test in result.tests}
    return found


def _verdict(text: str) -> str:
    return "TEST PASS" if "TEST PASS" in text else "no TEST PASS"


def _settings(result: Result) -> dict[str, str]:
    """Return the lines of user.conf, the effective settings in both detail logs, and the fields of the measurements."""
    conf = result.measurements_texts.get("user.conf")
    lines = [line.partition("=") for line in conf.content.splitlines()] if conf else []
    settings = {f"user.conf {key.strip()}": value.strip() for key, equals, value in lines if equals and key[:1] != "#"}
    for mode, run in (("performance", result.performance), ("accuracy", result.accuracy)):
        settings |= {f"{mode} {key}": value for key, value in _effective(run)}
    return settings | {f"measurements {key}": str(value) for key, value in result.measurements.values.items()}


def _effective(run: Run) -> Iterator[tuple[str, str]]:
    for key, value in run.detail.values.items():
        if key.startswith(_SETTING):
            yield key, str(value)


def _systems(left: Submission, right: Submission) -> Iterator[Difference]:
    for where, one, other in _pairs(dict(_each_system(left)), dict(_each_system(right))):
        if one is None or other is None:
            yield Difference("systems", where, "", None if one is None else "", None if other is None else "")
        else:
            yield from _fields("systems", where, one.description.values, other.description.values)


def _fields(kind: str, where: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Difference]:
    for name, one, other in _pairs(left, right):
        if one != other:
            yield Difference(
                kind, where, name, None if one is None else str(one), None if other is None else str(other)
            )


def _files(left: tuple[Path, Directory], right: tuple[Path, Directory]) -> Iterator[Difference]:
    for where, one, other in _pairs(_sizes(left[1]), _sizes(right[1])):
        if one is None or other is None:
            yield Difference(
                "files", where, "", *(None if size is None else f"{size:,} bytes" for size in (one, other))
            )
        elif one != other or _sha256(left[0] / where) != _sha256(right[0] / where):
            said = [f"{size:,} bytes" for size in (one, other)]
            yield Difference("files", where, "", said[0], said[1] if one != other else f"{said[1]}, other content")


def _sizes(tree: Directory) -> dict[str, int]:
    return {directory.place(name): size for directory in tree.walk() for name, size in directory.files.items()}


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _pairs(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted(left.keys() | right.keys()):
        yield name, left.get(name), right.get(name)


def _percent(left: str, right: str) -> str:
    try:
        one, other = float(left), float(right)
    except ValueError:
        return ""
    return f" ({(other - one) / abs(one):+.1%})" if one else ""
