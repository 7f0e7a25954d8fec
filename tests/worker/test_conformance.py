"""How a loaded model is compared with ONNX Runtime: which samples, for how long, and what when it cannot be."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.bert import LENGTHS, TINY_99
from pytest_mlperf.errors import ModelError
from pytest_mlperf.worker import conformance
from pytest_mlperf.worker.conformance import SAMPLES, compare, comparison_notes, spread
from tests.run.test_strange_children import SPEC

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.backends.base import Inputs, Model, Outputs
    from pytest_mlperf.implementations.protocol import Check

WHOLE = next(row for row in TINY_99.models if not row.variant)
BERT = replace(TINY_99, variant="")
RUN = structs.replace(SPEC, backend_name="other", sample_count=50, reference=str(WHOLE.source))


@dataclass
class Other:
    """Another runtime: ONNX Runtime, slower or wrong by so much."""

    model: Model
    seconds: float = 0.0
    off: float = 0.0
    weight_types: Sequence[str] = ()
    asked: int = 0

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        time.sleep(self.seconds)
        self.asked += 1
        return [value + np.float32(self.off) for value in self.model.run(inputs, graph)]


@pytest.fixture(scope="module")
def model() -> Model:
    return OnnxRuntime().load(WHOLE.source, WHOLE, "cpu", 1, {})  # type: ignore[arg-type]


def answered(model: Any, batch: int = 1, **changed: Any) -> tuple[Check, list[int]]:
    """Compare a model; return what is said, and the samples that were answered."""
    length = BERT.sequence
    samples: list[int] = []

    def answer(model: Model, indices: Sequence[int]) -> None:
        samples.extend(indices)
        ids = np.array([[index + 5] * length for index in indices])
        model.run(dict(zip(("input_ids", "input_mask", "segment_ids"), (ids, ids * 0 + 1, ids * 0), strict=True)))

    check = compare(structs.replace(RUN, **changed), BERT, WHOLE, model, answer, batch, 1)
    return check, samples


def test_the_samples_are_spread_over_those_of_the_run() -> None:
    assert spread(50, 8) == [0, 7, 14, 21, 28, 35, 42, 49]
    assert spread(3, 8) == [0, 1, 2]
    assert spread(1, 8) == [0]
    assert spread(0, 8) == []


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_an_equal_model_passes_in_the_batches_of_the_run(model: Model, batch: int) -> None:
    other = Other(model)
    check, samples = answered(other, batch)
    assert (check.outcome, samples) == ("passed", spread(50, SAMPLES))
    assert other.asked == -(-SAMPLES // min(batch, SAMPLES))


def test_a_slow_model_answers_one_sample(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "SECONDS", 0.05)
    check, samples = answered(Other(model, seconds=0.1))
    assert samples == [0]
    assert "(1 sample, " in check.said


def test_a_wrong_model_is_an_error_in_float32_only(model: Model) -> None:
    wrong = Other(model, off=0.3)
    with pytest.raises(
        ModelError, match="other computes other values than ONNX Runtime: output_start_logits for sample"
    ):
        answered(wrong)
    for check, _ in (answered(wrong, precision="bf16"), answered(replace(wrong, weight_types=("int8", "fp32")))):
        assert check.outcome == "not compared"
        assert check.said.startswith("shapes only: it is not in float32")


def test_without_onnxruntime_a_note_says_that_nothing_was_compared(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    check, samples = answered(Other(model, off=0.3))
    assert (check.outcome, len(samples)) == ("not compared", SAMPLES)
    [note] = comparison_notes(RUN, [check])
    assert note.startswith(
        "other was not compared with ONNX Runtime: ONNX Runtime is not in the environment of the run"
    )


def test_a_reference_that_cannot_be_loaded_is_a_note(model: Model, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    check, _ = answered(Other(model), reference=str(tmp_path / "model.onnx"))
    assert check.said.startswith(f"ONNX Runtime cannot load {tmp_path / 'model.onnx'}")
    assert comparison_notes(RUN, [check])


def test_a_reference_with_other_inputs_is_a_note(model: Model) -> None:
    lengths = next(row for row in TINY_99.models if row.variant == LENGTHS)
    assert lengths.graphs[0].inputs[0].shape == (None, None)
    short = [{name: value[:, :40] for name, value in {"input_ids": np.zeros((1, 64), np.int64)}.items()}]
    reference = conformance.Reference(model, WHOLE)
    compared = conformance.Compared(BERT, _Fixed(), WHOLE.graphs, reference)  # type: ignore[arg-type]
    compared.run(short[0])
    assert compared.problem is None
    assert compared.why_not.startswith("ONNX Runtime cannot run it on these inputs: ")


class _Fixed:
    """Gives outputs of the right shape whatever its input is."""

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        return [np.zeros((1, BERT.sequence), np.float32)] * 2


PEAK = """
from pytest_mlperf.worker.peak import PeakMemory
peak = PeakMemory()
def use(size):
    block = bytearray(size << 20)
    block[::4096] = b"x" * len(block[::4096])
use(100)
first = peak.size
with peak.excluded():
    use(300)
print(first >> 20, peak.size >> 20)
"""


def test_the_memory_of_the_comparison_is_no_part_of_the_peak() -> None:
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert 100 <= before <= after < before + 50
