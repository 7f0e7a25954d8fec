"""Reads volumes from NIfTI files, and refuses what is none or what no answer could be scored with."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

#: The largest volume of KiTS19 has 278 million voxels; a damaged header can promise any number.
MOST_VOXELS = 1 << 30
_FIX = "fetch or copy the file again"


@dataclass(frozen=True)
class Header:
    """What a file says of its volume.

    Attributes
    ----------
    shape
        Voxels along each of the three axes, in the order of the file: volumes are never reoriented.
    spacing
        The voxel's sides in millimetres: the header's float32, in double precision.
    axes
        Where each axis leads: ``IPL`` is to the feet, the back and the left; ``?`` is unknown.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    axes: str


@dataclass(frozen=True)
class Scan:
    """What a file holds; ``values`` has the header's shape."""

    values: NDArray[Any]
    header: Header


def read_header(path: Path) -> Header:
    """Read what a file says of its volume; raises DatasetError if that cannot be read."""
    with _reading(path):
        return _header(path, _load(path))


def read_image(path: Path) -> Scan:
    """Read a volume as float32.

    Raises
    ------
    DatasetError
        It cannot be read, has not three axes, or has a value that is not finite.
    """
    scan = _read(path)
    values = scan.values.astype(np.float32, copy=False)
    # A sum is finite unless a value is not, or unless it overflows, which the second look tells.
    if not np.isfinite(values.sum(dtype=np.float64)) and (strange := int((~np.isfinite(values)).sum())):
        raise DatasetError(
            f"{path} has values that are not finite",
            expected="a finite number for each voxel",
            found=f"{strange:,} of {values.size:,} are NaN or infinite",
            fix=_FIX,
        )
    return Scan(values, scan.header)


def read_labels(path: Path) -> Scan:
    """Read labels as uint8.

    Raises
    ------
    DatasetError
        They cannot be read, or one is not 0, 1 or 2.
    """
    scan = _read(path)
    labels = np.zeros(scan.values.shape, np.uint8)
    known = scan.values == 0
    for label in (1, 2):
        here = scan.values == label
        labels[here] = label
        known |= here
    if not known.all():
        strange = scan.values[~known]
        raise DatasetError(
            f"{path} has labels that this task does not know",
            expected="0 (background), 1 (kidney) and 2 (tumour)",
            found=f"{strange.size:,} voxels with others, the first: {strange[0]}",
            fix="give the labels of KiTS19, unchanged",
        )
    return Scan(labels, scan.header)


def _read(path: Path) -> Scan:
    with _reading(path):
        image = _load(path)
        header = _header(path, image)
        return Scan(_values(image), header)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what a damaged file raises into a DatasetError."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        yield
    except (OSError, EOFError, ValueError, OverflowError, zlib.error, ImageFileError, HeaderDataError) as error:
        raise DatasetError(
            f"{path} cannot be read",
            expected="a NIfTI file (.nii or .nii.gz)",
            found=_said(error, path),
            fix=f"{_FIX}; an interrupted download may leave a part",
        ) from error


def _load(path: Path) -> Any:
    import nibabel

    return nibabel.load(path)


def _header(path: Path, image: Any) -> Header:
    import nibabel

    shape, dtype = tuple(map(int, image.shape)), image.get_data_dtype()
    if len(shape) != 3 or not 0 < prod(shape) <= MOST_VOXELS or dtype.kind not in "iuf":
        raise DatasetError(
            f"{path} is not one volume",
            expected=f"numbers along three axes, up to {MOST_VOXELS:,}",
            found=f"the shape {shape} of {dtype}",
            fix="give the volumes of KiTS19, unchanged",
        )
    spacing = tuple(image.header["pixdim"][1:4].tolist())
    if not all(isfinite(side) and side > 0 for side in spacing) or not np.isfinite(image.affine).all():
        raise DatasetError(
            f"{path} does not say how large its voxels are",
            expected="positive numbers in pixdim, and a finite affine",
            found=f"pixdim {spacing}",
            fix=_FIX,
        )
    return Header(shape, spacing, "".join(each or "?" for each in nibabel.aff2axcodes(image.affine)))


def _values(image: Any) -> NDArray[Any]:
    """Return what ``get_fdata`` does, but for unscaled files without eight bytes a voxel: float32 of it is the same."""
    stored = image.dataobj
    if (stored.slope, stored.inter) != (1, 0):
        return np.asarray(image.get_fdata(caching="unchanged"))
    return np.asarray(stored.get_unscaled())


def _said(error: Exception, path: Path) -> str:
    if not path.exists():
        return "nothing"
    if not path.stat().st_size:
        return "0 bytes"
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
