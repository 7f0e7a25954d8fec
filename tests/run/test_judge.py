"""An accuracy log becomes what the case's metric says of it, held against the case's limits."""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import pytest
from msgspec import convert, structs

from pytest_mlperf.artifacts.content import Content, HashedFile, State
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.base import Benchmark
from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.errors import AccuracyLogError, ModelError, RunError
from pytest_mlperf.implementations.protocol import RunOptions, WorkerResult
from pytest_mlperf.implementations.python import PYTHON
from pytest_mlperf.metrics.limit import Limit
from pytest_mlperf.run.case import Case, Plan
from pytest_mlperf.run.child import Finished
from pytest_mlperf.run.compliance import References
from pytest_mlperf.run.judge import Run, judge, score
from pytest_mlperf.run.result import RunResult
from pytest_mlperf.run.spec import spec_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_mlperf.metrics.accuracy_log import Record


@dataclass(frozen=True)
class WordErrors:
    """Word error rate in percent, of answers that are each a number of wrong words; beside it how many there were."""

    line: str = "Word Error Rate: {WER}%, accuracy={accuracy}%"
    name: str = "WER"
    unit: str = "%"
    requirements: tuple[str, ...] = ()

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        wrong = [struct.unpack("<f", data)[0] for _, data in answers]
        rate = sum(wrong) / len(wrong)
        return {self.name: rate, "accuracy": 100 - rate}

    def text(self, values: Mapping[str, float]) -> str:
        return self.line.format_map(values) + "\n"


def a_run(tmp_path: Path, metric: WordErrors, limits: tuple[Limit, ...] = ()) -> Run:
    benchmark = Benchmark(edition="tiny", loadgen_model="rnnt", dataset=TINY.dataset, metric=metric, models=TINY.models)
    plan = Plan(
        benchmark=benchmark,
        backend=OnnxRuntime,
        implementation=PYTHON,
        benchmark_reference="a:B",
        backend_reference="a:C",
        model=TINY.models[0],
        dataset=tmp_path,
        dataset_size=500,
        sample_count=3,
        round=None,
        rules=None,
        limits=limits,
    )
    case = Case("words", "python", "onnxruntime", "cpu", "Offline", "accuracy", decided=plan)
    spec = spec_of(case, RunOptions(run_length="short"), plan.model, place="model", dataset=tmp_path, output=tmp_path)
    return Run(case=case, spec=spec, model=plan.model, notes=())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Answers to three samples, one of them twice."""
    lines = [
        f'{{ "seq_id" : {n}, "qsl_idx" : {index}, "data" : "{struct.pack("<f", wrong).hex().upper()}" }}'
        for n, (index, wrong) in enumerate([(0, 4.0), (2, 8.0), (0, 100.0), (1, 9.0)])
    ]
    path = tmp_path / "mlperf_log_accuracy.json"
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    return path


def test_every_value_its_text_and_the_samples_are_kept(tmp_path: Path, log: Path) -> None:
    limits = (Limit("WER", maximum=7.5225),)
    found = score(a_run(tmp_path, WordErrors(), limits), log)
    assert (found.metric, found.unit, found.value) == ("WER", "%", 7.0)
    assert found.values == {"WER": 7.0, "accuracy": 93.0}
    assert found.text == "Word Error Rate: 7.0%, accuracy=93.0%\n"
    assert (found.samples, found.dataset_size) == (3, 500)
    assert found.limits == limits
    assert found.target == 7.5225


def test_a_line_that_needs_a_value_which_is_not_there_is_refused(tmp_path: Path, log: Path) -> None:
    run = a_run(tmp_path, WordErrors(line="accuracy={accuracy}%, good={good}"))
    with pytest.raises(
        AccuracyLogError, match=r"WER of words cannot be stated\nexpected: a value good; found: WER, acc"
    ):
        score(run, log)


def test_a_score_without_the_metrics_own_value_is_refused(tmp_path: Path, log: Path) -> None:
    class Silent(WordErrors):
        def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
            return {"accuracy": 100.0 - len(list(answers))}

    with pytest.raises(AccuracyLogError, match="expected: a value WER; found: accuracy"):
        score(a_run(tmp_path, Silent()), log)


def test_without_limits_there_is_nothing_to_compare_with(tmp_path: Path, log: Path) -> None:
    found = score(a_run(tmp_path, WordErrors()), log)
    assert (found.target, found.comparable) == (None, False)
    assert score(replace_size(a_run(tmp_path, WordErrors()), 3), log).comparable is False


def replace_size(run: Run, size: int) -> Run:
    return replace(run, case=replace(run.case, decided=replace(run.case.plan, dataset_size=size)))


def data(sha256: str) -> Content:
    return Content((HashedFile("labels", "labels", sha256, State(0, 0, 0, 0)),))


def test_limits_are_held_against_the_data_that_they_are_known_for_and_no_other(tmp_path: Path, log: Path) -> None:
    class Known(Benchmark):
        def reference_data(self, samples: int) -> str:
            return f"{samples} known"

    limits = (Limit("WER", maximum=7.5225),)
    run = a_run(tmp_path, WordErrors(), limits)
    plan = run.case.plan
    known = Known(**{field.name: getattr(plan.benchmark, field.name) for field in fields(plan.benchmark)})
    run = replace(run, case=replace(run.case, decided=replace(plan, benchmark=known)))
    assert score(replace(run, data=data("3 known")), log).limits == limits
    for other in (data("another"), None):
        assert score(replace(run, data=other), log).limits == ()


@pytest.mark.parametrize(("loaded", "says"), [("b" * 64, f"SHA-256 {'b' * 64}"), ("", "none in result.json")])
def test_a_run_of_another_model_or_of_one_that_is_not_stated_is_no_result(
    tmp_path: Path, loaded: str, says: str
) -> None:
    run = a_run(tmp_path, WordErrors())
    run = replace(run, spec=structs.replace(run.spec, model_sha256="a" * 64))
    with pytest.raises(ModelError, match=f"expected: SHA-256 {'a' * 64}; found: {says}\n"):
        judge(run, Finished(WorkerResult(model_sha256=loaded), 1.0))


@pytest.mark.parametrize("field", ["model_sha256", "dataset_sha256"])
def test_a_compliance_test_is_compared_with_runs_of_the_same_model_and_data_set_only(field: str) -> None:
    texts = ("case", "benchmark", "implementation", "backend", "scenario", "run_length", "verdict")
    stated = {**dict.fromkeys(texts, "x"), "edition": "tiny", "device": "cpu", "mode": "performance", field: "a" * 64}
    reference = convert(stated, RunResult)
    References(reference).check_files(reference)
    with pytest.raises(RunError, match=f"expected: SHA-256 {'a' * 64}; found: SHA-256 {'b' * 64}"):
        References(reference).check_files(structs.replace(reference, **{field: "b" * 64}))
