"""``pytest-mlperf compare``: how any results stand to any others."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import MLPerfError

if TYPE_CHECKING:
    from pytest_mlperf.results.compare import Comparisons

#: Exit codes: told; something is worse, with --fail; not compared.
DONE, WORSE, USAGE = 0, 1, 2
_TEXT = "compare two results: JSON files, sessions, baselines, submissions"


def add(tools: Any) -> None:
    """Add the tool to the command's parser."""
    comparing = tools.add_parser(
        "compare",
        help=_TEXT,
        description=f"{_TEXT.capitalize()}. Cases are paired by their ids, and compared as --mlperf-compare does, on "
        "the samples that both runs have; diff shows what else differs between two submissions.",
    )
    what = "a file of --mlperf-json, a session's directory, a baseline's name or directory, or a submission"
    comparing.add_argument("before", metavar="A", help=what)
    comparing.add_argument("now", metavar="B", help="the same, to be held against A")
    comparing.add_argument(
        "--max-accuracy-drop", metavar="POINTS", type=_number, default=0.1, help="as for a session; default: 0.1"
    )
    comparing.add_argument(
        "--max-slowdown", metavar="PERCENT", type=_number, default=5.0, help="as for a session; default: 5"
    )
    comparing.add_argument("--fail", action="store_true", help="exit with 1 if something is worse")
    comparing.add_argument("--json", action="store_true", help="print one JSON document")
    comparing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the comparisons; return the exit code."""
    from pytest_mlperf.baselines.compare import Allowed
    from pytest_mlperf.results.compare import compare
    from pytest_mlperf.results.source import find_source

    try:
        here = Path.cwd()
        before, now = find_source(options.before, here), find_source(options.now, here)
        found = compare(before, now, Allowed(options.max_accuracy_drop, options.max_slowdown))
    except MLPerfError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    if options.json:
        sys.stdout.write(_document(found) + "\n")
    else:
        from pytest_mlperf.commands.styled import output_width, print_styled
        from pytest_mlperf.report.comparison_table import comparison_lines

        print_styled(comparison_lines(found, output_width()))
    worse = any(pair.comparison.verdict == "worse" for pair in found.pairs)
    return WORSE if worse and options.fail else DONE


def _document(found: Comparisons) -> str:
    import msgspec

    document = {
        "a": found.before,
        "b": found.now,
        "comparisons": [
            {**pair.key._asdict(), "change": pair.change, **msgspec.to_builtins(pair.comparison)}
            for pair in found.pairs
        ],
        "only_a": [key._asdict() for key in found.only_before],
        "only_b": [key._asdict() for key in found.only_now],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode()


def _number(text: str) -> float:
    from pytest_mlperf.plugin.option_values import zero_or_more

    try:
        return zero_or_more(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
