"""ResNet-50's records, its rows of model files, and whole sessions on a stand-in for the official files."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlperf.benchmarks.resnet50 import ANSWERS, OFFICIAL, TINY
from pytest_mlperf.datasets.imagenet_preprocessing import PREPROCESSING
from pytest_mlperf.origin import MissingFile, Remote
from tests.official import resnet50 as official

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession


def records(variant: str, *outputs: np.ndarray) -> list[float]:
    """Return what the log has for each sample."""
    data, offsets = replace(OFFICIAL, variant=variant).encode(outputs, [], range(len(outputs[0])))
    assert list(offsets) == list(range(0, 4 * len(outputs[0]) + 1, 4))
    return [struct.unpack_from("<f", data.tobytes(), offset)[0] for offset in offsets[:-1]]


@pytest.mark.parametrize("variant", ["", "opset-8", "NHWC"])
def test_the_background_is_class_0_of_the_file_and_no_label(variant: str) -> None:
    assert records(variant, np.array([1, 1000, 0, 66])) == [0.0, 999.0, -1.0, 65.0]


@pytest.mark.parametrize(("variant", "label"), [("NHWC-scores", 2.0), ("torchvision", 3.0), ("edgetpu", 3.0)])
def test_scores_become_the_first_of_the_highest(variant: str, label: float) -> None:
    scores = np.zeros((2, 1001), np.float32)
    scores[:, 3] = scores[1, 4] = 9
    assert records(variant, scores) == [label, label]


def test_one_image_and_a_batch_give_the_same_bytes() -> None:
    classes = np.arange(1, 8)
    whole, _ = OFFICIAL.encode([classes], [], range(7))
    parts = [OFFICIAL.encode([classes[index : index + 1]], [], [index])[0] for index in range(7)]
    assert whole.tobytes() == b"".join(part.tobytes() for part in parts)


def test_every_row_can_be_told_and_its_images_and_answers_are_known() -> None:
    rows = [(row.format, row.precision, row.variant) for row in OFFICIAL.models]
    assert len(set(rows)) == len(rows)
    assert {row.variant for row in OFFICIAL.models} <= ANSWERS.keys()
    assert ANSWERS.keys() == PREPROCESSING.keys()
    for row in OFFICIAL.models:
        assert OFFICIAL.model_file(row.format, row.precision, row.variant) is row
        assert isinstance(row.source, (Remote, MissingFile))
        assert row.source.option == "--model-path FILE"
        if isinstance(row.source, Remote):
            file = row.source.recipe.file  # type: ignore[attr-defined]
            assert file.md5
            assert len(file.md5) == 32
            assert "armi.in" not in file.urls[0]


def test_imagenet_is_not_fetched_and_the_user_is_told_where_it_is_had() -> None:
    source = OFFICIAL.dataset.source(50_000)
    assert isinstance(source, MissingFile)
    assert "image-net.org" in str(source)
    assert "--dataset-path" in str(source)


def test_the_official_edition_has_no_limits_of_its_own() -> None:
    assert OFFICIAL.limits(50_000) == ()
    assert OFFICIAL.reference_data(50_000) is None
    assert OFFICIAL.scenarios == TINY.scenarios == ("Offline", "Server", "SingleStream", "MultiStream")


@pytest.fixture
def alone(benchmarks: RunSession, tmp_path: Path) -> RunSession:
    """Run ``pytest benchmarks`` with the device to itself."""
    return partial(benchmarks, MLPERF_TEST_LEASES=str(tmp_path / "leases"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return official.make(tmp_path_factory.mktemp("official"))


def options(files: tuple[Path, Path], *more: str) -> tuple[str, ...]:
    model, dataset = files
    given = (f"--model-path={model}", f"--dataset-path={dataset}", "--dataset-size=8")
    return ("--model=resnet50", "--backend=onnxruntime", *given, *more)


@pytest.mark.slow
def test_a_missing_data_set_says_that_nobody_may_fetch_it(alone: RunSession, files: tuple[Path, Path]) -> None:
    session = alone("--model=resnet50", "--mode=accuracy", "--scenario=Offline", f"--model-path={files[0]}")
    assert "image-net.org gives to those who accept its terms" in session.output.replace("\n", "")
    assert "Traceback" not in session.output


@pytest.mark.slow
def test_a_missing_image_fails_before_the_test_without_a_traceback(
    alone: RunSession, files: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "val_map.txt").write_text((files[1] / "val_map.txt").read_text())
    session = alone(*options((files[0], tmp_path), "--mode=accuracy", "--scenario=Offline"))
    assert "8 of 8 images are missing" in session.output
    assert "Traceback" not in session.output


@pytest.mark.slow
def test_accuracy_on_the_stand_in_is_that_of_opencv_s_preprocessing(
    alone: RunSession, files: tuple[Path, Path]
) -> None:
    session = alone(*options(files, "--mode=accuracy", "--scenario=Offline"))
    assert session.outcomes() == "1 passed, 1 deselected", session.output
    assert "acc 100.000 %" in session.output
    assert "not comparable (short)" in session.output


@pytest.mark.slow
def test_the_opset_8_file_runs_too(alone: RunSession, files: tuple[Path, Path]) -> None:
    session = alone(*options(files, "--mode=accuracy", "--scenario=Offline", "--mlperf-variant=opset-8"))
    assert session.outcomes() == "1 passed, 1 deselected", session.output
    assert "acc 100.000 %" in session.output
