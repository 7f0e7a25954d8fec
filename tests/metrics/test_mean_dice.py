from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.benchmarks.unet3d import KITS19
from pytest_mlperf.datasets.kits19 import find_cases
from pytest_mlperf.datasets.kits19_cases import INFERENCE_CASES
from pytest_mlperf.datasets.kits19_writing import write_preprocessed
from pytest_mlperf.datasets.nifti_writing import nifti_bytes
from pytest_mlperf.datasets.volumes import SPACING
from pytest_mlperf.errors import AccuracyLogError, DatasetError
from pytest_mlperf.metrics.accuracy_log import Record, read_every_record, read_records
from pytest_mlperf.metrics.mean_dice import MeanDice, dice
from pytest_mlperf.rules.reading.accuracy_text import PATTERNS
from tests.datasets.ct_volumes import named, volume

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "3d-unet" / "accuracy.json").read_text())
#: The raw volumes of the golden cases.
RAW = (
    ((40, 180, 150), (3.0, 0.9, 0.9)),
    ((96, 112, 200), (1.6, 1.2, 1.2)),
    ((130, 100, 100), (1.0, 1.5, 1.5)),
    ((31, 170, 171), (5.0, 0.78125, 0.78125)),
)
METRIC = MeanDice(KITS19)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden cases, preprocessed."""
    raw, made = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("preprocessed")
    for name, (shape, spacing) in zip(INFERENCE_CASES, RAW, strict=False):
        (raw / name).mkdir()
        for stem, values in named(volume(shape)):
            (raw / name / f"{stem}.nii").write_bytes(nifti_bytes(values, spacing))
    for case in find_cases(raw, INFERENCE_CASES[:4]):
        write_preprocessed(case, made, 128, SPACING)
    return made


def disturbed(truth: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
    """The prediction of a golden case: its truth, moved, with strange voxels."""
    moved = np.roll(truth, 3 * index + 1, axis=index % 3)
    z, y, x = np.indices(truth.shape)
    return np.where((z * 7 + y * 13 + x * 29) % 500 < 2 * index, (z + y + x) % 3, moved).astype(np.uint8)


@pytest.fixture(scope="module")
def answers(dataset: Path) -> list[Record]:
    truths = ((index, METRIC.volumes.truth(dataset, index)) for index in (2, 0, 3, 1))
    return [Record(index, disturbed(truth, index).tobytes()) for index, truth in truths]


def log(records: Iterable[Record], path: Path) -> Path:
    lines = (
        f'{{ "seq_id" : {place}, "qsl_idx" : {index}, "data" : "{data.hex().upper()}" }}'
        for place, (index, data) in enumerate(records)
    )
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    return path


def test_the_scores_and_the_line_are_those_of_the_reference(
    dataset: Path, answers: list[Record], tmp_path: Path
) -> None:
    values = METRIC.score(read_records(log(answers, tmp_path / "log.json")), dataset)
    kidney, tumor, composite = GOLDEN["cases"]["mean"]
    assert (values["kidney"], values["tumor"], values["DICE"]) == pytest.approx((kidney, tumor, composite), rel=1e-15)
    assert METRIC.text(values) == GOLDEN["printed"] + "\n"


def test_each_case_has_the_references_scores(dataset: Path, answers: list[Record]) -> None:
    for record in answers:
        values = METRIC.score([record], dataset)
        known = GOLDEN["cases"][INFERENCE_CASES[record.qsl_idx]]
        assert [values["kidney"], values["tumor"], values["DICE"]] == known


@pytest.mark.parametrize("case", GOLDEN["dice_unit"], ids=lambda case: "".join(map(str, case["prediction"])))
def test_the_coefficients_of_a_few_voxels_are_the_references(case: dict[str, Any]) -> None:
    found = dice(np.array(case["prediction"], np.uint8), np.array(case["truth"], np.uint8))
    assert found == (case["kidney"], case["tumor"], case["composite"])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_the_coefficients_are_symmetric_and_between_0_and_1(voxels: list[tuple[int, int]]) -> None:
    one, other = np.array(voxels, np.uint8).T
    assert dice(one, other) == dice(other, one)
    assert all(0 <= value <= 1 for value in dice(one, other))
    assert dice(one, one) == (1, 1, 1)


def test_the_checkers_read_the_line() -> None:
    text = METRIC.text({"DICE": 0.8617, "kidney": 0.9347, "tumor": 0.7887})
    assert text == "Accuracy: mean = 0.86170, kidney = 0.9347, tumor = 0.7887\n"
    found = PATTERNS["DICE"].match(text)
    assert found is not None
    assert found[1] == "0.86170"
    assert re.match(r"Accuracy\:\s*mean\s*=\s*([\d\.]+).*", text)


def test_a_part_of_the_cases_has_the_score_of_that_part(dataset: Path, answers: list[Record]) -> None:
    values = METRIC.score([record for record in answers if record.qsl_idx in (0, 1)], dataset)
    means = [GOLDEN["cases"][name][2] for name in INFERENCE_CASES[:2]]
    assert values["DICE"] == pytest.approx(sum(means) / 2, rel=1e-15)


def test_a_case_that_is_answered_twice_is_an_error(dataset: Path, answers: list[Record], tmp_path: Path) -> None:
    path = log([*answers[:3], answers[0]], tmp_path / "log.json")
    with pytest.raises(AccuracyLogError, match="sample 2 is answered twice"):
        METRIC.score(read_every_record(path), dataset)


def test_an_answer_that_is_a_byte_short_is_an_error(dataset: Path, answers: list[Record]) -> None:
    index, data = answers[0]
    with pytest.raises(AccuracyLogError, match="not as large as its volume"):
        METRIC.score([Record(index, data[:-1])], dataset)


def test_a_class_that_does_not_exist_is_an_error(dataset: Path, answers: list[Record]) -> None:
    index, data = answers[0]
    with pytest.raises(AccuracyLogError, match="class that does not exist"):
        METRIC.score([Record(index, b"\x03" + data[1:])], dataset)


def test_a_sample_that_does_not_exist_is_an_error(dataset: Path) -> None:
    with pytest.raises(AccuracyLogError, match="answers sample 43"):
        METRIC.score([Record(43, b"\0")], dataset)


def test_no_answer_at_all_is_an_error(dataset: Path) -> None:
    with pytest.raises(AccuracyLogError, match="no volume is answered"):
        METRIC.score([], dataset)


def test_an_answer_to_a_case_whose_labels_are_missing_is_an_error(dataset: Path) -> None:
    with pytest.raises(DatasetError, match="1 of 1 cases are missing"):
        METRIC.score([Record(7, b"\0")], dataset)
