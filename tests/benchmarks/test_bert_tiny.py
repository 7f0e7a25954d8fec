"""The tiny BERT: its record, its data, and that the right pipeline reaches the target and each broken one does not.

How far each falls is stated in docs/bert.md.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import pytest_mlperf
from pytest_mlperf.benchmarks.bert import TINY_99, TINY_99_9
from pytest_mlperf.benchmarks.tiny import tiny_record
from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.datasets.known_files import known_files
from pytest_mlperf.datasets.squad_file import read_squad
from tests.benchmarks.bert_pipelines import BROKEN, RIGHT, WHOLE, f1

DATA = Path(pytest_mlperf.__file__).parent / "data"
MODEL = DATA / "bert-tiny.onnx"
RECORD = tiny_record("bert-tiny")
PART = 300


def test_the_record_belongs_to_the_model() -> None:
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() == RECORD["sha256"]
    assert MODEL.stat().st_size < 2_500_000
    assert RECORD["metric"] == "F1"
    assert 80 <= RECORD["reference"] <= 97
    assert RECORD["questions"] >= 1_000
    assert len(RECORD["reference_by_count"]) == RECORD["samples"] == TINY_99.dataset.size
    assert RECORD["reference_by_count"][-1] == RECORD["reference"]


def test_both_targets_are_parts_of_the_same_reference() -> None:
    [limit], [stricter] = TINY_99.limits(PART), TINY_99_9.limits(PART)
    assert limit.reference == stricter.reference == RECORD["reference_by_count"][PART - 1]
    assert limit.reference is not None
    assert limit.minimum == 0.99 * limit.reference
    assert stricter.minimum == 0.999 * limit.reference
    assert (TINY_99.official_name, TINY_99_9.official_name) == ("bert-99", "bert-99.9")


def test_names_types_and_shapes_are_the_official_ones() -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
    inputs = [(value.name, value.type, value.shape) for value in session.get_inputs()]
    assert inputs == [
        (name, "tensor(int64)", ["batch", "length"]) for name in ("input_ids", "input_mask", "segment_ids")
    ]
    outputs = [(value.name, value.type) for value in session.get_outputs()]
    assert outputs == [(f"output_{side}_logits", "tensor(float)") for side in ("start", "end")]


def test_the_data_is_that_of_the_reference() -> None:
    directory = TINY_99.dataset.source(PART)
    assert isinstance(directory, Path)
    content = data_content(TINY_99.dataset, directory, PART)
    assert [(file.name, file.sha256) for file in content.files] == list(known_files("bert-tiny"))
    assert content.sha256 == TINY_99.reference_data(PART) == TINY_99.reference_data(RECORD["samples"])
    assert TINY_99.reference_data(RECORD["samples"] + 1) == ""
    assert (directory / "dev-v1.1.json").stat().st_size < 700_000


def test_every_answer_is_where_it_is_said_to_be() -> None:
    squad = read_squad(DATA / "bert-tiny" / "dev-v1.1.json")
    for paragraph in squad.paragraphs():
        for question in paragraph.qas:
            for answer in question.answers:
                place = answer.answer_start
                assert paragraph.context[place:].lower().startswith(answer.text.lower()), question


def test_a_question_is_not_answered_by_its_place() -> None:
    # Some subject of another name is told the same kind of fact, and answers are all over the paragraphs.
    content = json.loads((DATA / "bert-tiny" / "dev-v1.1.json").read_text())
    places = [
        question["answers"][0]["answer_start"] / len(paragraph["context"])
        for paragraph in content["data"][0]["paragraphs"]
        for question in paragraph["qas"]
    ]
    counts, _ = np.histogram(places, 5, (0, 1))
    assert counts.min() > 0.1 * len(places)


def test_several_windows_are_needed() -> None:
    opened = TINY_99.dataset.open(DATA / "bert-tiny", PART, "")
    samples = [opened[index] for index in range(PART)]
    several = {sample.asked.question.id for sample in samples if len(sample.asked.windows) > 1}
    assert len(several) > 0.2 * len({sample.asked.question.id for sample in samples})


def test_the_right_pipeline_reproduces_the_recorded_reference() -> None:
    # PyTorch in float32, one sample at a time, against ONNX Runtime in float32, in batches.
    assert f1(RIGHT, PART) == pytest.approx(RECORD["reference_by_count"][PART - 1], abs=0.2)


@pytest.mark.slow
def test_so_it_does_on_all_samples_in_both_forms() -> None:
    for pipeline in (RIGHT, WHOLE):
        assert f1(pipeline, RECORD["samples"]) == pytest.approx(RECORD["reference"], abs=0.05)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_pipeline_falls_below_the_target(name: str) -> None:
    [limit] = TINY_99.limits(PART)
    assert limit.minimum is not None
    assert f1(BROKEN[name], PART) < limit.minimum
