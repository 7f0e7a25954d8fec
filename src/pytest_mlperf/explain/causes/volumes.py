"""Causes of a low Dice coefficient."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlperf.explain.answered import Correcting, Correction, Symptom
from pytest_mlperf.explain.explanation import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.explain.volumes import Labels, VolumeAnswers
    from pytest_mlperf.metrics.outcomes import Outcomes

_NAMES: Final = ("background", "kidney", "tumor")
_AXES: Final = ("first", "second", "third")
_MOST: Final = 0.5


def one_class(answers: VolumeAnswers, before: Outcomes | None) -> Cause | None:
    """Volumes that are all one class."""
    del before
    constant = [int(given.flat[0]) for given in answers.given.values() if (given == given.flat[0]).all()]
    if not constant or len(constant) < _MOST * len(answers.given):
        return None
    names = ", ".join(_NAMES[number] for number in sorted(set(constant)))
    evidence = f"{len(constant)} of {len(answers.given)} volumes are all {names}"
    return Cause(name="always the same answer", evidence=evidence)


def classes_exchanged(answers: VolumeAnswers) -> Iterator[Correction]:
    """The three classes in another order."""
    for order in permutations(range(3)):
        if order != (0, 1, 2):
            table = np.array(order, np.uint8)
            changed = answers.mapped(lambda given, table=table: table[given])  # type: ignore[misc]
            words = ", ".join(f"{_NAMES[n]} as {_NAMES[to]}" for n, to in enumerate(order) if n != to)
            yield Correction("classes in another order", f"reading {words}", changed)


def axes_exchanged(answers: VolumeAnswers) -> Iterator[Correction]:
    """Voxels in another order of the axes."""
    for order in permutations(range(3)):
        if order != (0, 1, 2):
            words = ", ".join(_AXES[axis] for axis in order)
            changed = answers.mapped(lambda given, order=order: _reordered(given, order))  # type: ignore[misc]
            yield Correction("axes in another order", f"read with the axes {words}", changed)


def _reordered(given: Labels, order: tuple[int, ...]) -> Labels:
    """Return labels that were written with their axes in this order, in their own order."""
    written = given.reshape([given.shape[axis] for axis in order])
    return np.ascontiguousarray(written.transpose(np.argsort(order)))


def mirrored(answers: VolumeAnswers) -> Iterator[Correction]:
    """Voxels from the end to the start of an axis."""
    for flips in product((False, True), repeat=3):
        axes = tuple(axis for axis in range(3) if flips[axis])
        if axes:
            words = " and ".join(_AXES[axis] for axis in axes)
            changed = answers.mapped(lambda given, axes=axes: np.ascontiguousarray(np.flip(given, axes)))  # type: ignore[misc]
            yield Correction("volumes mirrored", f"read backwards along the {words} axis", changed)


SYMPTOMS: Final[tuple[Symptom, ...]] = (one_class,)
CORRECTIONS: Final[tuple[Correcting, ...]] = (classes_exchanged, axes_exchanged, mirrored)
