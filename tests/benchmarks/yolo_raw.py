"""Raw outputs of YOLO made of random integers, the same on every machine, with crowded boxes and no equal scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def raw_output(seed: int, points: int, classes: int, side: int) -> NDArray[np.float32]:
    """Return float32 [1, 4 + classes, points]: boxes around a few places, of a few classes more often."""
    random = np.random.default_rng(seed)
    places = random.integers(0, 8 * side, (max(points // 12, 1), 2))
    raw = np.empty((4 + classes, points), np.float32)
    owner = random.integers(0, len(places), points)
    raw[:2] = (places[owner].T + random.integers(-90, 91, (2, points))) / 8
    raw[2:4] = random.integers(8, 4 * side, (len(places), 2))[owner].T / 8 + random.integers(0, 120, (2, points)) / 8
    ranks = random.permutation(points * classes).reshape(classes, points) + 1.0
    ranks[owner % classes, np.arange(points)] *= 8
    share = ranks / (8 * points * classes + 1)
    raw[4:] = share * share * share
    return raw[None]
