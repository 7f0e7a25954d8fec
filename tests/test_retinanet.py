from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_mlperf.artifacts.remote import FileRecipe
from pytest_mlperf.benchmarks.base import Remote
from pytest_mlperf.benchmarks.retinanet import OFFICIAL, TINY, RetinaNet
from pytest_mlperf.metrics.limit import Limit
from pytest_mlperf.rules.round import find_round

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def reference_records(
    size: int, index: int, boxes: NDArray[np.float32], labels: NDArray[np.int64], scores: NDArray[np.float32]
) -> bytes:
    """What the reference's post-processing and logging make of an image, one box after the other.

    The contract of PostProcessOpenImagesRetinanet and of the runner in mlcommons/inference: scores are walked
    in order until the first below 0.05; a record is float32 [index, ymin, xmin, ymax, xmax, score, label].
    """
    rows: list[list[float]] = []
    for box, label, score in zip(boxes, labels, scores, strict=True):
        if score < np.float32(0.05):
            break
        xmin, ymin, xmax, ymax = box / np.float32(size)
        rows.append([float(index), ymin, xmin, ymax, xmax, score, float(label)])
    return b"".join(np.array(row, np.float32).tobytes() for row in rows)


def encode(benchmark: RetinaNet, index: int, outputs: Sequence[NDArray[np.generic]]) -> bytes:
    data, offsets = benchmark.encode(outputs, [{}], [index])
    assert list(offsets) == [0, data.nbytes]
    return data.tobytes()


@given(
    count=st.integers(0, 300),
    index=st.integers(0, 24_780),
    data=st.data(),
    benchmark=st.sampled_from([OFFICIAL, TINY]),
)
def test_records_are_byte_for_byte_the_references(
    count: int, index: int, data: st.DataObject, benchmark: RetinaNet
) -> None:
    floats = st.floats(-10, 900, width=32)
    boxes = data.draw(hnp.arrays(np.float32, (count, 4), elements=floats))
    labels = data.draw(hnp.arrays(np.int64, count, elements=st.integers(0, 263)))
    scores = np.sort(data.draw(hnp.arrays(np.float32, count, elements=st.floats(0, 1, width=32))))[::-1]
    found = encode(benchmark, index, (boxes, labels, scores))
    assert found == reference_records(benchmark.size, index, boxes, labels, scores)


def test_a_picture_without_detections_is_an_empty_record() -> None:
    assert encode(TINY, 3, (np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))) == b""


def test_a_score_at_the_threshold_stays_and_nothing_after_the_first_below_it() -> None:
    scores = np.array([0.9, 0.05, 0.049, 0.5], np.float32)
    found = encode(TINY, 1, (np.zeros((4, 4), np.float32), np.arange(4), scores))
    assert np.frombuffer(found, np.float32).reshape(-1, 7)[:, 6].tolist() == [0, 1]


def test_outputs_that_do_not_belong_together_are_an_error() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        encode(TINY, 1, (np.zeros((3, 4), np.float32), np.zeros(2, np.int64), np.full(3, 0.5, np.float32)))


def test_the_official_targets_are_those_of_the_rules() -> None:
    # submission_checker/constants.py of mlcommons/inference: retinanet, mAP 37.55 * 0.99.
    # They stand in the rounds' files only.
    rules = find_round("v5.1").benchmarks[OFFICIAL.official_name]
    assert rules.limits == (Limit("mAP", minimum=37.55 * 0.99),)
    assert not OFFICIAL.limits(500)
    assert (rules.dataset_size, OFFICIAL.dataset.size) == (24_781, None)
    assert (OFFICIAL.size, OFFICIAL.loadgen_model) == (800, "retinanet")


def test_the_official_edition_says_what_is_missing() -> None:
    model = OFFICIAL.model_file("onnx", "fp32", "").source
    assert isinstance(model, Remote)
    assert isinstance(model.recipe, FileRecipe)
    assert (model.recipe.file.size, model.recipe.file.md5) == (148_688_824, "4544f4e56e0a4684215831cc937ea45c")
    assert "148,688,824 bytes; give it with --model-path FILE, or fetch it with --mlperf-fetch" in str(model)
    assert "500 JPEG files, about 142 MB" in str(OFFICIAL.dataset.source(500))
    assert "24,781 JPEG files, about 7.1 GB" in str(OFFICIAL.dataset.source(24_781))


def test_the_tiny_edition_has_the_officials_contract_at_its_own_size() -> None:
    tiny, official = TINY.models[0].graph, OFFICIAL.models[0].graph
    for ours, theirs in zip((*tiny.inputs, *tiny.outputs), (*official.inputs, *official.outputs), strict=True):
        assert (ours.name, ours.dtype, len(ours.shape)) == (theirs.name, theirs.dtype, len(theirs.shape))
    assert TINY.scenarios == OFFICIAL.scenarios
