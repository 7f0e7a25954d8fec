"""What of two runtimes' outputs counts as the same, and how a difference is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.backends.model_file import Graph, Tensor
from pytest_mlperf.worker.comparison import TIES, TOLERANCE, Comparison, Difference, invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SCORES = Graph((), (Tensor("scores", "float32", (None, 3)),))
LABELS = Graph((), (Tensor("labels", "int64", (None,)),))
BOXES = Graph(
    (),
    (
        Tensor("boxes", "float32", (None, 4)),
        Tensor("labels", "int64", (None,)),
        Tensor("scores", "float32", (None,)),
    ),
    unordered=True,
)
RANDOM = np.random.default_rng(3)
VALUES = RANDOM.normal(size=(5, 3)).astype(np.float32) * 7


def differences(graph: Graph, found: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> list[Difference]:
    return list(Comparison().differences(graph, found, expected))


@pytest.mark.parametrize("part", [0.5, 2.0])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_a_difference_counts_by_the_largest_magnitude_of_its_output(part: float, size: float) -> None:
    values = VALUES * np.float32(size)
    other = values.copy()
    other[3, 1] += part * TOLERANCE * np.abs(values).max()
    found = differences(SCORES, [other], [values])
    assert len(found) == (part > 1)
    if found:
        assert found[0].row == 3
        assert f"{values[3, 1]:.6g} at [3, 1]" in found[0].expected
        assert found[0].found.startswith(f"{other[3, 1]:.6g}: a difference of ")


def test_another_shape_is_no_matter_of_tolerance() -> None:
    [found] = differences(SCORES, [VALUES[:4]], [VALUES])
    assert (found.expected, found.found) == ("the shape (5, 3)", "(4, 3)")


def test_without_a_tolerance_only_shapes_are_compared() -> None:
    comparison = Comparison(None)
    assert not list(comparison.differences(SCORES, [VALUES * 2], [VALUES]))
    assert list(comparison.differences(SCORES, [VALUES[1:]], [VALUES]))


def test_infinite_in_the_reference_must_be_infinite() -> None:
    values = VALUES.copy()
    values[0, 0] = -np.inf
    assert not differences(SCORES, [values], [values])
    assert differences(SCORES, [VALUES], [values])
    assert differences(SCORES, [values], [VALUES])


def test_few_integers_are_equal_and_of_many_a_part_may_be_a_tie() -> None:
    few, many = np.arange(8), np.arange(10_000)
    changed = few.copy()
    changed[5] = 1
    [found] = differences(LABELS, [changed], [few])
    assert (found.row, found.expected, found.found) == (5, "5 at [5]", "1: 1 of 8 are others")
    changed = many.copy()
    changed[: int(TIES * len(many))] += 1
    assert not differences(LABELS, [changed], [many])
    changed[: int(TIES * len(many)) + 1] = -1
    assert differences(LABELS, [changed], [many])


def detections(count: int, seed: int = 0) -> list[NDArray[Any]]:
    random = np.random.default_rng(seed)
    scores = np.sort(random.uniform(0.05, 1, count).astype(np.float32))[::-1]
    return [random.uniform(0, 192, (count, 4)).astype(np.float32), random.integers(0, 10, count), scores]


def test_detections_may_come_in_another_order() -> None:
    expected = detections(40)
    order = RANDOM.permutation(40)
    comparison = Comparison()
    assert not list(comparison.differences(BOXES, [each[order] for each in expected], expected))
    assert (comparison.rows, comparison.unpaired, comparison.lost()) == (40, 0, None)


@pytest.mark.parametrize("place", range(3))
def test_detections_whose_rows_do_not_belong_together_have_no_counterpart(place: int) -> None:
    expected, comparison = detections(40), Comparison()
    found = [np.roll(each, 1, 0) if n == place else each for n, each in enumerate(expected)]
    assert not list(comparison.differences(BOXES, found, expected))
    lost = comparison.lost()
    assert comparison.unpaired > 20
    assert lost is not None
    assert lost.expected == "at most 1 of 40 rows without a counterpart"


def test_one_detection_at_a_threshold_is_no_difference_and_many_are() -> None:
    comparison = Comparison()
    for number in range(8):
        expected = detections(25, number)
        cut = 24 if number < 4 else 25
        assert not list(comparison.differences(BOXES, [each[:cut] for each in expected], expected))
    assert (comparison.rows, comparison.unpaired) == (200, 4)
    assert comparison.lost() is None
    assert not list(comparison.differences(BOXES, [each[:3] for each in expected], expected))
    assert comparison.lost() is not None


def test_nothing_detected_agrees_with_nothing() -> None:
    comparison = Comparison()
    assert not list(comparison.differences(BOXES, detections(0), detections(0)))
    assert comparison.lost() is None
    list(comparison.differences(BOXES, detections(0), detections(5)))
    assert comparison.lost() is not None


def test_detections_of_unlike_numbers_are_told() -> None:
    boxes, labels, scores = detections(5)
    [found] = differences(BOXES, [boxes, labels[:4], scores], detections(5))
    assert (found.output, found.expected, found.found) == ("labels", "5 rows, as boxes", "4")


@pytest.mark.parametrize(
    ("outputs", "expected", "found"),
    [
        ([], "1 outputs", "0"),
        ([VALUES.tolist()], "an array of NumPy", "list"),
        ([VALUES[0]], "the shape (n, 3)", "(3)"),
        ([VALUES[:, :2]], "the shape (n, 3)", "(5, 2)"),
        ([VALUES.astype(np.int32)], "elements like float32", "int32"),
        ([np.where(VALUES[2, 1] == VALUES, np.float32("nan"), VALUES)], "finite values", "nan at [2, 1]"),
        ([np.where(VALUES[2, 1] == VALUES, np.float32("inf"), VALUES)], "finite values", "inf at [2, 1]"),
    ],
)
def test_outputs_that_cannot_be_right_are_told_without_a_reference(
    outputs: list[Any], expected: str, found: str
) -> None:
    [problem] = invalid(SCORES, outputs)
    assert (problem.expected, problem.found) == (expected, found)


def test_right_outputs_have_no_problem() -> None:
    assert not list(invalid(SCORES, [VALUES, "one more, which nobody reads"]))
    assert not list(invalid(SCORES, [VALUES[:0]]))
    assert not list(invalid(LABELS, [np.arange(3, dtype=np.int32)]))
