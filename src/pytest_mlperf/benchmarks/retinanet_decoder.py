"""RetinaNet's post-processing in numpy: class logits and box deltas to the detections of the whole graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from pytest_mlperf.benchmarks.suppression import suppress
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Logits compared at a time, so that a block and its comparison fit in a core's cache.
_BLOCK = 1 << 18
#: How far below the threshold's logit a logit may lie whose float32 score is still above it.
_ROUNDING = 1e-4
#: Coefficients of the logistic function's numerator and denominator, the highest power first; float32 as float64.
_LOGISTIC = np.array(
    [
        (4.37031012579801e-11, 6.10247389755681e-13),
        (4.37031012579801e-11, 5.76102136993427e-09),
        (1.15627324459942e-07, 6.29106785017040e-06),
        (6.08574864600143e-05, 1.70198817374094e-03),
        (8.51377133304701e-03, 1.16817656904453e-01),
        (2.48287947061529e-01, 9.93151921023180e-01),
    ],
    np.float32,
).astype(np.float64)


class Detections(NamedTuple):
    """The detections in one image, best first.

    Attributes
    ----------
    boxes
        float32 ``[n, 4]``: x1, y1, x2, y2 in pixels of the input.
    labels
        int64 ``[n]``.
    scores
        float32 ``[n]``.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Decoder:
    """The anchors of a RetinaNet, and the parameters of its post-processing.

    Attributes
    ----------
    input_size
        Side of the square input, in pixels.
    strides
        Pixels of the input to a cell of each level's map, which has ``ceil(input_size / stride)`` cells a side.
    anchor_sizes
        Side of the smallest anchor of each level, in pixels.
    anchor_scales
        Factors of that side; sides are whole pixels, rounded down.
    anchor_ratios
        Height over width.
    score_threshold
        Only scores above it are detections.
    candidates
        How many scores of one level may go on to the suppression.
    ranked_by
        What a level's candidates are ranked by. Different logits can have the same float32 score: a graph that takes
        the sigmoid first lets the anchor's index decide then.
    iou_threshold
        Intersection over union with a better box of the same class, above which a box goes.
    class_gap
        Pixels by which the graph moves the boxes of neighbouring classes apart, so that one suppression serves all
        classes; ``None`` for the image's largest coordinate and one. It decides how box coordinates are rounded there.
    detections
        At most so many detections an image.
    box_weights
        By which deltas x, y, width and height are divided.
    largest_growth
        Limit of the logarithm of a box's width or height over its anchor's.
    """

    input_size: int
    strides: tuple[int, ...]
    anchor_sizes: tuple[int, ...]
    candidates: int
    ranked_by: Literal["logit", "score"]
    class_gap: float | None
    anchor_scales: tuple[float, ...] = (1, 2 ** (1 / 3), 2 ** (2 / 3))
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    score_threshold: float = 0.05
    iou_threshold: float = 0.5
    detections: int = 300
    box_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    largest_growth: float = math.log(1000 / 16)

    @cached_property
    def grids(self) -> tuple[int, ...]:
        """Cells along a side of each level's feature map."""
        return tuple(math.ceil(self.input_size / stride) for stride in self.strides)

    @cached_property
    def level_starts(self) -> NDArray[np.int64]:
        """int64 ``[levels + 1]``: the first anchor of each level, and the number of all."""
        cell = len(self.anchor_scales) * len(self.anchor_ratios)
        return np.cumsum([0, *(grid * grid * cell for grid in self.grids)])

    @cached_property
    def sides(self) -> tuple[tuple[int, ...], ...]:
        """Sides of each level's anchors, in pixels."""
        return tuple(tuple(int(smallest * scale) for scale in self.anchor_scales) for smallest in self.anchor_sizes)

    @cached_property
    def floor(self) -> np.float32:
        """Only a logit above it can be a detection's."""
        exact = math.log(self.score_threshold / (1 - self.score_threshold))
        return np.float32(exact - _ROUNDING if self.ranked_by == "score" else exact)

    @cached_property
    def anchors(self) -> NDArray[np.float32]:
        """float32 ``[anchors, 4]``: x1, y1, x2, y2 in pixels, by level, row, column, ratio and scale.

        As in torchvision's AnchorGenerator, corners around a cell's origin are rounded to whole pixels (halves to
        even), and cells lie ``input_size // grid`` pixels apart, also where that is not the stride: 61 and 114 pixels
        for the levels of strides 64 and 128 at 800 pixels.
        """
        levels = []
        heights = np.sqrt(np.array(self.anchor_ratios, np.float32))
        widths = np.float32(1) / heights
        for grid, of_level in zip(self.grids, self.sides, strict=True):
            sides = np.array(of_level, np.float32)
            half_width, half_height = (np.outer(part, sides).reshape(-1) / 2 for part in (widths, heights))
            corners = np.rint(np.stack([-half_width, -half_height, half_width, half_height], axis=1))
            origins = np.arange(grid, dtype=np.float32) * (self.input_size // grid)
            y, x = np.meshgrid(origins, origins, indexing="ij")
            levels.append((np.stack([x, y, x, y], axis=-1)[:, :, None] + corners).reshape(-1, 4))
        return np.concatenate(levels)

    def decode(self, logits: NDArray[np.float32], deltas: NDArray[np.float32]) -> list[Detections]:
        """Return the detections of each image.

        Parameters
        ----------
        logits
            float32 ``[images, anchors, classes]``, before the sigmoid. One that is not a number is no candidate.
        deltas
            float32 ``[images, anchors, 4]``: centre's x and y in sides of the anchor, logarithms of width and height
            over the anchor's. A box of one that is not a number has such coordinates, and suppresses nothing.

        Raises
        ------
        ModelError
            The shapes are not those of this decoder's anchors.
        """
        self._check(logits, deltas)
        logits = np.ascontiguousarray(logits, np.float32)
        images, anchors, classes = logits.shape
        chosen, scores = self._candidates(logits)
        row = chosen // classes
        image = row // anchors
        label = chosen - row * classes
        deltas = np.ascontiguousarray(deltas, np.float32).reshape(-1, 4)
        boxes = self._boxes(deltas.take(row, axis=0), row - image * anchors)
        stays = suppress(self._apart(boxes, label, image), image, self.iou_threshold, self.detections)
        boxes, label, scores = boxes.take(stays, axis=0), label.take(stays), scores.take(stays)
        ends = image.take(stays).searchsorted(np.arange(images), "right").tolist()
        found, start = [], 0
        for end in ends:
            found.append(Detections(boxes[start:end], label[start:end], scores[start:end]))
            start = end
        return found

    def _check(self, logits: NDArray[np.float32], deltas: NDArray[np.float32]) -> None:
        anchors = int(self.level_starts[-1])
        if logits.ndim == 3 and logits.shape[1] == anchors and deltas.shape == (*logits.shape[:2], 4):
            return
        raise ModelError(
            f"the outputs of the heads do not match a RetinaNet for {self.input_size}x{self.input_size} pixels",
            expected=f"logits [n, {anchors}, classes] and deltas [n, {anchors}, 4]",
            found=f"{list(logits.shape)} and {list(deltas.shape)}",
            fix="give the model file of this benchmark",
        )

    def _candidates(self, logits: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return position in the flat logits and score of what goes on to the suppression, by image, best first."""
        images, anchors, classes = logits.shape
        flat = logits.reshape(-1)
        chosen = _above(flat, self.floor)
        values = flat[chosen]
        scores = _sigmoid(values)
        if self.ranked_by == "score":
            high = scores > np.float32(self.score_threshold)
            chosen, scores = chosen[high], scores[high]
            values = scores
        starts = (np.arange(images)[:, None] * anchors + self.level_starts[:-1]).reshape(-1) * classes
        cuts = np.append(chosen.searchsorted(starts), len(chosen))
        if np.diff(cuts).max() > self.candidates:
            best = _best_of_each(values, cuts, self.candidates)
            chosen, values, scores = chosen[best], values[best], scores[best]
        image = chosen // (anchors * classes)
        # A float64 holds the difference of twice an image's number and a float32 score exactly.
        key = image * 2.0 - scores
        order = np.argsort(key)
        if (np.diff(key.take(order)) == 0).any():
            # Of equal scores the graph takes the lower level's first, of those the better ranked, the lower anchor's.
            level = self.level_starts.searchsorted(chosen // classes - image * anchors, "right")
            order = np.lexsort((-values, level, key))
        return chosen.take(order), scores.take(order)

    @cached_property
    def _centred_anchors(self) -> NDArray[np.float32]:
        """float32 ``[anchors, 4]``: x and y of the centre, width, height."""
        low, high = self.anchors[:, :2], self.anchors[:, 2:]
        return np.concatenate([low + (high - low) / 2, high - low], axis=1)

    def _boxes(self, deltas: NDArray[np.float32], anchor: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the boxes at some deltas from their anchors, clipped to the input."""
        if self.box_weights != (1.0, 1.0, 1.0, 1.0):
            deltas = np.divide(deltas, np.array(self.box_weights, np.float32), dtype=np.float32)
        # Coordinates as rows, because numpy is fastest along contiguous memory.
        moves, growth = np.ascontiguousarray(deltas.T).reshape(2, 2, -1)
        centres, sides = np.ascontiguousarray(self._centred_anchors.take(anchor, axis=0).T).reshape(2, 2, -1)
        with np.errstate(over="ignore", invalid="ignore"):  # an infinite delta ends at an edge
            centres += moves * sides
            # In float64 and then rounded, so that every library of mathematics gives the same float32.
            halves = np.exp(np.minimum(growth, np.float32(self.largest_growth)).astype(np.float64)).astype(np.float32)
            halves *= sides
            halves /= 2
            boxes = np.concatenate([centres - halves, centres + halves])
        np.maximum(boxes, 0, out=boxes)
        np.minimum(boxes, self.input_size, out=boxes)
        return np.ascontiguousarray(boxes.T)

    def _apart(
        self, boxes: NDArray[np.float32], label: NDArray[np.int64], image: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return the boxes shifted so that those of different classes do not overlap, rounded as in the graph."""
        gap: NDArray[np.float32]
        if self.class_gap is not None:
            gap = np.full(len(boxes), self.class_gap, np.float32)
        elif len(boxes):
            firsts = np.flatnonzero(np.diff(image, prepend=-1))
            largest = np.fmax.reduceat(np.fmax.reduce(boxes, axis=1), firsts) + np.float32(1)
            gap = np.repeat(largest, np.diff(firsts, append=len(image)))
        else:
            return boxes
        return boxes + (label.astype(np.float32) * gap)[:, None]


def _above(flat: NDArray[np.float32], floor: np.float32) -> NDArray[np.int64]:
    """Return the positions of the values above `floor`, ascending; NaN is not above anything."""
    if len(flat) <= _BLOCK:
        return np.flatnonzero(flat > floor)
    high = np.empty(_BLOCK, np.bool_)
    found = []
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK]
        found.append(np.flatnonzero(np.greater(block, floor, out=high[: len(block)])) + start)
    return np.concatenate(found)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scores as ONNX Runtime computes them with fused multiply-add, to the last bit.

    They are up to 2e-7 from the exact ones, a graph's only means of telling close candidates apart: with exact scores
    such candidates change places, and others stay. The rational function of x and its numbers are those of
    MlasComputeLogistic in onnxruntime/core/mlas/lib/logistic.cpp, which has them from Eigen.
    """
    x = np.minimum(np.maximum(logits, np.float32(-18)), np.float32(18))
    square = (x * x).astype(np.float64)
    both = np.empty((2, len(x)), np.float32)
    both[0] = _LOGISTIC[0, 0]
    both[1] = square * _LOGISTIC[0, 1] + _LOGISTIC[1, 1]
    for pair in _LOGISTIC[2:]:
        # A product of two float32 is exact in float64, so only the sum is rounded, as in a fused multiply-add.
        both = (both * square + pair[:, None]).astype(np.float32)
    scores = both[0] * x / both[1] + np.float32(0.5)
    limited: NDArray[np.float32] = np.minimum(np.maximum(scores, np.float32(0)), np.float32(1))
    return limited


def _best_of_each(values: NDArray[np.float32], cuts: NDArray[np.int64], most: int) -> NDArray[np.bool_]:
    """Return for each value whether it is one of the `most` best between its cuts; for equal values, the first are."""
    best = np.ones(len(values), np.bool_)
    for part in np.flatnonzero(np.diff(cuts) > most):
        some = values[cuts[part] : cuts[part + 1]]
        last = np.partition(some, len(some) - most)[len(some) - most]
        inside = some > last
        inside[np.flatnonzero(some == last)[: most - np.count_nonzero(inside)]] = True
        best[cuts[part] : cuts[part + 1]] = inside
    return best


TINY = Decoder(
    input_size=192,
    strides=(8, 16, 32),
    anchor_sizes=(12, 24, 48),
    candidates=300,
    ranked_by="logit",
    class_gap=193,
)
"""The decoder of the tiny edition; its parameters are those of TINY in tools/retinanet/config.py."""

OFFICIAL = Decoder(
    input_size=800,
    strides=(8, 16, 32, 64, 128),
    anchor_sizes=(32, 64, 128, 256, 512),
    candidates=1000,
    ranked_by="score",
    class_gap=None,
)
"""The decoder of MLPerf's model: RetinaNet in single_stage_detector/ssd/model/retinanet.py of mlcommons/training.

Its BoxCoder (weights of 1, growth up to ``log(1000 / 16)``) is in model/utils.py there; the gap between classes is
that of torchvision's batched_nms as it is exported.
"""


def decoder_for(size: int) -> Decoder:
    """Return the decoder of a RetinaNet for squares of a size in pixels: 192 for the tiny edition, 800 for MLPerf's."""
    return {decoder.input_size: decoder for decoder in (TINY, OFFICIAL)}[size]
