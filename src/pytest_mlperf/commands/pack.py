"""``pytest-mlperf pack`` and ``pytest-mlperf diff``: a submission as one file, and how two of them differ."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import MLPerfError

if TYPE_CHECKING:
    import argparse

#: Exit codes, of diff those of diff(1): no difference, some, not compared.
SAME, DIFFERENT, USAGE = 0, 1, 2
_PACK = "write a submission's divisions to one .tar.gz, the same bytes for the same files"
_DIFF = "say how two submissions differ: results, settings, systems, files"


def add(tools: Any) -> None:
    """Add both tools to the command's parser."""
    packing = tools.add_parser("pack", help=_PACK, description=f"{_PACK.capitalize()}.")
    packing.add_argument("directory", metavar="DIR", type=Path, help="holds open/, closed/ or network/")
    packing.add_argument("--output", metavar="FILE", type=Path, help="default: the division's name .tar.gz, here")
    packing.set_defaults(run=run_pack)
    differing = tools.add_parser("diff", help=_DIFF, description=f"{_DIFF.capitalize()}. Exit code 1 when they do.")
    for name in ("left", "right"):
        differing.add_argument(name, metavar=name.upper(), type=Path, help="a submission's directory or tarball")
    differing.add_argument("--json", action="store_true", help="print one JSON document")
    differing.set_defaults(run=run_diff)


def run_pack(options: argparse.Namespace) -> int:
    """Write the tarball; return the exit code."""
    from pytest_mlperf.submission.tarball import default_name, pack

    file = pack(options.directory, options.output or Path(default_name(options.directory)))
    sys.stdout.write(f"{file}: {file.stat().st_size:,} bytes\n")
    return SAME


def run_diff(options: argparse.Namespace) -> int:
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
