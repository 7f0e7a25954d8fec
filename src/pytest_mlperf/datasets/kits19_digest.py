"""The MD5 by which MLPerf knows a preprocessed case: that of the pickle file in which its script keeps it.

The bytes are written here, from the fixed pattern of Python's protocol 4, because the pattern is numpy's: numpy 2 names
another module in it than numpy 1, and its pickles of the same volume have another MD5.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.datasets.kits19_cases import CHECKSUMS
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

#: A payload of this size is written between frames.
_LARGE = 64 * 1024
_FRAME_LEAST = 4
# Opcodes: \x94 remembers, h recalls, \x8c is a text, K M J are integers, ( t a tuple, R calls, b sets the state.
_FUNCTION = b"\x8c\x15numpy.core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94"
_FIRST = (
    b"]\x94(" + _FUNCTION + b"\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01("
)
_SECOND = b"h\x03h\x06K\x00\x85\x94h\x08\x87\x94R\x94(K\x01("
_FIRST_DTYPE = b"h\x04\x8c\x05dtype\x94\x93\x94\x8c\x02f4\x94"
_SECOND_DTYPE = b"h\x0d\x8c\x02u1\x94"
_DTYPE_STATE = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89"
#: align and copy of a dtype: truth values today, and numbers until numpy 1.20 or so.
_FLAGS = (b"\x89\x88", b"K\x00K\x01")


def pickled_md5(image: NDArray[np.float32], labels: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the MD5 of ``pickle.dumps([image, labels], 4)`` under numpy 1, as recent and as old versions write it.

    Parameters
    ----------
    image, labels
        float32 and uint8 ``[D, H, W]``; the pickled arrays have one more axis in front.
    """
    return tuple(_md5(image, labels, flags) for flags in _FLAGS)


def stated_digests(directory: Path) -> Mapping[str, str]:
    """Return the MD5 by case that ``checksum_inference.json`` in a directory states; none without that file.

    Raises
    ------
    DatasetError
        The file is not what MLPerf's script writes.
    """
    path = directory / CHECKSUMS
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_bytes())
        return {str(name).removesuffix(".pkl"): str(md5).lower() for name, md5 in content.items()}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"{path} cannot be read",
            expected='{"case_00000.pkl": "MD5", …}',
            found=str(error),
            fix="copy it again from 3d-unet-kits19/meta of mlcommons/inference, or remove it to compare nothing",
        ) from error


def require_digest(path: Path, image: NDArray[np.float32], labels: NDArray[np.uint8], stated: str) -> None:
    """Raise DatasetError if a case has another MD5 than is stated."""
    found = pickled_md5(image, labels)
    if stated not in found:
        raise DatasetError(
            f"{path.parent} is not the case that MLPerf measures",
            expected=f"MD5 {stated} in {CHECKSUMS}",
            found=f"MD5 {found[0]} (or {found[1]}, as old versions of numpy write it)",
            fix="fetch and preprocess the case again",
        )


def _md5(image: NDArray[np.float32], labels: NDArray[np.uint8], flags: bytes) -> str:
    digest = hashlib.md5(b"\x80\x04", usedforsecurity=False)
    frame = b""
    for part in _parts(image, labels, flags):
        if isinstance(part, bytes):
            frame += part
            continue
        header, payload = part
        if len(payload) < _LARGE:
            frame += header + payload.tobytes()
            continue
        digest.update(_framed(frame))
        digest.update(header)
        digest.update(payload)
        frame = b""
    digest.update(_framed(frame))
    return digest.hexdigest()


def _framed(frame: bytes) -> bytes:
    return b"\x95" + len(frame).to_bytes(8, "little") + frame if len(frame) >= _FRAME_LEAST else frame


def _parts(image: NDArray[Any], labels: NDArray[Any], flags: bytes) -> Iterator[bytes | tuple[bytes, memoryview]]:
    """Yield the opcodes in order; a payload with the opcode that announces it."""
    yield _FIRST + _shape(image.shape) + _FIRST_DTYPE + _dtype(flags, b"<")
    yield _payload(image)
    yield b"\x94t\x94b" + _SECOND + _shape(labels.shape) + _SECOND_DTYPE + _dtype(flags, b"|")
    yield _payload(labels)
    yield b"\x94t\x94be."


def _dtype(flags: bytes, order: bytes) -> bytes:
    return flags + b"\x87\x94R\x94(K\x03\x8c\x01" + order + b"\x94" + _DTYPE_STATE


def _shape(shape: tuple[int, ...]) -> bytes:
    return b"".join(map(_integer, (1, *shape))) + b"t\x94"


def _integer(value: int) -> bytes:
    if value < 1 << 8:
        return b"K" + value.to_bytes(1, "little")
    return b"M" + value.to_bytes(2, "little") if value < 1 << 16 else b"J" + value.to_bytes(4, "little")


def _payload(values: NDArray[Any]) -> tuple[bytes, memoryview]:
    data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
    short = len(data) < 1 << 8
    return (b"C" + len(data).to_bytes(1, "little") if short else b"B" + len(data).to_bytes(4, "little")), data
