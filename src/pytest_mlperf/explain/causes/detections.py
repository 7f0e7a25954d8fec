"""Causes of a low mAP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlperf.explain.answered import Correcting, Correction, Symptom
from pytest_mlperf.explain.explanation import Cause
from pytest_mlperf.metrics.average_precision import Matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from pytest_mlperf.explain.detections import DetectionAnswers
    from pytest_mlperf.metrics.outcomes import Outcomes

    Corners = NDArray[np.float32]

#: The part of the images that must have a symptom.
_MOST: Final = 0.5
#: The part of the answers that are one class, where the truth has it much less often.
_ONE_CLASS: Final = 0.9
#: A scale that differs less from 1 explains no failure.
_SAME_SCALE: Final = 0.03
#: Pairs of boxes from which a scale is taken.
_FEWEST_PAIRS: Final = 8


def no_detections(answers: DetectionAnswers, before: Outcomes | None) -> Cause | None:
    """Images with objects, without any detection."""
    images_of = np.array([answers.truth.images[sample].id for sample in answers.samples.tolist()])
    with_objects = np.isin(images_of, answers.truth.boxes.image_ids)
    lost = with_objects & (np.bincount(answers.of, minlength=len(answers.samples)) == 0)
    if isinstance(before, Matches):
        lost &= np.isin(images_of, before.ids[np.unique(before.image)])
    images = int(np.count_nonzero(with_objects))
    if not images or np.count_nonzero(lost) < _MOST * images:
        return None
    evidence = f"{np.count_nonzero(lost)} of {images} images with objects have no detection"
    return Cause(name="no detections", evidence=evidence)


def unknown_classes(answers: DetectionAnswers, before: Outcomes | None) -> Cause | None:
    """Detections whose label no category has."""
    del before
    labels = answers.values[:, 6].astype(np.int64)
    unknown = ~np.isin(labels, answers.truth.category_ids)
    if not len(labels) or np.count_nonzero(unknown) < _MOST * len(labels):
        return None
    known = sorted(answers.truth.category_ids)
    return Cause(
        name="unknown classes",
        evidence=f"{np.count_nonzero(unknown):,} of {len(labels):,} detections have a label that the data set does not "
        f"have: {labels.min()} to {labels.max()}, and its categories are {known[0]} to {known[-1]}",
    )


def one_class(answers: DetectionAnswers, before: Outcomes | None) -> Cause | None:
    """The best detection of nearly every image has the same label."""
    del before
    order = np.lexsort((-answers.values[:, 5], answers.of))
    of, labels = answers.of[order], answers.values[order, 6].astype(np.int64)
    best = labels[np.unique(of, return_index=True)[1]]
    return _constant(best, answers.truth.boxes.category_ids, answers.name)


def _constant(given: NDArray[np.int64], expected: NDArray[np.int64], name: Callable[[int], str]) -> Cause | None:
    if len(given) < 10 or not len(expected):
        return None
    values, counts = np.unique(given, return_counts=True)
    most = int(values[counts.argmax()])
    there = np.count_nonzero(expected == most) / len(expected)
    if counts.max() < _ONE_CLASS * len(given) or there > _MOST:
        return None
    evidence = f"{counts.max():,} of {len(given):,} answers are {name(most)}, which {100 * there:.2g} % should be"
    return Cause(name="always the same answer", evidence=evidence)


def labels_shifted(answers: DetectionAnswers) -> Iterator[Correction]:
    """Labels that are one too high or too low, in the order of the model's classes."""
    labels = answers.values[:, 6].astype(np.int64)
    order = getattr(answers.benchmark, "category_ids", None)
    for step, words in ((-1, "lower"), (1, "higher")):
        if order is None:
            moved = labels + step
        else:
            after = dict(zip(order, np.roll(order, -step).tolist(), strict=True))
            moved = np.array([after.get(label, label) for label in labels.tolist()], np.int64)
        yield Correction("labels shifted by one", f"with every label one {words}", answers.with_labels(moved))


def boxes_reordered(answers: DetectionAnswers) -> Iterator[Correction]:
    """Coordinates that are in another order, or sides and centres instead of corners."""
    corners = answers.values[:, 1:5]
    top, left, third, fourth = corners.T
    orders = (
        ("with x and y of the boxes exchanged", corners[:, [1, 0, 3, 2]]),
        ("read as left, top, width, height", np.stack((top, left, top + third, left + fourth), 1)),
        (
            "read as centre, width, height",
            np.stack((top - third / 2, left - fourth / 2, top + third / 2, left + fourth / 2), 1),
        ),
        ("read as y, x, height, width", np.stack((left, top, left + fourth, top + third), 1)),
        ("read as x1, x2, y1, y2", np.stack((third, top, fourth, left), 1)),
    )
    for done, changed in orders:
        yield Correction("boxes in another order", done, answers.with_corners(changed))


def boxes_scaled(answers: DetectionAnswers) -> Iterator[Correction]:
    """Coordinates in other units: fractions, pixels of the original image, or any other factor."""
    name, corners = "boxes in another scale", answers.values[:, 1:5]
    side = getattr(answers.benchmark, "size", None)
    if side is not None:
        yield Correction(name, "read as fractions instead of pixels", answers.with_corners(corners * np.float32(side)))
        images = [answers.truth.images[sample] for sample in answers.samples.tolist()]
        sizes = np.array([(image.height, image.width) * 2 for image in images], np.float32).reshape(-1, 4)
        pixels = corners * np.float32(side) / sizes[answers.of]
        yield Correction(name, "read as pixels of the original image", answers.with_corners(pixels))
    factors = _factors(answers)
    if factors is not None and np.abs(factors - 1).max() > _SAME_SCALE:
        y, x = factors.tolist()
        done = f"multiplied by {x:.3g} in x and {y:.3g} in y"
        scale = np.array([y, x, y, x], np.float32)
        yield Correction(name, done, answers.with_corners(corners * scale))


def _factors(answers: DetectionAnswers) -> NDArray[np.float64] | None:
    """Return how much larger objects are than detections, in y and x; None if too few pairs tell.

    A pair is the only object of a category in an image, and the best detection of that category.
    """
    boxes = answers.truth.boxes
    pairs: list[tuple[float, ...]] = []
    for place, sample in enumerate(answers.samples.tolist()):
        image = answers.truth.images[sample]
        rows = np.flatnonzero(boxes.image_ids == image.id)
        found = answers.values[answers.of == place]
        categories, counts = np.unique(boxes.category_ids[rows], return_counts=True)
        for category in categories[counts == 1].tolist():
            seen = found[found[:, 6] == category]
            if len(seen):
                left, top, width, height = boxes.xywh[rows[boxes.category_ids[rows] == category][0]].tolist()
                ends = (top + height) / image.height, (left + width) / image.width
                pairs.append((*ends, *seen[seen[:, 5].argmax()][[3, 4]].tolist()))
    if len(pairs) < _FEWEST_PAIRS:
        return None
    there, given = np.split(np.array(pairs), 2, axis=1)
    usable = (given > 0).all(axis=1)
    if np.count_nonzero(usable) < _FEWEST_PAIRS:
        return None
    factors: NDArray[np.float64] = np.median(there[usable] / given[usable], axis=0)
    return factors


SYMPTOMS: Final[tuple[Symptom, ...]] = (no_detections, unknown_classes, one_class)
CORRECTIONS: Final[tuple[Correcting, ...]] = (labels_shifted, boxes_reordered, boxes_scaled)
