"""``pytest-mlperf compare-rounds``: what changed between two rounds for a benchmark."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import OptionError

if TYPE_CHECKING:
    import argparse

#: Exit codes: told, and wrong arguments.
DONE, USAGE = 0, 2
_TEXT = "what changed between two rounds for a benchmark: targets, bounds, seeds, counts, tests, scenarios"


def add(tools: Any) -> None:
    """Add the tool to the command's parser."""
    comparing = tools.add_parser("compare-rounds", help=_TEXT, description=f"{_TEXT.capitalize()}.")
    comparing.add_argument("before", metavar="ROUND", help="such as v5.0")
    comparing.add_argument("after", metavar="ROUND", help="such as v5.1")
    comparing.add_argument("benchmark", metavar="BENCHMARK", help="its official name, or another that the round knows")
    comparing.add_argument("--json", action="store_true", help="print one JSON document")
    comparing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the changes; return the exit code."""
    from pytest_mlperf.rules.changes import changes
    from pytest_mlperf.rules.names import benchmark_of
    from pytest_mlperf.rules.round import find_round

    try:
        before, after = find_round(options.before), find_round(options.after)
        name = benchmark_of(options.benchmark, after, {}) or benchmark_of(options.benchmark, before, {})
        if name is None:
            known = dict.fromkeys([*before.benchmarks, *after.benchmarks])
            raise OptionError(
                f"neither {before.name} nor {after.name} has a benchmark {options.benchmark}",
                expected=f"one of {', '.join(known)}",
                found=options.benchmark,
                fix="choose one of these",
            )
    except OptionError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    found = changes(before, after, name)
    if options.json:
        sys.stdout.write(json.dumps([each._asdict() for each in found], indent=1) + "\n")
        return DONE
    lines = [f"{name}, {before.name} and {after.name}: {len(found)} changes"]
    lines += [f"  {each.what}: {each.before} -> {each.after}" for each in found]
    sys.stdout.write("\n".join(lines) + "\n")
    return DONE
