"""``pytest-mlperf pack``: packs a submission as one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.commands.exit_codes import DONE

if TYPE_CHECKING:
    import argparse

_TEXT = "write a submission's divisions to one reproducible .tar.gz"


def add(tools: Any) -> None:
    """Add the tool to the command's parser."""
    packing = tools.add_parser("pack", help=_TEXT, description=f"{_TEXT.capitalize()}.")
    packing.add_argument("directory", metavar="DIR", type=Path, help="contains open/, closed/ or network/")
    packing.add_argument(
        "--output", metavar="FILE", type=Path, help="default: DIVISION.tar.gz in the current directory"
    )
    packing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the tarball; return the exit code."""
    from pytest_mlperf.submission.tarball import default_name, pack

    file = pack(options.directory, options.output or Path(default_name(options.directory)))
    sys.stdout.write(f"{file}: {file.stat().st_size:,} bytes\n")
    return DONE
