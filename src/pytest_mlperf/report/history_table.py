"""The history of cases on a terminal: for each series a sparkline, a table of its results, and its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.table import Table
from rich.text import Text

from pytest_mlperf.history.series import changes, steps_of
from pytest_mlperf.machine.fingerprint import Fingerprint
from pytest_mlperf.printable import one_line
from pytest_mlperf.report.row import number
from pytest_mlperf.report.table import GAP
from pytest_mlperf.run.case import ACCURACY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from pytest_mlperf.history.point import Point, Series
    from pytest_mlperf.history.series import FoundStep

#: The characters of a sparkline, from the least value to the greatest.
BARS = "▁▂▃▄▅▆▇█"
_LONGEST_SPARKLINE = 60
_COMMIT = 10
_UNKNOWN = "–"


def series_lines(
    series: Series, points: Sequence[Point], *, limit: int, width: int, project: bool, bars: bool
) -> Iterator[RenderableType]:
    """Yield the lines of one series.

    Parameters
    ----------
    series, points
        The series, and its points in the order of time.
    limit
        The table has so many of the newest results.
    width
        Columns of the terminal.
    project
        Whether the project is named.
    bars
        Whether there may be a sparkline: the output takes its characters.
    """
    yield Text(one_line(title(series)), style="bold")
    for line in _conditions(series, project=project):
        yield Text(one_line(line), style="dim")
    values = [point.value for point in points if point.counts and point.value is not None]
    if values:
        line = sparkline(values[-min(width, _LONGEST_SPARKLINE) :]) if bars else ""
        yield Text(f"{line}{GAP if line else ''}{_range(series, values)} in {_count(len(values))}")
    yield _table(series, points, limit)
    if len(points) > limit:
        yield Text(f"{len(points) - limit:,} older; --limit N shows more", style="dim")
    for step in steps_of(points):
        yield Text(told(step), style="red" if _is_worse(step) else "green")


def title(series: Series) -> str:
    """Return the title of a series: case, mode and run length."""
    test = f" {series.test}" if series.test else ""
    return f"{series.case} {series.mode}{test}, {series.run_length}"


def told(step: FoundStep) -> str:
    """Return a step in words."""
    series = step.point.series
    change = f"{abs(step.change):.2g} %" if series.mode != ACCURACY else _points(series, abs(step.change))
    commit = f" ({_commit(step.point.commit)})" if step.point.commit else ""
    return (
        f"step {'up' if step.change > 0 else 'down'} by {change} at {_time(step.point.time)}{commit}: "
        f"{_shown(series, step.before)} in {_count(step.count_before)} before, "
        f"{_shown(series, step.after)} in {step.count_after:,} since"
    )


def sparkline(values: Sequence[float]) -> str:
    """Return a bar for each value."""
    least, greatest = min(values), max(values)
    if least == greatest:
        return BARS[3] * len(values)
    top = len(BARS) - 1
    return "".join(BARS[round(top * (value - least) / (greatest - least))] for value in values)


def _conditions(series: Series, *, project: bool) -> Iterator[str]:
    if project:
        yield f"in {series.project}"
    machine = msgspec.json.decode(series.machine, type=Fingerprint | None)
    on = f" on {_machine(machine)}" if machine is not None else ""
    data = f", data {series.dataset_sha256[:_COMMIT]}" if series.dataset_sha256 else ""
    yield f"{series.metric or 'no figure'}{on}{data}"


def _machine(machine: Fingerprint) -> str:
    quota = f" (a quota of {machine.quota:g})" if machine.quota is not None else ""
    memory = f"{machine.memory_gib} GiB" if machine.memory_gib is not None else ""
    cpus = f"{machine.cpus} CPU{'s' if machine.cpus != 1 else ''}{quota}"
    return ", ".join(filter(None, (machine.processor, cpus, machine.accelerators, memory, machine.system)))


def _table(series: Series, points: Sequence[Point], limit: int) -> Table:
    found = Table(box=None, padding=(0, len(GAP), 0, 0), pad_edge=False, header_style="bold")
    for name, right in (("time", False), ("commit", False), ("value", True), ("change", True), ("verdict", False)):
        found.add_column(name, justify="right" if right else "left", no_wrap=name != "verdict", overflow="fold")
    first = max(0, len(points) - limit)
    for point, change in list(zip(points, changes(points), strict=True))[first:]:
        found.add_row(
            Text(_time(point.time)),
            Text(_commit(point.commit)),
            Text(_shown(series, point.value)),
            Text(_change(series, change)),
            Text(one_line(point.verdict), style="" if point.counts else "yellow"),
        )
    return found


def _time(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def _commit(commit: str) -> str:
    changed = "+" if commit.endswith("+") else ""
    return one_line(commit.removesuffix("+")[:_COMMIT] + changed) or _UNKNOWN


def _shown(series: Series, value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    if series.mode == ACCURACY:
        return f"{value:.3f} {series.unit}" if series.unit else f"{value:.5f}"
    return f"{number(value)} {series.unit}"


def _points(series: Series, value: float) -> str:
    return f"{value:.3f} points" if series.unit == "%" else _shown(series, value)


def _change(series: Series, change: float | None) -> str:
    if change is None:
        return ""
    if change == 0:
        return "0"
    return f"{change:+.{3 if series.unit else 5}f}" if series.mode == ACCURACY else f"{change:+.1f} %"


def _range(series: Series, values: Sequence[float]) -> str:
    low, high = (_shown(series, value) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _count(count: int) -> str:
    return f"{count:,} result{'s' if count != 1 else ''}"


def _is_worse(step: FoundStep) -> bool:
    """Return whether the figure is worse since: less accuracy, a lower rate, a longer latency."""
    series = step.point.series
    more_is_better = series.mode == ACCURACY or "/s" in series.unit
    return (step.change < 0) == more_is_better
