"""Generated CT-like volumes: an organ with a lesion among other tissue; changes when those volumes do.

Everything is computed in integers, so that a volume has the same bytes on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Split = Literal["train", "validation", "calibration"]
ORGAN: Final = 1
LESION: Final = 2
#: Lengths are integers, in hundredths of a millimetre.
_UNIT: Final = 100
#: The resampled voxel, and how many of them a volume has along each axis: smallest and largest.
_VOXEL: Final = (160, 120, 120)
_SIDES: Final = ((40, 55), (42, 59), (42, 59))
_SLICES: Final = (200, 360)
_PIXELS: Final = (85, 150)
#: Where a scaled squared distance is that of an ellipsoid's surface.
_SURFACE: Final = 1 << 10


@dataclass(frozen=True)
class Phantom:
    """A volume and its truth.

    Attributes
    ----------
    image
        int16 ``[D, H, W]`` in Hounsfield units.
    labels
        uint8 ``[D, H, W]``: 1 organ, 2 lesion.
    spacing
        The sides of a voxel, in millimetres; slices are thicker than their pixels are wide.
    """

    image: NDArray[np.int16]
    labels: NDArray[np.uint8]
    spacing: tuple[float, float, float]


def phantom(split: Split, index: int) -> Phantom:
    """Return the volume with this index; splits have no volume in common."""
    random = _Random(split, index)
    pixel = random.between(*_PIXELS)
    voxel = (random.between(*_SLICES), pixel, pixel)
    extents = [random.between(*sides) * side for sides, side in zip(_SIDES, _VOXEL, strict=True)]
    shape = tuple(max(2, (extent + side // 2) // side) for extent, side in zip(extents, voxel, strict=True))
    scene = _Scene(shape, voxel, random)
    scene.surroundings()
    scene.organ_with_lesion()
    return Phantom(scene.scanned(), scene.labels, (voxel[0] / _UNIT, voxel[1] / _UNIT, voxel[2] / _UNIT))


class _Random:
    """Integers by chance, the same ones for the same split and index."""

    def __init__(self, split: Split, index: int) -> None:
        seed = np.random.SeedSequence((19, get_args(Split).index(split), index))
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`."""
        return int(self._generator.integers(low, high, endpoint=True))

    def noise(self, shape: tuple[int, ...], amplitude: int) -> NDArray[np.int32]:
        """Return int32 noise, nearly normal, with a deviation of 1.15 amplitudes, that neighbours in a row share."""
        parts = self._generator.integers(-amplitude, amplitude, (4, *shape), np.int32, endpoint=True)
        total: NDArray[np.int32] = parts.sum(0, dtype=np.int32)
        total[..., 1:] = (3 * total[..., 1:] + 2 * total[..., :-1]) // 4
        return total


class _Scene:
    """A volume while it is composed: tissue by tissue, the later ones over the earlier ones."""

    def __init__(self, shape: tuple[int, ...], voxel: tuple[int, int, int], random: _Random) -> None:
        self._random = random
        self._size = [n * side for n, side in zip(shape, voxel, strict=True)]
        sides = zip(shape, voxel, strict=True)
        self._axes = np.meshgrid(*(np.arange(n) * side for n, side in sides), indexing="ij", sparse=True)
        self._tissue = np.full(shape, random.between(20, 55), np.int32)
        self.labels = np.zeros(shape, np.uint8)

    def surroundings(self) -> None:
        """Put fat, bone, vessels, and another organ as bright as the lesion or the organ, anywhere.

        Gas and metal are beyond what clipping leaves, so that a pipeline without it sees something else.
        """
        between = self._random.between
        for _ in range(between(2, 5)):
            self._tissue[self._ellipsoid(self._anywhere(), 700, 2200)] = between(-120, -70)
        self._tissue[self._ellipsoid(self._anywhere(), 1300, 2600)] = between(80, 150)
        for _ in range(between(2, 4)):
            self._tissue[self._ellipsoid(self._anywhere(), 250, 600)] = between(120, 230)
        self._tissue[self._ellipsoid(self._anywhere(), 500, 1100)] = between(260, 420)
        self._tissue[self._ellipsoid(self._anywhere(), 500, 1200)] = between(-1000, -700)
        self._tissue[self._ellipsoid(self._anywhere(), 250, 500)] = between(1200, 2800)

    def organ_with_lesion(self) -> None:
        """Put the organ near the middle, and the lesion near its surface."""
        between, tissue, labels = self._random.between, self._tissue, self.labels
        middle = [size * between(40, 60) // 100 for size in self._size]
        organ = self._ellipsoid(middle, 1100, 2100)
        bright = between(120, 190)
        tissue[organ] = bright
        tissue[self._ellipsoid(middle, 400, 800) & organ] = bright - between(20, 50)
        labels[organ] = ORGAN
        place = [at + between(-1100, 1100) for at in middle]
        lesion = self._ellipsoid(place, 550, 1150)
        tissue[lesion] = between(60, 105)
        labels[lesion] = LESION

    def scanned(self) -> NDArray[np.int16]:
        """Return the volume as a scanner would: blurred within slices, with noise."""
        blurred = self._tissue
        for axis in (1, 2):
            padded = np.pad(blurred, [(1, 1) if each == axis else (0, 0) for each in range(3)], mode="edge")
            before, after = (padded.take(range(start, start + blurred.shape[axis]), axis) for start in (0, 2))
            blurred = (before + 2 * blurred + after) // 4
        noisy = blurred + self._random.noise(blurred.shape, self._random.between(14, 26))
        image: NDArray[np.int16] = np.clip(noisy, -1024, 3071).astype(np.int16)
        return image

    def _anywhere(self) -> list[int]:
        return [self._random.between(0, size) for size in self._size]

    def _ellipsoid(self, centre: list[int], smallest: int, largest: int) -> NDArray[np.bool_]:
        """Return where an ellipsoid is; its three radii are between two lengths, and it is a little tilted."""
        between = self._random.between
        z, y, x = (axis - at for axis, at in zip(self._axes, centre, strict=True))
        y = y + z * between(-6, 6) // 16
        x = x + y * between(-6, 6) // 16 + z * between(-4, 4) // 16
        scaled = (axis * _SURFACE // between(smallest, largest) for axis in (z, y, x))
        distance: NDArray[np.int64] = sum((axis * axis for axis in scaled), start=np.zeros(1, np.int64))
        inside: NDArray[np.bool_] = distance < _SURFACE * _SURFACE
        return inside
