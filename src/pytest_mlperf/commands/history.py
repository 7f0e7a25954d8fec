"""``pytest-mlperf history``: how the results of cases went from run to run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.commands.exit_codes import DONE
from pytest_mlperf.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_mlperf.history.point import Point, Series
    from pytest_mlperf.history.store import History

_TEXT = "show the results of cases from run to run, and where they step up or down"
#: So many results of each series are shown.
_SHOWN = 20
_ALL = "all"
_NAMED = 8


def add(tools: Any) -> None:
    """Add the tool to the command's parser."""
    found = tools.add_parser("history", help=_TEXT, description=f"{_TEXT.capitalize()}.")
    found.add_argument(
        "case", metavar="CASE", nargs="?", default="*", help="the cases' ids, as a pattern: '*retinanet*'; default: all"
    )
    found.add_argument(
        "--project",
        metavar="DIR",
        help=f"the project whose results are shown, or {_ALL}; default: that of the current directory",
    )
    found.add_argument("--limit", metavar="N", type=_positive, help=f"the newest N results; default: {_SHOWN}")
    found.add_argument(
        "--history", metavar="FILE", help="default: $PYTEST_MLPERF_HISTORY, else the one in the user's data directory"
    )
    found.add_argument("--json", action="store_true", help="print one JSON document; without --limit, of all results")
    found.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the history; return the exit code."""
    from pytest_mlperf.history.point import by_series

    history = _history(options.history)
    project = None if options.project == _ALL else Path(options.project or ".")
    points = history.points(options.case, project=project)
    if not points:
        _require(history, options.case, project, everything=history.points())
    found = by_series(points)
    if options.json:
        sys.stdout.write(json.dumps(_document(found, options.limit), indent=1, ensure_ascii=False) + "\n")
    elif found:
        _print(found, options.limit or _SHOWN, several=project is None)
    else:
        sys.stdout.write(f"no results yet: a session that runs cases keeps them in {history.path}\n")
    return DONE


def _history(named: str | None) -> History:
    from pytest_mlperf.history.place import OFF, VARIABLE, history_file
    from pytest_mlperf.history.store import History

    file = history_file(named, os.environ)
    if file is None:
        raise HistoryError(
            "no history is kept",
            expected="a file",
            found=f"{VARIABLE}={OFF}" if not named else f"--history {OFF}",
            fix="name the history's file with --history FILE",
        )
    if named and not file.exists():
        raise HistoryError(
            f"there is no history {file}",
            expected="a file that --mlperf-history or $PYTEST_MLPERF_HISTORY named in a session",
            found="nothing",
            fix="name another file, or leave out --history",
        )
    return History(file)


def _require(history: History, pattern: str, project: Path | None, everything: Sequence[Point]) -> None:
    """Raise HistoryError where nothing is found, although the history has results."""
    if not everything:
        return
    from fnmatch import fnmatchcase

    from pytest_mlperf.history.place import project_of

    here = str(project_of(project)) if project is not None else ""
    own = [point.series for point in everything if here in ("", point.series.project)]
    if own:
        what, names = f"no result in the history is of a case {pattern}", {series.case for series in own}
        fix = f"use a pattern that matches a whole id, such as '*{pattern.strip('*')}*'"
    else:
        matching = [point.series for point in everything if fnmatchcase(point.series.case, pattern)]
        what = f"no result in the history is of the project {here}"
        names = {series.project for series in matching or [point.series for point in everything]}
        fix = f"name another project with --project DIR, or --project {_ALL}"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    found = f"results of {', '.join(sorted(names)[:_NAMED])}{more}"
    raise HistoryError(f"{what} ({history.path})", expected="one at least", found=found, fix=fix)


def _print(found: Mapping[Series, Sequence[Point]], limit: int, *, several: bool) -> None:
    from pytest_mlperf.commands.styled import encodes, output_width, print_styled
    from pytest_mlperf.report.history_table import BARS, series_lines

    for number, (series, points) in enumerate(found.items()):
        if number:
            sys.stdout.write("\n")
        lines = series_lines(series, points, limit=limit, width=output_width(), project=several, bars=encodes(BARS))
        print_styled(lines)


def _document(found: Mapping[Series, Sequence[Point]], limit: int | None) -> list[dict[str, Any]]:
    from pytest_mlperf.history.series import steps_of

    return [
        {
            **series._asdict(),
            "machine": json.loads(series.machine),
            "points": [_point(point) for point in (points[-limit:] if limit else points)],
            "steps": [
                {
                    "time": step.point.time.isoformat(),
                    "commit": step.point.commit,
                    "before": step.before,
                    "after": step.after,
                    "count_before": step.count_before,
                    "count_after": step.count_after,
                }
                for step in steps_of(points)
            ],
        }
        for series, points in found.items()
    ]


def _point(point: Point) -> dict[str, Any]:
    return {
        "time": point.time.isoformat(),
        "commit": point.commit,
        "round": point.round,
        "verdict": point.verdict,
        "value": point.value,
        "counts": point.counts,
        "model_sha256": point.model_sha256,
        "versions": point.versions,
    }


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError("a whole number of 1 or more")
    return int(text)
