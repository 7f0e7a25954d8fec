"""The verdict on every broken submission: the official checker's at one level, the rule that is broken at the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.round import find_round
from tests.rules.mutations import MUTATIONS, Mutation
from tests.rules.submissions import BASES
from tests.rules.verdicts import verdicts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.rules.check import Report
    from pytest_mlperf.rules.round import Round
    from pytest_mlperf.rules.severity import Level
    from tests.rules.submissions import Submission

    Copy = Callable[[str], Submission]

CASES = [
    pytest.param(base, mutation, id=f"{base}-{mutation.name}")
    for base in BASES
    for mutation in MUTATIONS
    if mutation.applies_to(base.partition("_")[2])
]
#: The rules that are broken at level strict. An entry for a base or a division goes before the general one; m04 and
#: m54 break a rule that open division does not have, so they are notes there, and m78 of v5.1 breaks none in open.
BROKEN: dict[str, dict[str, str]] = {
    "m00": {"": ""},
    "m02": {"": "min-duration"},
    "m04": {"closed": "accuracy-target", "open": ""},
    "m06": {"": "accuracy-text accuracy-files"},
    "m08": {"": "accuracy-log-size"},
    "m10": {"": "performance-log performance-files"},
    "m12": {"v5.1_open": "performance-extra-files", "v5.1_closed": "performance-extra-files", "": ""},
    "m14": {"": "measurements-fields"},
    "m16": {"": "measurements-files"},
    "m18": {"": "code"},
    "m20": {"": "system-fields"},
    "m22": {"": "system-status"},
    "m24": {"": "system-submitter"},
    "m26": {"": "performance-sample-count"},
    "m28": {"": "accuracy-samples"},
    "m30": {"": "accuracy-errors"},
    "m32": {"": ""},
    "m34": {
        "v6.1_open": "inferred-scenario",
        "v6.1_closed": "inferred-scenario benchmark-for-system",
        "v5.1_open": "inferred-scenario",
        "v5.1_closed": "inferred-scenario scenario-for-system required-scenarios",
    },
    "m36": {"": ""},
    "m38": {"closed": "benchmark-known", "open": ""},
    "m40": {"": "log-first-line"},
    "m42": {"": "result-metric"},
    "m44": {"": "network system-network"},
    "m46": {"": "spaces-in-names"},
    "m48": {"": "empty-directories"},
    "m50": {"": "links"},
    "m52": {"": "stray-files"},
    "m54": {"closed": "calibration", "open": ""},
    "m56": {"": "results results-directory"},
    "m58": {"v6.1_closed": "compliance-missing", "v5.1_closed": "compliance-missing empty-directories"},
    "m60": {"": "compliance-accuracy"},
    "m62": {"": "accuracy-files"},
    "m64": {"": "accuracy-detail accuracy-text accuracy-log accuracy-files"},
    "m66": {"": "accuracy-mode"},
    "m68": {"v5.1_open": "", "v5.1_closed": "", "": "system-numbers"},
    "m70": {"": "accuracy-text"},
    "m72": {"": ""},
    "m74": {"closed": "scenario-name scenario-for-system required-scenarios", "open": "scenario-name"},
    "m76": {"": ""},
    "m78": {
        "v6.1_open": "",
        "v6.1_closed": "benchmark-for-system",
        "v5.1_open": "",
        "v5.1_closed": "scenario-for-system required-scenarios",
    },
    "m80": {
        "v5.1_open": "accuracy-metric accuracy-stated accuracy-hash",
        "v5.1_closed": "accuracy-metric accuracy-stated accuracy-hash",
        "": "accuracy-metric accuracy-hash",
    },
    "m82": {"": ""},
}


def judged(it: Submission, level: Level, round_: Round | None = None) -> Report:
    round_ = round_ or find_round(it.round)
    return check(read_submission(it.root, round_.layout), round_, level)


def errors(report: Report) -> set[str]:
    return {finding.rule for finding in report.all_findings() if finding.severity == "error"}


@pytest.mark.parametrize(("base", "mutation"), CASES)
def test_level_official_says_what_the_official_checker_says_and_level_strict_names_the_rule(
    base: str, mutation: Mutation, copy_of: Copy
) -> None:
    it = copy_of(base)
    mutation.apply(it)
    official = judged(it, "official")
    assert (official.verdict == "OK") is verdicts(base)[mutation.name].passed, errors(official)
    broken = BROKEN[mutation.name[:3]]
    expected = broken.get(base, broken.get(it.division, broken.get("")))
    assert expected is not None
    strict = judged(it, "strict")
    assert errors(strict) == set(expected.split())
    assert errors(official) <= errors(strict)
    assert all(finding.fix and finding.expected and finding.found for finding in strict.all_findings())


@pytest.mark.parametrize(("base", "mutation"), [case for case in CASES if str(case.values[0]).startswith("v5.1")])
def test_the_weights_of_the_modular_checker_give_its_verdicts_on_v5_1_too(
    base: str, mutation: Mutation, copy_of: Copy
) -> None:
    it = copy_of(base)
    mutation.apply(it)
    as_head = msgspec.structs.replace(find_round("v5.1"), official=find_round("v6.1").official)
    official = judged(it, "official", as_head)
    assert (official.verdict == "OK") is verdicts(base, "head")[mutation.name].passed, errors(official)


def test_a_short_run_is_short_and_never_ok(copy_of: Copy) -> None:
    it = copy_of("v6.1_open")
    for name in ("m02", "m26", "m28"):
        next(mutation for mutation in MUTATIONS if mutation.name.startswith(name)).apply(it)
    for level in ("official", "strict"):
        report = judged(it, level)
        assert report.verdict == "short"
        assert {result.record.scenario: result.verdict for result in report.results()} == {
            "Offline": "short",
            "SingleStream": "OK",
        }
        assert all(catalogue()[rule].short for rule in errors(report))


def test_one_other_error_makes_a_short_run_an_error(copy_of: Copy) -> None:
    it = copy_of("v6.1_open")
    for name in ("m02", "m42"):
        next(mutation for mutation in MUTATIONS if mutation.name.startswith(name)).apply(it)
    assert judged(it, "strict").verdict == "errors"


def test_what_has_no_table_here_is_not_judged_and_never_ok(copy_of: Copy) -> None:
    it = copy_of("v6.1_open")
    folder = it.results / "example-edge" / it.model
    folder.rename(folder.with_name("whisper"))
    round_ = find_round("v6.1")
    tables = {name: rules for name, rules in round_.benchmarks.items() if name != "whisper"}
    without = msgspec.structs.replace(round_, benchmarks=tables, other_benchmarks=("whisper",))
    for level in ("official", "strict"):
        report = judged(it, level, without)
        assert (report.verdict, errors(report)) == ("not judged", {"benchmark-judged"})


def test_an_empty_submission_is_ok_to_the_official_checkers_alone(tmp_path: Path) -> None:
    for name in ("v5.1", "v6.1"):
        submission = read_submission(tmp_path)
        assert check(submission, find_round(name), "official").verdict == "OK"
        assert check(submission, find_round(name), "strict").verdict == "errors"


def test_a_record_has_what_a_summary_needs(copy_of: Copy) -> None:
    it = copy_of("v6.1_open")
    next(mutation for mutation in MUTATIONS if mutation.name.startswith("m32")).apply(it)
    records = {result.record.scenario: result.record for result in judged(it, "official").results()}
    offline, stream = records["Offline"], records["SingleStream"]
    assert (offline.benchmark, offline.model, offline.metric) == ("resnet", "resnet50", "acc")
    assert (offline.ran, offline.inferred, offline.unit) == ("SingleStream", True, "samples/s")
    assert (stream.ran, stream.inferred, stream.unit) == ("SingleStream", False, "ms")
    assert offline.result is not None
    assert stream.result is not None
    # One stream answers as many queries a second as its mean latency allows, which is below its 90th percentile.
    assert offline.result > 1000 / stream.result > 0
    assert float(offline.accuracy) > 75.6954
    assert offline.location == "open/Community/results/example-edge/resnet50/Offline"
