"""``pytest-mlperf diff``: how two submissions differ."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import MLPerfError

if TYPE_CHECKING:
    import argparse

#: Exit codes, as of diff(1): no difference, some differences, not compared.
SAME, DIFFERENT, USAGE = 0, 1, 2
_TEXT = "compare two submissions: results, settings, systems, files"


def add(tools: Any) -> None:
    """Add the tool to the command's parser."""
    differing = tools.add_parser("diff", help=_TEXT, description=f"{_TEXT.capitalize()}. Exit code 1 if they differ.")
    for name in ("left", "right"):
        differing.add_argument(name, metavar=name.upper(), type=Path, help="a submission's directory or tarball")
    differing.add_argument("--json", action="store_true", help="print one JSON document")
    differing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the differences; return the exit code."""
    from pytest_mlperf.submission.difference import KINDS, differ

    try:
        found = differ(options.left, options.right)
    except MLPerfError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    if options.json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=1) + "\n")
        return DIFFERENT if found else SAME
    for kind in KINDS:
        if told := [each for each in found if each.kind == kind]:
            sys.stdout.write("".join(f"{line}\n" for line in (f"{kind}:", *(f"  {each}" for each in told))))
    return DIFFERENT if found else SAME
