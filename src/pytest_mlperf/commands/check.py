"""``pytest-mlperf check``: checks a submission against the rules."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.commands.output import passing_line
from pytest_mlperf.errors import OptionError, OutputError

if TYPE_CHECKING:
    import argparse

    from pytest_mlperf.rules.check import Report

#: Exit codes: the verdict is OK; it is not; wrong arguments.
OK, NOT_OK, USAGE = 0, 1, 2
_TEXT = "check a submission against the rules of its round: a directory with closed/ and open/, or a tarball of it"


def add(tools: Any) -> None:
    """Add the tool to the command's parser."""
    parser: argparse.ArgumentParser = tools.add_parser("check", help=_TEXT, description=f"{_TEXT.capitalize()}.")
    parser.add_argument("submission", metavar="DIR|TARBALL", type=Path, help="the submission; it is not changed")
    parser.add_argument(
        "--round", metavar="R", help="the round, such as v5.1; default: found from the seeds in the logs"
    )
    parser.add_argument(
        "--level",
        choices=("official", "strict"),
        default="strict",
        help="official: like the round's official checker; strict (default): also rules that it does not check",
    )
    parser.add_argument(
        "--by",
        choices=("result", "rule", "submitter"),
        help="how findings are grouped; default: by result up to ten results, else by rule",
    )
    parser.add_argument("--all", action="store_true", help="every place of a finding, not the first ones")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--csv", metavar="FILE", type=Path, help="also write the results in the columns of the official summary.csv"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the verdict; return the exit code."""
    from pytest_mlperf.report.submission import lines
    from pytest_mlperf.run.directories import require_file

    try:
        if options.csv is not None:
            require_file(options.csv, "--csv")
        report = _report(options)
        if options.csv is not None:
            _write_csv(options.csv, report)
    except (OptionError, OutputError) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    if options.json:
        from msgspec import to_builtins

        text = json.dumps(to_builtins(report), indent=1)
    else:
        text = "\n".join(lines(report, shutil.get_terminal_size().columns, options.by, everything=options.all))
    sys.stdout.write(f"{text}\n")
    return OK if report.verdict == "OK" else NOT_OK


def _report(options: argparse.Namespace) -> Report:
    from pytest_mlperf.rules.check import check
    from pytest_mlperf.rules.guess import guess_round
    from pytest_mlperf.rules.reading.read import read_submission
    from pytest_mlperf.rules.reading.source import opened
    from pytest_mlperf.rules.round import find_round

    round_ = find_round(options.round) if options.round is not None else None
    with opened(options.submission) as root, passing_line() as tell:
        submission = read_submission(root, round_.layout if round_ is not None else None, tell)
        if round_ is None:
            round_ = guess_round(submission)
            if any(submitter.layout != round_.layout for submitter in submission.submitters):
                submission = read_submission(root, round_.layout, tell)
        return check(submission, round_, options.level)


def _write_csv(path: Path, report: Report) -> None:
    from pytest_mlperf.artifacts.disk import write_atomic
    from pytest_mlperf.rules.round import find_round
    from pytest_mlperf.run.directories import unwritable
    from pytest_mlperf.submission.summary import summary_csv

    try:
        write_atomic(path, summary_csv(report, find_round(report.round)).encode())
    except OSError as error:
        raise unwritable(path, "--csv", error) from error
