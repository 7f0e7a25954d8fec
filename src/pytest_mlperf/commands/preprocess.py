"""``pytest-mlperf preprocess``: writes preprocessed images to files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pytest_mlperf.commands.exit_codes import DONE
from pytest_mlperf.commands.output import control_stream


def add(tools: Any) -> None:
    """Add the tool to the command's parser."""
    text = "preprocess images for RetinaNet into shards of 16-bit fixed point; use OUTPUT with --dataset-path"
    parser = tools.add_parser("preprocess", help=text, description=f"{text.capitalize()}. Finished shards are kept.")
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="contains annotations/ and validation/data/")
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="directory for the shards")
    parser.add_argument("--count", metavar="N", type=_count, required=True, help="the first N images")
    parser.add_argument("--size", metavar="PIXELS", type=_count, default=800, help="side of the input; default: 800")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the shards; return the exit code."""
    from pytest_mlperf.datasets.openimages import preprocess
    from pytest_mlperf.report.progress import Bar

    show = Bar(control_stream(sys.stderr), "preprocessing").update
    preprocess(options.dataset, options.output, options.count, options.size, show)
    sys.stdout.write(f"{options.count:,} images of {options.size}x{options.size} in {options.output}\n")
    return DONE


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
