"""Make the valid submissions of tests/rules/submissions from LoadGen runs of official length.

The logs are LoadGen's own: official settings, 600 seconds and more, the whole data set in accuracy mode, the
seeds of the round. The SUT only waits, so these are fixtures for the tests of the submission checks and no
results: the accuracy figures are plausible lines in the format of the reference scripts, not measured ones.

    python tools/make_submission_fixtures.py run RUNS      # eleven minutes, little CPU
    python tools/make_submission_fixtures.py pack RUNS     # writes tests/rules/submissions/*.tar.xz
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from submission_fixtures.archive import pack
from submission_fixtures.bases import BASES, find
from submission_fixtures.children import run_all
from submission_fixtures.tree import build

SUBMISSIONS = Path(__file__).parents[1] / "tests" / "rules" / "submissions"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="do the runs").add_argument("runs", type=Path)
    commands.add_parser("pack", help="make the submissions of the runs").add_argument("runs", type=Path)
    child = commands.add_parser("child", help="do one run")
    child.add_argument("folder")
    child.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "run":
        run_all(Path(__file__).resolve(), arguments.runs.resolve())
    elif arguments.command == "child":
        _child(arguments.folder, arguments.directory)
    else:
        _pack(arguments.runs.resolve())


def _child(folder: str, directory: Path) -> None:
    from submission_fixtures.loadgen_run import start  # loads LoadGen

    start(find(folder), directory)
    sys.stdout.flush()
    os._exit(0)  # LoadGen's static destructors are not worth a crash


def _pack(runs: Path) -> None:
    SUBMISSIONS.mkdir(exist_ok=True)
    for base in BASES:
        with tempfile.TemporaryDirectory() as directory:
            build(base, runs, Path(directory))
            archive = SUBMISSIONS / f"{base.name}.tar.xz"
            pack(Path(directory), archive)
            print(f"{archive.name}: {archive.stat().st_size} bytes")


if __name__ == "__main__":
    main()
