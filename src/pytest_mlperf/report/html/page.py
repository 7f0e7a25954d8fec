"""The page: gathers its sections from the results and renders the template."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_mlperf import __version__
from pytest_mlperf.printable import one_line, printable
from pytest_mlperf.report.html.accuracy import Shown, shown
from pytest_mlperf.report.html.compared import INTERVAL_WIDTH, compared
from pytest_mlperf.report.html.explained import Explained, Explanations
from pytest_mlperf.report.html.past import past
from pytest_mlperf.report.html.surroundings import versions
from pytest_mlperf.report.html.timing import plots_of
from pytest_mlperf.report.html.verdicts import broken_rules, requirements
from pytest_mlperf.report.row import GOOD, MEBIBYTE, Row, number, row, row_of
from pytest_mlperf.report.terminal import title
from pytest_mlperf.run.repeated import by_repetition, median_run, together, worst_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment

    from pytest_mlperf.registry import Registry
    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.report.html.past import Series
    from pytest_mlperf.report.html.plot import Plot
    from pytest_mlperf.run.result import RunResult

#: With no more runs than this, all are unfolded; else those that failed, up to so many.
_FEW, _MOST_OPEN = 4, 8


@dataclass(frozen=True)
class RunView:
    """One run on the page.

    Attributes
    ----------
    number
        Its place in the session; names its section.
    state
        ``failed``, ``passed``, or ``neutral`` where its verdict is neither good nor bad.
    cells, values
        Its row of the table, and what the row is sorted by where that is a number, by column.
    plots, shown, explained
        What is drawn of it.
    unfolded
        Whether its section is open at first.
    """

    number: int
    result: RunResult
    state: str
    cells: Row
    values: dict[str, float | None]
    plots: Sequence[Plot]
    shown: Shown
    explained: Explained | None
    unfolded: bool


@dataclass(frozen=True)
class TableRow:
    """A row of the table: a run, or all repetitions of one case, of which `number` is the one to look at first."""

    number: int
    state: str
    cells: Row
    values: dict[str, float | None]


@dataclass(frozen=True)
class Around:
    """What a page says besides the results.

    Attributes
    ----------
    facts
        What is known of the machine of the session, by name.
    commit
        The commit that is checked out; empty if unknown.
    registry
        Finds the benchmarks, whose metrics read the accuracy logs.
    series
        Returns the earlier figures of a case; None where no history is kept.
    """

    facts: Sequence[tuple[str, str]]
    commit: str
    registry: Registry
    series: Series | None = None


def render(finished: Finished, around: Around) -> str:
    """Return the page."""
    results = finished.results
    views = run_views(results, around.registry)
    script = _asset("script.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=title(results),
            version=__version__,
            finished=finished,
            command=shlex.join(finished.command),
            commit=around.commit,
            runs=views,
            rows=table_rows(views),
            verdicts=Counter(view.cells.verdict for view in views),
            broken=broken_rules(results),
            lacking=requirements((result, finding) for result in results for finding in result.lacks),
            bent=requirements((result, finding) for result in results for finding in result.changes),
            notes=list(dict.fromkeys((*(note for result in results for note in result.notes), *finished.notes))),
            compared=compared(results),
            baselines=list(
                dict.fromkeys(
                    (each.baseline, each.commit) for result in results if (each := result.comparison) is not None
                )
            ),
            interval_width=INTERVAL_WIDTH,
            past=past(results, around.series),
            history_is_kept=around.series is not None,
            machine=[(name, value) for name, value in around.facts if value],
            versions=versions(results),
            style=_asset("style.css"),
            script=script,
            script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        )
    )


def run_views(results: Sequence[RunResult], registry: Registry) -> list[RunView]:
    """Return the runs as they are shown."""
    explanations = Explanations()
    open_left = len(results) if len(results) <= _FEW else _MOST_OPEN
    views = []
    for place, result in enumerate(results):
        state = "failed" if result.errors else "passed" if result.verdict in GOOD else "neutral"
        unfolded = open_left > 0 and (len(results) <= _FEW or state == "failed")
        open_left -= unfolded
        views.append(
            RunView(
                place,
                result,
                state,
                row(result),
                _values(result),
                list(plots_of(result)),
                shown(result, registry) if result.accuracy is not None else Shown(),
                explanations.of(result.output),
                unfolded,
            )
        )
    return views


def table_rows(views: Sequence[RunView]) -> list[TableRow]:
    """Return the rows of the table; the repetitions of a case are one row, in the state of the worst."""
    by_result = {id(view.result): view for view in views}
    rows = []
    for runs in by_repetition([view.result for view in views]):
        worst = by_result[id(worst_run(runs))]
        if runs[0].repetitions == 1:
            rows.append(TableRow(worst.number, worst.state, worst.cells, worst.values))
            continue
        middle = by_result[id(median_run(runs) or worst.result)]
        seen = worst if worst.state == "failed" else middle
        values = {
            **middle.values,
            "result": together(runs).median,
            "wall": sum(run.seconds.get("wall", 0.0) for run in runs) or None,
            "memory": float(max(run.peak_memory_bytes for run in runs)) or None,
        }
        rows.append(TableRow(seen.number, worst.state, row_of(runs), values))
    return rows


def _values(result: RunResult) -> dict[str, float | None]:
    latency = result.performance.latency_ms if result.performance is not None else {}
    value = None
    if result.performance is not None:
        value = result.performance.value
    elif result.accuracy is not None:
        value = result.accuracy.value
    return {
        "result": value,
        **{name: latency.get(name) for name in ("p50", "p90", "p99")},
        "wall": result.seconds.get("wall"),
        "memory": float(result.peak_memory_bytes) or None,
    }


def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"breakable": _breakable, "number": number, "lines": _lines}
    environment.filters["mebibytes"] = lambda size: f"{size / MEBIBYTE:,.0f} MiB"
    return environment


def _finalized(value: Any) -> Any:
    """Return a value as it is written: control characters are escaped, and markup of ours stays."""
    return one_line(value) if type(value) is str else value


def _lines(text: str) -> Any:
    """Return a text of several lines; the style keeps them."""
    from markupsafe import escape

    return escape(printable(text))


def _breakable(text: str) -> Any:
    """Return a name that may be broken after its hyphens, slashes and dots."""
    from markupsafe import Markup, escape

    parts = [escape(part) for part in one_line(text).replace("/", "/\0").replace("-", "-\0").split("\0")]
    return Markup("<wbr>").join(parts)


_asset = partial(
    lambda directory, name: (directory / name).read_text("utf-8"), resources.files(__package__) / "templates"
)
