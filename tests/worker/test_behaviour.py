"""Each check of the conformance suite passes what is right, and finds the runtime that breaks its rule."""

from __future__ import annotations

import gc
import importlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs

from pytest_mlperf.benchmarks.bert import TINY_99
from pytest_mlperf.errors import RunError
from pytest_mlperf.worker import behaviour
from pytest_mlperf.worker.behaviour import CHECKS, Subject
from pytest_mlperf.worker.calls import Call, batched, recorded_calls
from pytest_mlperf.worker.completion import ignore
from tests.conftest import SUPPORT
from tests.run.test_strange_children import SPEC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.implementations.protocol import Check

WHOLE = next(row for row in TINY_99.models if not row.variant)
BERT = replace(TINY_99, variant="")
RUN = structs.replace(SPEC, backend_name="it", sample_count=20)


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Subject]]:
    """Load a model with a runtime of the tests' own."""
    monkeypatch.syspath_prepend(str(SUPPORT))
    for name, value in (("CORE_SECONDS", 0.2), ("MEMORY_SECONDS", 1.0), ("MOST_CALLS", 100), ("WARM_CALLS", 10)):
        monkeypatch.setattr(behaviour, name, value)
    wrong = importlib.import_module("mlperf_test_wrong")
    gc.collect()  # what is freed meanwhile would hide what is kept
    source = BERT.dataset.source(20)
    assert isinstance(source, Path)
    samples = BERT.dataset.open(source, 20, "")
    loaded: list[Model] = []

    def answer(model: Model, indices: Sequence[int]) -> object:
        return BERT.answer(model, [samples[index] for index in indices], indices, ignore)

    def make(name: str) -> Subject:
        backend = getattr(wrong, name)()

        def load(threads: int) -> Any:
            model = backend.load(WHOLE.source, WHOLE, "cpu", threads, {})
            loaded.append(model)
            return model

        model = load(1)
        return Subject(RUN, WHOLE, load, model, recorded_calls(RUN, WHOLE, model, answer))

    yield make
    loaded.clear()
    for keeps in (wrong.Leaks, wrong.KeepsModels):
        keeps._kept.clear()


@pytest.mark.parametrize("check", [*CHECKS, behaviour.close, behaviour.outputs, behaviour.device])
def test_what_is_right_passes(subject: Callable[..., Subject], check: Callable[[Subject], Check]) -> None:
    found = check(subject("Right"))
    assert found.outcome == "passed", found
    assert found.said


@pytest.mark.parametrize(
    ("name", "check", "found"),
    [
        ("Drifts", behaviour.repeats, "a difference of "),
        ("MixesBatches", behaviour.batches, " in batches of 4"),
        ("OnlyOneThread", behaviour.threads, "output_start_logits: "),
        ("OneCaller", behaviour.concurrency, " in 4 threads with one model"),
        ("Spawns", behaviour.memory, " more after "),
        ("Leaks", behaviour.memory, "MiB in "),
        ("KeepsModels", behaviour.close, " MiB each time"),
        ("LeavesThreads", behaviour.close, " more after 3 models"),
        ("NotANumber", behaviour.outputs, "output_end_logits: nan at "),
        ("Shapeless", behaviour.outputs, "output_start_logits: (1, "),
        ("Fewer", behaviour.outputs, "output_start_logits, output_end_logits: 1"),
        ("Other", behaviour.precision, "bf16"),
    ],
)
def test_what_breaks_a_rule_is_found(
    subject: Callable[..., Subject], name: str, check: Callable[[Subject], Check], found: str
) -> None:
    result = check(subject(name))
    assert result.outcome == "failed", result
    assert found in result.said
    assert result.expected
    assert "docs/conformance.md" in result.fix


def test_a_model_that_uses_more_cores_than_threads_is_found(
    subject: Callable[..., Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a busy machine gives a second thread is nothing to rely on.
    monkeypatch.setattr(time, "process_time", lambda: 1.9 * time.perf_counter())
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    result = behaviour.cores(subject("Right"))
    assert (result.outcome, result.said) == ("failed", "1.90 cores with one thread")


def test_a_close_that_hangs_does_not_hang_the_suite(
    subject: Callable[..., Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behaviour, "CLOSE_SECONDS", 0.2)
    with pytest.raises(RunError, match="it does not come back from close"):
        behaviour.close(subject("HangsAtClose"))


def test_a_lie_about_the_device_is_found(subject: Callable[..., Subject]) -> None:
    right = subject("Right")
    result = behaviour.device(replace(right, spec=structs.replace(RUN, device="cuda")))
    assert (result.outcome, result.expected, result.said) == ("failed", "cuda", "cpu")


@pytest.mark.parametrize("versions", [{}, {"runtime": ""}, {"runtime": None}, {3: "1.0"}])
def test_versions_are_texts(versions: Any) -> None:
    assert behaviour.versions(versions).outcome == "failed"
    assert behaviour.versions({"runtime": "1.0"}).outcome == "passed"


def test_what_is_written_on_the_standard_output_is_found(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_bytes(b"")
    assert behaviour.stdout(tmp_path / "stdout").outcome == "passed"
    (tmp_path / "stdout").write_bytes(b"hello\xff\nworld\n")
    result = behaviour.stdout(tmp_path / "stdout")
    assert (result.outcome, result.said) == ("failed", "13 bytes in stdout: hello\ufffd")


def test_calls_of_different_lengths_are_not_put_into_one_batch() -> None:
    graph = WHOLE.graphs[0]
    calls = [Call(graph, {"x": np.full((1, length), length)}, []) for length in (3, 4, 4, 5)]
    [(_, inputs, chosen)] = batched(calls, 3)
    assert inputs["x"].tolist() == [[4] * 4] * 3
    assert [call is calls[place] for call, place in zip(chosen, (1, 2, 1), strict=True)] == [True] * 3
