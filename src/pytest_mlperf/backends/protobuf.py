"""Reads the wire format of protocol buffers without their schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

VARINT, _FIXED64, BYTES, _GROUP, _END_GROUP, _FIXED32 = range(6)


def messages(data: mmap.mmap, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each field with the number `wanted` that has a length."""
    for field, kind, value, length in fields(data, start, end):
        if field == wanted and kind == BYTES:
            yield value, value + length


def fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type and value of each field; for bytes, their position and length.

    Raises
    ------
    ValueError
        It is no protocol buffer. Groups are skipped, as unknown fields are.
    """
    at, groups = start, list[int]()
    while at < end:
        key, at = varint(data, at)
        key &= 0xFFFF_FFFF  # as protobuf reads it
        field, kind = key >> 3, key & 7
        value, length = at, 0
        if kind == VARINT:
            value, at = varint(data, at)
        elif kind == BYTES:
            length, value = varint(data, at)
            at = value + length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        elif kind == _GROUP:
            groups.append(field)
        elif kind != _END_GROUP or not groups or groups.pop() != field:
            raise ValueError(f"not a protocol buffer: wire type {kind} at byte {at}")
        if at > end:
            raise ValueError(f"cut off: a field ends at byte {at} of {end}")
        if not groups and kind not in (_GROUP, _END_GROUP):
            yield field, kind, value, length
    if groups:
        raise ValueError("cut off: a group does not end")


def varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Return a number and the position behind it."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError(f"not a protocol buffer: a number does not end at byte {at}")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
