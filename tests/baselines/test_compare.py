"""How a result stands to a baseline: what is compared, what is not, and what a broken baseline says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs

from pytest_mlperf.baselines.compare import Allowed, Before, compare_accuracy, compare_performance, compare_turns
from pytest_mlperf.baselines.entry import FORMAT, Entry, file_of, read_entry
from pytest_mlperf.baselines.left import Left
from pytest_mlperf.baselines.store import PLACE, Baseline, commit_of, find, home
from pytest_mlperf.errors import BaselineError
from pytest_mlperf.implementations.protocol import Turns
from pytest_mlperf.machine.fingerprint import Fingerprint, read_fingerprint
from pytest_mlperf.metrics.outcomes import Errors, Outcomes, Right, Scores
from pytest_mlperf.rules.accuracy import Accuracy
from pytest_mlperf.rules.performance import Performance
from pytest_mlperf.run.result import RunResult

if TYPE_CHECKING:
    from pytest_mlperf.gate.comparison import Comparison

HERE = Fingerprint(processor="A 1", cpus=2, quota=None, accelerators="", memory_gib=24, system="Linux")
IDS = np.arange(1000)
ALPHA = 0.01


def accuracy(value: float = 90.0, **changes: Any) -> RunResult:
    metric = Accuracy(
        metric="acc", unit="%", value=value, limits=(), samples=1000, dataset_size=1000, values={"acc": value}, text=""
    )
    facts: dict[str, Any] = {"mode": "accuracy", "verdict": "reached", "accuracy": metric, "dataset_sha256": "d"}
    return result(**facts | changes)


def performance(value: float, **changes: Any) -> RunResult:
    figures = Performance(
        value=value, unit="samples/s", words="samples per second", valid=True, samples=9, latency_ms={}
    )
    facts: dict[str, Any] = {"mode": "performance", "verdict": "VALID", "performance": figures}
    return result(**facts | changes)


def result(**facts: Any) -> RunResult:
    known: dict[str, Any] = {"benchmark": "b-tiny", "edition": "tiny", "implementation": "python"}
    known |= {"case": "b-tiny", "backend": "onnxruntime", "device": "cpu", "scenario": "Offline"}
    return RunResult(**{"run_length": "short", **known, **facts})


def entry(of: RunResult, *figures: float, machine: Fingerprint = HERE) -> Entry:
    return Entry(format=FORMAT, saved="2026-01-01", machine=machine, result=of, figures=figures, commit="abc")


def right(lost: int) -> Right:
    found = np.ones(1000, np.bool_)
    found[:lost] = False
    return Right(IDS, found)


def held(before: Outcomes, now: Outcomes, old: RunResult, new: RunResult) -> Comparison:
    return compare_accuracy(Before("main", "abc", old, "", lambda: before), new, Left(now, "x"), Allowed(), ALPHA)


def test_accuracy_is_compared_on_the_samples() -> None:
    assert held(right(0), right(30), accuracy(100), accuracy(97)).verdict == "worse"
    small = held(right(0), right(3), accuracy(100), accuracy(99.7))
    assert small.verdict == "undecided"
    assert small.needed is not None
    assert small.needed > 1000
    assert held(right(30), right(0), accuracy(97), accuracy(100)).verdict == "not worse"


def test_a_fraction_is_allowed_hundredths() -> None:
    scores = Scores(IDS, np.full(1000, 0.8))
    found = held(scores, Scores(IDS, scores.scores - 0.0005), *[dice(0.8), dice(0.7995)])
    assert found.allowed == pytest.approx(0.001)
    assert found.verdict == "not worse"
    assert held(scores, Scores(IDS, scores.scores - 0.002), dice(0.8), dice(0.798)).verdict == "worse"


def dice(value: float) -> RunResult:
    fraction = structs.replace(accuracy().accuracy or pytest.fail(), unit="", metric="DICE", value=value)
    return accuracy(accuracy=fraction)


@pytest.mark.parametrize(
    ("old", "now", "reason"),
    [
        ({"dataset_sha256": "other"}, right(0), "other data"),
        ({}, Errors(IDS, IDS, IDS), "another kind of metric"),
        ({}, Right(IDS + 5000, np.ones(1000, np.bool_)), "no sample is in both"),
    ],
)
def test_what_is_of_other_data_is_not_compared(old: Any, now: Outcomes, reason: str) -> None:
    found = held(right(0), now, accuracy(**old), accuracy())
    assert found.verdict == "not comparable"
    assert reason in found.reason


def test_speed_is_compared_with_the_spread_of_earlier_runs_of_the_same_machine() -> None:
    figures = (100.0, 101.0, 99.0, 100.5, 99.5)
    before = entry(performance(100), *figures)

    def speed(value: float) -> Comparison:
        return compare_performance("main", before, performance(value), HERE, Allowed(), ALPHA)

    assert speed(100.2).verdict == "not worse"
    slow = speed(80.0)
    assert slow.verdict == "worse"
    assert slow.drop == pytest.approx(25, abs=0.1)
    assert speed(95.0).verdict == "undecided"


FIVE = (100.0,) * 5


@pytest.mark.parametrize(
    ("old", "new", "machine", "reason"),
    [
        (entry(performance(100), *FIVE), {}, structs.replace(HERE, processor="A 2"), "another machine: processor A 2"),
        (entry(performance(100), 100.0), {}, HERE, "1 run of this machine, and 5 tell the spread"),
        (entry(performance(100, run_length="official"), *FIVE), {}, HERE, "official length"),
        (entry(performance(100), *FIVE), {"verdict": "INVALID"}, HERE, "not VALID"),
    ],
    ids=["another machine", "one run", "another length", "not valid"],
)
def test_speed_of_other_runs_is_not_compared(old: Entry, new: Any, machine: Fingerprint, reason: str) -> None:
    found = compare_performance("main", old, performance(50, **new), machine, Allowed(), ALPHA)
    assert found.verdict == "not comparable"
    assert reason in found.reason


def test_a_baseline_keeps_the_figures_of_its_machine(tmp_path: Path) -> None:
    baseline = Baseline("main", tmp_path)
    for value in (100.0, 101.0):
        baseline.save(performance(value), None, "", HERE, "")
    found = baseline.entry("b-tiny", "performance")
    assert found is not None
    assert found.figures == (100.0, 101.0)
    baseline.save(performance(50.0, model_sha256="another"), None, "", HERE, "")
    found = baseline.entry("b-tiny", "performance")
    assert found is not None
    assert found.figures == (50.0,)


@pytest.mark.parametrize(
    "outcomes", [right(3), Scores(np.array(["q1", "q2"]), np.array([1.0, 0.5])), Errors(IDS, IDS, IDS)]
)
def test_outcomes_come_back_as_they_were(tmp_path: Path, outcomes: Outcomes) -> None:
    baseline = Baseline("main", tmp_path)
    baseline.save(accuracy(), outcomes, "digest", HERE, "commit")
    found = baseline.outcomes("b-tiny", "accuracy")
    assert type(found) is type(outcomes)
    assert found.ids.tolist() == outcomes.ids.tolist()
    assert found.value() == outcomes.value()
    assert baseline.cases() == {("b-tiny", "accuracy")}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda text: text[: len(text) // 2], "truncated"),
        (lambda _: "[]", "Expected `object`"),
        (lambda text: text.replace(f'"format": {FORMAT}', '"format": 99'), "format 99"),
        (lambda _: "{", "truncated"),
    ],
    ids=["cut off", "a list", "newer", "one brace"],
)
def test_a_broken_baseline_is_an_error_that_names_it(tmp_path: Path, change: Any, found: str) -> None:
    Baseline("main", tmp_path).save(accuracy(), right(1), "", HERE, "")
    path = file_of(tmp_path, "b-tiny", "accuracy")
    path.write_text(change(path.read_text()))
    with pytest.raises(BaselineError, match=found) as error:
        read_entry(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing"])
def test_outcomes_that_are_cut_off_are_an_error(tmp_path: Path, content: bytes) -> None:
    baseline = Baseline("main", tmp_path)
    baseline.save(accuracy(), right(1), "", HERE, "")
    file_of(tmp_path, "b-tiny", "accuracy").with_suffix(".npz").write_bytes(content)
    with pytest.raises(BaselineError, match="outcomes of a baseline cannot be read"):
        baseline.outcomes("b-tiny", "accuracy")


def test_a_baseline_is_found_by_name_by_path_and_as_the_latest(tmp_path: Path) -> None:
    for number, name in enumerate(("one", "two")):
        place = tmp_path / PLACE / name
        Baseline(name, place).save(accuracy(), right(1), "", HERE, "")
        os.utime(file_of(place, "b-tiny", "accuracy"), (number, number))
    assert find("one", tmp_path).name == "one"
    assert find("latest", tmp_path).name == "two"
    assert find(str(tmp_path / PLACE / "one"), Path("/nowhere")).directory == tmp_path / PLACE / "one"
    with pytest.raises(BaselineError, match=r"there is no baseline three\nexpected: one of those in .*: one, two"):
        find("three", tmp_path)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert home(below) == tmp_path


def test_no_baseline_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="save one with --mlperf-save"):
        find("latest", tmp_path)


def test_a_machine_differs_from_itself_in_nothing() -> None:
    assert read_fingerprint().differences(read_fingerprint()) == []
    assert HERE.differences(structs.replace(HERE, cpus=4)) == ["cpus 4, not 2"]


def test_there_is_no_commit_outside_a_repository(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == ""


def turns(slower: float) -> RunResult:
    random = np.random.default_rng(0)
    old, new = (tuple(0.01 * (1 + 0.01 * random.random(20))) for _ in range(2))
    return structs.replace(
        performance(1), turns=Turns(old=old, new=tuple(slower * each for each in new), calls=4, batch=2)
    )


@pytest.mark.parametrize(("slower", "verdict"), [(1.0, "not worse"), (1.1, "worse"), (0.9, "not worse")])
def test_two_models_that_took_turns_are_compared_by_their_fastest_calls(slower: float, verdict: str) -> None:
    found = compare_turns("old.onnx", turns(slower), Allowed(), ALPHA)
    assert found.verdict == verdict
    assert found.drop == pytest.approx(100 * (slower - 1), abs=1)
    assert found.figure == "a call of 2 samples in ms"


def test_where_models_cannot_take_turns_the_reason_is_told() -> None:
    found = compare_turns("old.onnx", performance(1), Allowed(), ALPHA)
    assert found.verdict == "not comparable"
    assert "implementation python" in found.reason
