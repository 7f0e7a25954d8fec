"""What a project states about its cases in pyproject.toml: a figure's value, and how far a result may be from it."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import OptionError
from pytest_mlperf.rules.finding import Finding

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.run.result import RunResult

TABLE = 'tool.pytest-mlperf.reference."CASE"'
PROCESSOR = "processor"
LATENCIES = ("p50", "p90", "p95", "p97", "p99", "p99.9")
FIGURES = ("accuracy", "performance", *LATENCIES, "memory")
_EXAMPLE = '[98.4, -0.005, 0.01, "%"]'
_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Stated:
    """One figure that is stated.

    Attributes
    ----------
    case
        A pattern of case ids, as in `fnmatch`.
    figure
        One of `FIGURES`.
    value, below, above, unit
        The value, how far below and above it a result may be, as fractions of it (-0.05, 0.05; -inf and inf for any),
        and its unit.
    processor
        A pattern of the processor's name: on other ones only the accuracy is held against it.
    """

    case: str
    figure: str
    value: float
    below: float
    above: float
    unit: str
    processor: str = "*"

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value that is right."""
        return self.value * (1 + self.below), self.value * (1 + self.above)


def read_stated(pyproject: Path) -> tuple[Stated, ...]:
    """Return what a pyproject.toml states; nothing if it is not there.

    Raises
    ------
    OptionError
        It is no TOML, or says something else there.
    """
    try:
        content = pyproject.read_bytes()
    except OSError:
        return ()
    if b"pytest-mlperf" not in content:
        return ()
    table = _toml(content, pyproject).get("tool", {}).get("pytest-mlperf", {}).get("reference", {})
    if not isinstance(table, dict):
        raise _refused(pyproject, "tool.pytest-mlperf.reference", "a table", table)
    return tuple(stated for case, of_case in table.items() for stated in _of_case(pyproject, case, of_case))


def _toml(content: bytes, path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except ValueError as error:
        raise OptionError(
            f"{path} cannot be read", expected="TOML", found=str(error), fix="correct the file"
        ) from error


def _of_case(path: Path, case: str, table: object) -> Iterator[Stated]:
    place = TABLE.replace("CASE", case)
    if not isinstance(table, dict):
        raise _refused(path, place, f"a table with {', '.join(FIGURES)}", table)
    processor = table.get(PROCESSOR, "*")
    if not isinstance(processor, str):
        raise _refused(path, f"{place}.{PROCESSOR}", "a pattern of processors' names", processor)
    for figure, said in table.items():
        if figure == PROCESSOR:
            continue
        if figure not in FIGURES:
            raise _refused(path, place, f"{', '.join((*FIGURES, PROCESSOR))}", figure)
        yield Stated(case, figure, *_entry(path, f"{place}.{figure}", said), processor)


def _entry(path: Path, place: str, said: object) -> tuple[float, float, float, str]:
    """Return value, below, above and unit."""
    expected = f"[value, below, above, unit], as in {_EXAMPLE}: parts of the value, below at most 0, above at least 0"
    if not isinstance(said, list) or len(said) != 4 or not isinstance(said[3], str):
        raise _refused(path, place, expected, said)
    numbers = [float(each) if type(each) in (int, float) else math.nan for each in said[:3]]
    value, below, above = numbers
    if not (math.isfinite(value) and below <= 0 <= above):
        raise _refused(path, place, expected, said)
    return value, below, above, said[3]


def _refused(path: Path, place: str, expected: str, found: object) -> OptionError:
    return OptionError(
        f"{path}: {place} cannot be used", expected=expected, found=repr(found), fix="correct it; see docs/gate.md"
    )


def hold(result: RunResult, stated: Sequence[Stated], processor: str) -> tuple[list[Finding], list[str]]:
    """Return how a result breaks what is stated of its case, and notes on what was not held against it.

    Parameters
    ----------
    result
        Of an accuracy or a performance run.
    stated
        What the project states, of any cases.
    processor
        The name of this machine's.
    """
    findings, notes = [], []
    for each in stated:
        found = _figure(result, each.figure)
        if found is None or not fnmatchcase(result.case, each.case):
            continue
        if each.figure != "accuracy" and not fnmatchcase(processor, each.processor):
            notes.append(f"{result.case}: the stated {each.figure} is of {each.processor}, not of {processor}")
            continue
        value, unit = found
        low, high = each.bounds
        if unit != each.unit or not low <= value <= high:
            findings.append(_outside(result, each, value, unit))
    return findings, notes


def _figure(result: RunResult, name: str) -> tuple[float, str] | None:
    """Return a figure of a result and its unit; None if the result has none."""
    performance = result.performance
    if name == "memory":
        return result.peak_memory_bytes / _MEBIBYTE, "MiB"
    if name == "accuracy":
        return (result.accuracy.value, result.accuracy.unit) if result.accuracy is not None else None
    if performance is None:
        return None
    if name == "performance":
        return (performance.value, performance.unit) if performance.value is not None else None
    latency = performance.latency_ms.get(name)
    return (latency, "ms") if latency is not None else None


def _outside(result: RunResult, stated: Stated, value: float, unit: str) -> Finding:
    low, high = stated.bounds
    return Finding(
        rule="stated-reference",
        what=f"{result.case} {result.mode}: the {stated.figure} is not as pyproject.toml states it",
        expected=f"{low:.6g} to {high:.6g} {stated.unit}".rstrip(),
        found=f"{value:.6g} {unit}".rstrip(),
        fix=f"look at what was changed, or change {TABLE.replace('CASE', stated.case)}",
    )
