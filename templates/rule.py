"""A rule of runs: copy the function into a module of src/pytest_mlperf/rules/checks/, and change what a comment says.

Its line in rules/checks/every.py: the function, under ``RUN_CHECKS["performance"]``. Other rules take another kind of
case (rules/checks/case.py) and stand in that kind's list. Its entry in rules/rules.toml:

    [one-sample]
    says = "A performance run does not issue one sample again and again."
    source = "LoadGen: performance_issue_same; no official checker looks"

with ``open = "note"`` or ``closed = "note"`` where a division does not fail by it, and ``short = true`` where every
short run breaks it. And under [official] in each file of rules/rounds/ what the round's official checker makes of it:

    one-sample = "ignores"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import RunCase


def one_sample(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the run issued one sample only; a compliance test may ask for that."""
    # Change this: look at the parsed run, and at what is asked of it (case.asked). A check opens no file, knows nothing
    # of pytest, and does not decide how much its finding weighs.
    key = "effective_performance_issue_same"
    if not case.test and case.run.detail.values.get(key) is True:
        yield Finding(
            rule="one-sample",
            what="the performance run issued one sample again and again",
            expected="samples drawn from all that are loaded",
            found=f"{key} is true",
            fix="repeat the run without performance_issue_same in user.conf",  # for anybody who has the logs
            file=case.run.detail_file,
        )
