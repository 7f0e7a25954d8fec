"""RetinaNet in its form "heads" finds what the whole graph finds, to the last detection."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from pytest_mlperf.artifacts.disk import file_sha256
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.retinanet import BATCHED_HEADS, HEADS, TINY
from pytest_mlperf.benchmarks.retinanet_decoder import TINY as DECODER
from pytest_mlperf.benchmarks.retinanet_decoder import Detections
from pytest_mlperf.benchmarks.retinanet_heads import HeadsRecipe, cut_at_heads
from pytest_mlperf.benchmarks.suppression import suppress
from pytest_mlperf.datasets.openimages import open_samples
from pytest_mlperf.datasets.scenes_recipe import ScenesRecipe
from pytest_mlperf.errors import ModelError
from tests.artifacts.recipes import artifacts_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.benchmarks.base import Samples
    from tests.conftest import RunSession

WHOLE = TINY.model_file("onnx", "fp32", "")
assert isinstance(WHOLE.source, Path)
FILE = WHOLE.source
SCENES = 500


@pytest.fixture(scope="module")
def scenes(shared_cache: Path) -> Samples:
    return open_samples(Store(shared_cache).get(ScenesRecipe(SCENES)).path, SCENES, TINY.size, "images")


def loaded(cache: Path, variant: str) -> Model:
    row = TINY.model_file("onnx", "fp32", variant)
    path = FILE
    if variant:
        recipe = HeadsRecipe(FILE, file_sha256(FILE), TINY.size, open_batch=variant == BATCHED_HEADS)
        [path] = Store(cache).get(recipe).path.iterdir()
    return OnnxRuntime().load(path, row, "cpu", 1, {})


@pytest.mark.slow
def test_heads_give_the_whole_graphs_detections_in_all_scenes(shared_cache: Path, scenes: Samples) -> None:
    whole, heads = loaded(shared_cache, ""), loaded(shared_cache, HEADS)
    worst_box = worst_score = 0.0
    for index in range(SCENES):
        image = {"images": scenes[index]["images"][None]}
        boxes, labels, scores = whole.run(image)
        [found] = DECODER.decode(*heads.run(image))
        assert found.labels.tolist() == labels.tolist(), index
        worst_box = max(worst_box, np.abs(found.boxes - boxes).max(initial=0))
        worst_score = max(worst_score, np.abs(found.scores - scores).max(initial=0))
    assert worst_box <= 1e-3
    assert worst_score <= 1e-6


@pytest.mark.slow
def test_a_batch_has_the_detections_of_its_images(shared_cache: Path, scenes: Samples) -> None:
    one, many = loaded(shared_cache, HEADS), loaded(shared_cache, BATCHED_HEADS)
    assert (one.max_batch, many.max_batch) == (1, None)
    for start in range(0, 40, 8):
        images = np.stack([scenes[index]["images"] for index in range(start, start + 8)])
        together = DECODER.decode(*many.run({"images": images}))
        for image, found in zip(images, together, strict=True):
            [alone] = DECODER.decode(*one.run({"images": image[None]}))
            assert sorted(found.labels) == sorted(alone.labels)
            assert np.abs(found.scores - alone.scores).max(initial=0) <= 1e-5


def test_the_records_of_heads_are_those_of_the_whole(shared_cache: Path, scenes: Samples) -> None:
    whole, heads = loaded(shared_cache, ""), loaded(shared_cache, HEADS)
    as_heads = replace(TINY, variant=HEADS)
    for index in range(20):
        image = {"images": scenes[index]["images"][None]}
        expected = TINY.encode(whole.run(image), [image], [index])
        found = as_heads.encode(heads.run(image), [image], [index])
        rows = [np.frombuffer(each.data.tobytes(), np.float32).reshape(-1, 7) for each in (expected, found)]
        assert np.allclose(rows[0], rows[1], rtol=0, atol=1e-5)
        assert (rows[0][:, 0] == index).all()


def a_detector_without_heads(path: Path) -> Path:
    """Write a model with RetinaNet's inputs and outputs that finds the same in every picture."""
    outputs = {
        "boxes": (TensorProto.FLOAT, [1, 4]),
        "labels": (TensorProto.INT64, [1]),
        "scores": (TensorProto.FLOAT, [1]),
    }
    nodes = []
    for name, (kind, shape) in outputs.items():
        value = helper.make_tensor(name, kind, shape, [0] * (4 if name == "boxes" else 1))
        nodes.append(helper.make_node("Constant", [], [name], value=value))
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, TINY.size, TINY.size])]
    values = [helper.make_tensor_value_info(name, *each) for name, each in outputs.items()]
    graph = helper.make_graph(nodes, "detector", inputs, values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_a_graph_without_heads_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    model = a_detector_without_heads(tmp_path / "other.onnx")
    with pytest.raises(
        ModelError, match=r"the heads of .* cannot be identified\nexpected: for each level.*; found: none"
    ):
        cut_at_heads(model, tmp_path / "cut.onnx", DECODER)
    (tmp_path / "cut off.onnx").write_bytes(FILE.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="cannot read"):
        cut_at_heads(tmp_path / "cut off.onnx", tmp_path / "cut.onnx", DECODER)


def test_a_cut_of_another_file_than_the_one_that_was_hashed_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"changed while it was cut[^$]*0; found: SHA-256 {file_sha256(FILE)}"):
        Store(tmp_path).get(HeadsRecipe(FILE, "0" * 64, TINY.size))
    assert artifacts_in(Store(tmp_path)) == []


def test_a_cut_that_finds_something_else_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(DECODER, iou_threshold=0.1)
    monkeypatch.setattr("pytest_mlperf.benchmarks.retinanet_decoder.TINY", other)
    with pytest.raises(ModelError, match="has other detections than the whole file"):
        Store(tmp_path).get(HeadsRecipe(FILE, file_sha256(FILE), TINY.size))
    assert artifacts_in(Store(tmp_path)) == []


OPTIONS = ("--model=retinanet-tiny", "--backend=onnxruntime", "--scenario=Offline", "--mode=accuracy")


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["heads", pytest.param("batched-heads", marks=pytest.mark.slow)])
def test_a_session_runs_the_heads_and_scores_as_the_whole(
    benchmarks: RunSession, shared_cache: Path, variant: str
) -> None:
    options = (*OPTIONS, f"--mlperf-variant={variant}", f"--mlperf-cache={shared_cache}")
    session = benchmarks(*options)
    assert session.code == 0, session.output
    assert "mAP 61.471 %" in session.output
    assert "note: retinanet-tiny-heads.onnx was made from " in session.output


@pytest.mark.slow
def test_a_file_without_heads_runs_whole_with_a_note(
    benchmarks: RunSession, shared_cache: Path, tmp_path: Path
) -> None:
    model = a_detector_without_heads(tmp_path / "other.onnx")
    named = f"--model-path=retinanet-tiny={model}"
    session = benchmarks(
        *OPTIONS, "--mlperf-variant=heads", named, "--dataset-size=20", f"--mlperf-cache={shared_cache}"
    )
    assert "note: retinanet-tiny runs as onnx fp32" in session.output, session.output
    assert "below target" in session.output


@lru_cache(maxsize=1)
def quiet() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return heads that find nothing."""
    anchors = int(DECODER.level_starts[-1])
    return np.full((1, anchors, 20), -9, np.float32), np.zeros((1, anchors, 4), np.float32)


def decode(changes: dict[tuple[int, int], float]) -> Detections:
    logits, deltas = quiet()
    logits = logits.copy()
    for (anchor, label), value in changes.items():
        logits[0, anchor, label] = value
    [found] = DECODER.decode(logits, deltas)
    return found


def test_nothing_above_the_threshold_is_no_detection_and_nan_is_not_above_it() -> None:
    assert len(decode({}).scores) == 0
    assert len(decode({(100, 3): float("nan")}).scores) == 0
    assert decode({(100, 3): float("nan"), (200, 4): 2.0}).labels.tolist() == [4]


def test_equal_scores_come_by_level_and_anchor() -> None:
    found = decode({(6800, 1): 1.0, (40, 2): 1.0, (3000, 3): 1.0})
    assert found.labels.tolist() == [2, 3, 1]


def test_a_box_goes_only_for_a_better_one_of_its_class() -> None:
    assert decode({(100, 3): 2.0, (100, 4): 1.0}).labels.tolist() == [3, 4]
    logits, deltas = quiet()
    same = logits.copy()
    same[0, [100, 101], 3] = [2.0, 1.0]  # neighbouring scales of one place
    first = DECODER.anchors[100]
    moved = deltas.copy()
    moved[0, 101, 2:] = np.log((first[2:] - first[:2]) / (DECODER.anchors[101][2:] - DECODER.anchors[101][:2]))
    [found] = DECODER.decode(same, moved)
    assert found.labels.tolist() == [3]


def test_shapes_of_other_anchors_are_refused() -> None:
    with pytest.raises(ModelError, match=r"logits \[n, 6804, classes\]"):
        DECODER.decode(np.zeros((1, 10, 20), np.float32), np.zeros((1, 10, 4), np.float32))


def obvious(boxes: NDArray[np.float32], threshold: float, most: int) -> list[int]:
    """Return which boxes of one image stay, by the rule's own words."""
    stays: list[int] = []
    for place, box in enumerate(boxes):
        clashes = False
        for better in stays:
            low, high = np.maximum(box[:2], boxes[better][:2]), np.minimum(box[2:], boxes[better][2:])
            if (high > low).all():
                shared = np.prod(high - low, dtype=np.float32)
                areas = [np.prod(each[2:] - each[:2], dtype=np.float32) for each in (box, boxes[better])]
                clashes |= bool(shared / (areas[1] + areas[0] - shared) > np.float32(threshold))
        if not clashes:
            stays.append(place)
    return stays[:most]


CORNER = st.integers(0, 12)
BOX = st.tuples(CORNER, CORNER, st.integers(0, 8), st.integers(0, 8)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(
    st.lists(st.lists(BOX, max_size=12), min_size=1, max_size=3),
    st.sampled_from([0.3, 0.5]),
    st.integers(1, 6),
    st.booleans(),
)
def test_suppression_is_that_of_the_rule(
    images: list[list[Any]], threshold: float, most: int, one_by_one: bool
) -> None:
    boxes = np.array([box for image in images for box in image], np.float32).reshape(-1, 4)
    of_box = np.array([number for number, image in enumerate(images) for _ in image], np.int64)
    found = suppress(boxes, of_box, threshold, most, 0 if one_by_one else 1 << 17)
    expected, start = [], 0
    for image in images:
        expected += [start + place for place in obvious(boxes[start : start + len(image)], threshold, most)]
        start += len(image)
    assert found.tolist() == expected


def test_the_cut_file_has_no_post_processing(shared_cache: Path) -> None:
    recipe = HeadsRecipe(FILE, file_sha256(FILE), TINY.size)
    [path] = Store(shared_cache).get(recipe).path.iterdir()
    session = onnxruntime.InferenceSession(str(path))
    assert [value.name for value in session.get_outputs()] == ["logits", "deltas"]
    assert not {"NonMaxSuppression", "TopK", "NonZero", "Sigmoid"} & {
        node.op_type for node in onnx.load(path).graph.node
    }
