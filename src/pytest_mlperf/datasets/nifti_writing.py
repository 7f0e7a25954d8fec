"""Writes a volume as NIfTI-1, with the same bytes on every machine and with every version of every package."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: NIfTI's codes of element types, and their bits.
_TYPES: Final = {"uint8": (2, 8), "int16": (4, 16), "float32": (16, 32)}
_HEADER_BYTES: Final = 348
_DATA_OFFSET: Final = 352
_MILLIMETRES: Final = 2
_SCANNER: Final = 1


def nifti_bytes(volume: NDArray[Any], spacing: Sequence[float]) -> bytes:
    """Return the content of a ``.nii`` file with a volume.

    The axes lead to the feet, the back and the left, as those of KiTS19.

    Parameters
    ----------
    volume
        uint8, int16 or float32 ``[D, H, W]``.
    spacing
        The sides of its voxels, in millimetres.
    """
    code, bits = _TYPES[volume.dtype.name]
    header = bytearray(_DATA_OFFSET)
    struct.pack_into("<i", header, 0, _HEADER_BYTES)
    struct.pack_into("<8h", header, 40, 3, *volume.shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, _DATA_OFFSET, 1.0, 0.0)
    struct.pack_into("<B", header, 123, _MILLIMETRES)
    struct.pack_into("<h", header, 254, _SCANNER)  # sform_code
    for row, axis in enumerate((2, 1, 0)):
        line = [0.0] * 4
        line[axis] = -spacing[axis]
        struct.pack_into("<4f", header, 280 + 16 * row, *line)
    header[344:348] = b"n+1\0"
    # NIfTI's first axis is the fastest.
    values = np.asfortranarray(volume, volume.dtype.newbyteorder("<"))
    return bytes(header) + values.tobytes(order="F")
