"""An explanation fails nothing: what cannot be explained says so."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from pytest_mlperf.backends.onnx_weights import float32_weights
from pytest_mlperf.benchmarks import resnet50
from pytest_mlperf.datasets.layout import ANNOTATIONS
from pytest_mlperf.errors import OutputError
from pytest_mlperf.explain.explain import explain
from pytest_mlperf.explain.explanation import FILE, Explanation, read_explanation
from pytest_mlperf.explain.failure import Failure
from pytest_mlperf.explain.pictures import RIGHT, Box, Contour, scaled, with_boxes, with_contours
from pytest_mlperf.explain.ranking import changed_most, sample_scores
from pytest_mlperf.explain.transcripts import marked_errors
from pytest_mlperf.implementations.protocol import RUN_FILE
from pytest_mlperf.metrics.average_precision import Matches
from pytest_mlperf.metrics.outcomes import Errors, Right, Scores
from tests.explain.runs import changed_log, shipped_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.explain.conftest import Healthy

    Of = Callable[[str], Healthy]


class Length:
    """A metric that does not say what it is made of."""

    name, unit, requirements = "length", "", ()

    def score(self, answers: Any, dataset: Path) -> dict[str, float]:
        return {self.name: float(sum(len(data) for _, data in answers))}

    def text(self, values: Any) -> str:
        return ""


class Lengths(Length):
    """A metric of another package that does say it."""

    def outcomes(self, answers: Any, dataset: Path) -> Scores:
        found = [(index, float(len(data))) for index, data in answers]
        return Scores(np.array([index for index, _ in found]), np.array([length for _, length in found]))


def test_a_metric_of_another_package_has_its_samples_listed_if_it_gives_outcomes(healthy: Of, tmp_path: Path) -> None:
    log = healthy("rnnt").copied(tmp_path / "run")
    benchmark = replace(resnet50.TINY, metric=Length())
    found = explain(Failure(benchmark, log, tmp_path), log.parent)
    assert found.notes == ("the metric length does not say what it is made of",)
    found = explain(Failure(replace(benchmark, metric=Lengths()), log, tmp_path), log.parent)
    assert "is of another package" in found.notes[0]
    assert [each.images for each in found.samples] == [()] * len(found.samples)


def test_a_log_that_cannot_be_read_is_a_note(healthy: Of, tmp_path: Path) -> None:
    run = healthy("resnet50")
    log = run.copied(tmp_path / "run")
    log.write_text(log.read_text()[:-100])
    found = run.explained(log)
    assert found.samples == ()
    assert "the answers could not be explained" in found.notes[0]
    assert "AccuracyLogError" in found.notes[0]


def test_images_that_are_gone_cost_the_pictures_only(healthy: Of, tmp_path: Path) -> None:
    run = healthy("resnet50")
    log = run.copied(tmp_path / "run")
    changed_log(log, "<f4", lambda values: values + 1)
    shutil.copy(run.dataset / "val_map.txt", tmp_path)
    found = replace(run, dataset=tmp_path).explained(log)
    assert [each.name for each in found.causes] == ["labels shifted by one"]
    assert "the samples could not be explained" in found.notes[0]


@pytest.mark.parametrize("what", ["a file in its place", "a directory in place of the file"])
def test_a_place_that_cannot_be_written_is_a_note(healthy: Of, tmp_path: Path, what: str) -> None:
    run = healthy("rnnt")
    log = run.copied(tmp_path / "run")
    if what == "a file in its place":
        (log.parent / "explanation").write_text("")
    else:
        (log.parent / "explanation" / FILE).mkdir(parents=True)
    assert "cannot be" in run.explained(log).notes[-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_format": "pytorch"}, "it is no ONNX file but pytorch"),
        ({"model": "/nowhere/model.onnx"}, "it is not there any more"),
    ],
    ids=["another format", "a model that is gone"],
)
def test_a_model_that_cannot_be_asked_again_is_a_note(
    healthy: Of, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    run = healthy("resnet50")
    log = run.copied(tmp_path / "run")
    changed_log(log, "<f4", lambda values: (values * 7 + 3) % 10)
    path = log.parent / RUN_FILE
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | change))
    found = run.explained(log)
    assert found.causes == ()
    assert any(words in note for note in found.notes), found.notes


def test_an_explanation_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE
    for content, words in (
        (b"{", "an explanation cannot be read"),
        (msgspec.json.encode(Explanation(format=2)), "an explanation was written by a newer version"),
    ):
        path.write_bytes(content)
        with pytest.raises(OutputError, match=words):
            read_explanation(path)


WORDS = st.lists(st.sampled_from(["zero", "one", "two", "three"]), max_size=6)


@given(WORDS, WORDS)
def test_marked_errors_have_what_was_said_and_what_was_heard(said: list[str], heard: list[str]) -> None:
    marked = marked_errors(said, heard)
    assert re.sub(r"\[-|-\]", "", re.sub(r"\{\+.*?\+\}", "", marked)).split() == said
    assert re.sub(r"\{\+|\+\}", "", re.sub(r"\[-.*?-\]", "", marked)).split() == heard


def test_the_samples_that_lost_most_come_first() -> None:
    ids = np.arange(4)
    before = Scores(ids, np.array([90.0, 80.0, 70.0, 10.0]))
    now = Scores(ids, np.array([80.0, 20.0, 75.0, 10.0]))
    assert [each.sample for each in changed_most(now, before)] == [1, 0]
    assert [each.sample for each in changed_most(now, None)] == [3, 1, 2, 0]
    assert [each.sample for each in changed_most(now, before, most=1)] == [1]


def test_samples_have_scores_whatever_the_metric_is_made_of() -> None:
    ids = np.arange(3)
    assert sample_scores(Right(ids, np.array([True, False, True]))).tolist() == [100, 0, 100]
    errors = Errors(ids, np.array([1, 0, 2]), np.array([4, 0, 2]))
    np.testing.assert_array_equal(sample_scores(errors), [75, np.nan, 0])
    every, none = 0b11_1111_1111, 0
    matches = Matches(
        ids,
        image=np.array([0, 0, 0, 2], np.int32),
        category=np.zeros(4, np.int16),
        score=np.array([0.9, 0.2, 0.8, 0.7]),
        matched=np.array([every, every, none, 0b1_1111], np.uint16),
        ignored=np.zeros(4, np.uint16),
        objects=np.array([[2], [0], [1]], np.int32),
    )
    np.testing.assert_array_equal(sample_scores(matches), [50, np.nan, 50])


@given(
    st.tuples(*[st.floats(-3, 3)] * 4),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_any_box_can_be_drawn(corners: tuple[float, float, float, float], width: int, height: int) -> None:
    image = scaled(np.zeros((height, width, 3), np.uint8), side=60)
    assert with_boxes(image, [Box(corners, "a label", RIGHT)]).size == image.size


@pytest.mark.parametrize("task", ["resnet50", "bert"])
def test_weights_are_read_as_onnx_reads_them(task: str) -> None:
    path = shipped_model(task)
    known = [numpy_helper.to_array(weight) for weight in onnx.load(path).graph.initializer]
    wanted = [value for value in known if value.dtype == np.float32 and value.ndim > 1]
    found = list(float32_weights(path))
    assert found
    assert [value.shape for value in found] == [value.shape for value in wanted]
    assert all(map(np.array_equal, found, wanted))


def test_a_category_with_a_hostile_name_is_drawn(healthy: Of, tmp_path: Path) -> None:
    run = healthy("retinanet")
    dataset, log = tmp_path / "scenes", run.copied(tmp_path / "run")
    shutil.copytree(run.dataset, dataset)
    path = dataset / ANNOTATIONS
    content = msgspec.json.decode(path.read_bytes())
    for category in content["categories"]:
        category["name"] = f"<b>{category['id']}</b>\n\x1b[31m" + "🙂" * 1000
    path.write_bytes(msgspec.json.encode(content))
    changed_log(log, "<f4", lambda values: values[:0])
    found = replace(run, dataset=dataset).explained(log)
    assert len(found.samples) == 20
    assert all("\n" not in each.name and len(each.name) <= 30 for each in found.classes)


def test_contours_are_the_edges_of_their_masks() -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[5:10, 5:20] = True
    colour = (255, 0, 0)
    pixels = np.asarray(with_contours(np.zeros((20, 30), np.float32), [Contour(mask, colour)]))
    edge = (pixels == colour).all(axis=2)
    scale = pixels.shape[0] / 20
    rows, columns = np.flatnonzero(edge.any(1)), np.flatnonzero(edge.any(0))
    assert (rows[0] / scale, columns[0] / scale) == pytest.approx((5, 5), abs=0.2)
    assert ((rows[-1] + 1) / scale, (columns[-1] + 1) / scale) == pytest.approx((10, 20), abs=0.2)
    assert not edge[int(7.5 * scale), int(12 * scale)]
