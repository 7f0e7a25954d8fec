"""Which round a submission is one of, told by the seeds in its logs: every round has its own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_mlperf.errors import OptionError
from pytest_mlperf.rules.checks.case import SubmissionCase
from pytest_mlperf.rules.checks.scenarios import results
from pytest_mlperf.rules.round import rounds

if TYPE_CHECKING:
    from pytest_mlperf.rules.reading.submission import Submission
    from pytest_mlperf.rules.round import Round


def guess_round(submission: Submission) -> Round:
    """Return the round whose seeds most of a submission's performance runs have.

    Raises
    ------
    OptionError
        It has no division, or no log has a round's seed.
    """
    by_seed = {each.seeds.qsl_rng_seed: each for each in rounds().values()}
    seeds = [
        result.performance.detail.values.get("effective_qsl_rng_seed")
        for submitter in submission.submitters
        for system in submitter.systems
        for result in system.results
    ]
    if not submission.submitters:
        raise _nothing(submission)
    found = Counter(by_seed[seed].name for seed in seeds if isinstance(seed, int) and seed in by_seed)
    if not found:
        raise OptionError(
            "the submission does not say which round it is one of",
            expected="logs with a round's seeds",
            found=f"{len(seeds)} results, and none with such seeds",
            fix=f"name the round: --round {list(rounds())[-1]}",
        )
    most = max(found.values())
    return rounds()[max((name for name in found if found[name] == most), key=lambda name: rounds()[name].number)]


def _nothing(submission: Submission) -> OptionError:
    """Return what the check of any round says of a submission without a submitter."""
    newest = list(rounds().values())[-1]
    said = next(results(SubmissionCase(newest, submission)))
    return OptionError(said.what, expected=said.expected, found=said.found, fix=said.fix)
