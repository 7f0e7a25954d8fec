"""The results as reports of a GitLab job: metrics, and what failed as code quality."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.errors import OutputError
from pytest_mlperf.printable import one_line
from pytest_mlperf.report.openmetrics import openmetrics
from pytest_mlperf.report.problems import problems, relative

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_mlperf.report.finished import Finished
    from pytest_mlperf.report.problems import Problem

#: For ``artifacts:reports:metrics`` and ``artifacts:reports:codequality`` of .gitlab-ci.yml.
METRICS, CODE_QUALITY = "metrics.txt", "gl-code-quality-report.json"


def write_reports(directory: Path, finished: Finished) -> None:
    """Write both files; without a problem the second has an empty list, which clears what an earlier job said.

    Raises
    ------
    OutputError
        They cannot be written.
    """
    issues = msgspec.json.format(msgspec.json.encode(list(code_quality(finished, directory))), indent=1)
    try:
        write_atomic(directory / METRICS, openmetrics(finished.results).encode())
        write_atomic(directory / CODE_QUALITY, issues + b"\n")
    except OSError as error:
        raise OutputError(
            f"GitLab's reports cannot be written to {directory}",
            expected="a directory in which you may write, named by $CI_PROJECT_DIR",
            found=str(error),
            fix="let the job own its directory, or unset GITLAB_CI",
        ) from error


def code_quality(finished: Finished, directory: Path) -> Iterator[dict[str, Any]]:
    """Yield what failed, as GitLab's code quality has it.

    A fingerprint is that of the rule, the item and the case: the same problem has the same one in every job, whatever
    figure it was found with.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    for problem in problems(finished):
        key = (problem.rule, problem.title, problem.item.nodeid if problem.item is not None else "")
        seen[key] += 1
        digest = hashlib.sha256("\0".join((*key, str(seen[key]))).encode()).hexdigest()
        path, line = _place(problem, directory)
        yield {
            "description": one_line(f"{problem.title}: {problem.text}".replace("\n", "; ")),
            "check_name": f"mlperf/{problem.rule}",
            "fingerprint": digest,
            "severity": "major" if problem.fails else "minor",
            "location": {"path": path, "lines": {"begin": line}},
        }


def _place(problem: Problem, directory: Path) -> tuple[str, int]:
    """Return the path, which GitLab demands, and the line; of a test that is elsewhere the path in its node id."""
    item = problem.item
    if item is None:
        return "mlperf-submission", 1
    return relative(item.file, str(directory)) or item.nodeid.partition("::")[0].lstrip("./"), item.line or 1
