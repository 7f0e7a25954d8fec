"""``pytest-mlperf compare`` and ``report``: of what results were, without running anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs

from pytest_mlperf.baselines.compare import Allowed
from pytest_mlperf.baselines.left import Left
from pytest_mlperf.baselines.store import PLACE, Baseline
from pytest_mlperf.commands.main import main
from pytest_mlperf.metrics.outcomes import Right
from pytest_mlperf.report.json_file import write_results
from pytest_mlperf.results.compare import compare
from pytest_mlperf.results.held import Held, Key
from pytest_mlperf.results.source import Source
from tests.history.sessions import CASE, HERE, accuracy, failed, finished, performance
from tests.test_gate import with_noise

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.run.result import RunResult
    from tests.conftest import RunSession

IDS = np.arange(1000)
HOSTILE = "a/b 🚀 <b>x</b>\x1b[31m\n[red]"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def right(lost: int) -> Right:
    found = np.ones(1000, np.bool_)
    found[:lost] = False
    return Right(IDS, found)


def held(result: RunResult, outcomes: Right | None = None, digest: str = "", figures: tuple[float, ...] = ()) -> Held:
    left = Left(outcomes, digest) if outcomes is not None else "its accuracy log is not there"
    return Held(result, lambda: left, "abc", HERE, figures)


def source(name: str, *results: Held, submitted: bool = False) -> Source:
    keys = [Key(each.result.case, each.result.mode, each.result.test) for each in results]
    return Source(name, dict(zip(keys, results, strict=True)), submitted)


def only(before: Held, now: Held) -> Any:
    [pair] = compare(source("A", before), source("B", now), Allowed()).pairs
    return pair.comparison


def test_accuracy_is_compared_on_the_samples_that_both_have() -> None:
    found = only(held(accuracy(100.0), right(0), "x"), held(accuracy(97.0), right(30), "y"))
    assert (found.verdict, found.before, found.now) == ("worse", 100.0, 97.0)
    assert found.lower > 0.1
    assert only(held(accuracy(97.0), right(30), "x"), held(accuracy(97.0), right(30), "x")).verdict == "same"


def test_speed_is_compared_with_the_spread_of_a_baseline_of_the_same_machine() -> None:
    many = held(performance(100.0), figures=(100.0, 101.0, 99.0, 100.5, 99.5))
    assert only(many, held(performance(80.0))).verdict == "worse"
    assert only(many, held(performance(100.2))).verdict == "not worse"
    one = only(held(performance(100.0), figures=(100.0,)), held(performance(80.0)))
    assert one.verdict == "not comparable"
    assert "1 run of this machine" in one.reason


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (held(accuracy()), held(accuracy(), right(0)), "of the first run: its accuracy log is not there"),
        (held(accuracy(), right(0)), held(accuracy()), "of the second run: its accuracy log is not there"),
        (held(performance()), held(failed()), "one of the runs failed"),
        (held(performance()), Held(performance(), lambda: ""), "the same machine"),
    ],
)
def test_values_alone_have_no_interval_and_the_reason_is_told(before: Held, now: Held, reason: str) -> None:
    found = only(before, now)
    assert (found.verdict, found.lower) == ("not comparable", None)
    assert reason in found.reason


def test_what_has_no_pair_is_named_and_what_has_no_figure_is_left_out() -> None:
    conforms = held(structs.replace(failed("conformance"), verdict="conforms"))
    found = compare(
        source("A", held(performance(case="one")), held(performance()), conforms),
        source("B", held(performance(case="two")), held(performance()), conforms),
        Allowed(),
    )
    assert [pair.key.case for pair in found.pairs] == [CASE]
    assert [key.case for key in found.only_before] == ["one"]
    assert [key.case for key in found.only_now] == ["two"]


def test_a_submission_is_paired_by_benchmark_and_scenario() -> None:
    submitted = source("open.tar.gz", held(performance(case="retinanet-tiny-Offline")), submitted=True)
    found = compare(source("A", held(performance(500.0))), submitted, Allowed())
    assert [pair.key.case for pair in found.pairs] == ["retinanet-tiny-Offline"]
    twice = source("A", held(performance()), held(performance(case="retinanet-tiny-openvino-cpu-Offline")))
    assert len(compare(twice, submitted, Allowed()).only_before) == 2


def write(path: Path, *results: RunResult) -> str:
    write_results(path, finished(*results))
    return str(path)


def test_files_are_compared_in_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write(tmp_path / "one.json", accuracy(61.5), performance(526.3), performance(1.0, case=HOSTILE))
    two = write(tmp_path / "two.json", accuracy(60.9), performance(480.1), performance(1.0, case="new"))
    assert main(["compare", one, two, "--fail"]) == 0
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"{CASE} accuracy 61.500 % 60.900 % -0.600 not comparable" in lines
    assert f"{CASE} performance 526.3 samples/s 480.1 samples/s -8.8 % not comparable" in lines
    assert f"{CASE} accuracy: no interval: of the first run: its accuracy log is not there (no directory)" in text
    assert r"only in A: a/b 🚀 <b>x</b>\x1b[31m\n[red] performance" in text
    assert "only in B: new performance" in text
    assert lines[-1] == "2 compared: 2 not comparable"
    assert "\x1b" not in text


def test_baselines_are_compared_by_their_outcomes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, lost in (("old", 0), ("new", 30)):
        baseline = Baseline(name, tmp_path / PLACE / name)
        baseline.save(accuracy(100.0 - lost / 10), right(lost), name, HERE, "abc")
    assert main(["compare", "old", "new"]) == 0
    assert "a drop of 3 points, on all data" in capsys.readouterr().out
    assert main(["compare", "old", "new", "--fail"]) == 1
    assert main(["compare", "old", "new", "--fail", "--max-accuracy-drop", "10"]) == 0
    capsys.readouterr()
    assert main(["compare", "old", str(tmp_path / PLACE / "new"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    [comparison] = document["comparisons"]
    assert (comparison["case"], comparison["verdict"], comparison["change"]) == (CASE, "worse", -3.0)
    (tmp_path / PLACE / "new" / f"{CASE}.accuracy.npz").write_bytes(b"PK")
    assert main(["compare", "old", "new"]) == 0
    assert "no interval: of the second run: the outcomes of a baseline cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "there are no results nothing"),
        ("cut.json", "a file of results cannot be read: cut.json"),
        ("empty", "there are no results empty"),
        ("cut.tar.gz", "cut.tar.gz"),
    ],
)
def test_what_cannot_be_read_is_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    good = write(tmp_path / "good.json", accuracy())
    (tmp_path / "cut.json").write_text('{"pytest_mlperf": "0.1.0", "res')
    (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "empty").mkdir()
    for arguments in ((name, good), (good, name)):
        assert main(["compare", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_a_past_session_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "r.json", accuracy(notes=("a \x1b[31m note",)), performance(case=HOSTILE), failed())
    assert main(["report", file]) == 0
    text = capsys.readouterr().out
    assert text.startswith("MLPerf results: tiny edition\n")
    assert "\n\n" not in text
    assert "commit 0000000000" in text
    assert "mAP 61.500 %" in text
    assert r"a/b 🚀 <b>x</b>\x1b[31m\n[red]" in text
    assert r"note: a \x1b[31m note" in text
    assert "\x1b" not in text


def test_a_session_without_results_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", write(tmp_path / "r.json")]) == 0
    assert capsys.readouterr().out == "the session has no results\n"


@pytest.mark.parametrize("name", ["nothing.json", "."])
def test_what_is_no_session_cannot_be_reported(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["report", name]) == 1
    assert "results" in capsys.readouterr().err


@pytest.mark.slow
def test_sessions_are_compared_by_their_accuracy_logs(
    benchmarks: RunSession, shared_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = ("-k", "resnet50 and tiny", "--backend=onnxruntime", "--scenario=Offline", "--mode=accuracy")
    noisy = with_noise(tmp_path, 0.15)
    for name, options in (("main", ("--mlperf-save=main",)), ("noisy", (f"--model-path={noisy}",))):
        session = benchmarks(*case, f"--mlperf-cache={shared_cache}", f"--mlperf-json={tmp_path / name}.json", *options)
        assert (tmp_path / f"{name}.json").exists(), session.output
    old, new = sorted((tmp_path / "here" / "mlperf-results").glob("2*"))
    baseline = tmp_path / "here" / PLACE / "main"
    found = []
    for before, now in ((old, new), (baseline, new), (tmp_path / "main.json", tmp_path / "noisy.json")):
        capsys.readouterr()
        assert main(["compare", str(before), str(now), "--json", "--fail"]) == 1
        [comparison] = json.loads(capsys.readouterr().out)["comparisons"]
        assert comparison["verdict"] == "worse"
        found.append((comparison["lower"], comparison["upper"]))
    assert len(set(found)) == 1
    assert main(["compare", str(old), str(baseline)]) == 0
    assert "each answer is the same" in capsys.readouterr().out
