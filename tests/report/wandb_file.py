"""Reads the file that W&B keeps of a run: python wandb_file.py FILE prints one JSON document for each of its records.

wandb has no reader of its own any more. The file is a log of LevelDB's format with a header of seven bytes; each record
is a protocol buffer that wandb describes.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict
from wandb.proto.wandb_internal_pb2 import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER, BLOCK, OF_RECORD = 7, 32768, struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(content: bytes) -> Iterator[bytes]:
    """Yield the records of a log."""
    assert content[:4] == b":W&B", content[:8]
    place, parts = HEADER, list[bytes]()
    while place + OF_RECORD.size <= len(content):
        left = BLOCK - place % BLOCK
        if left < OF_RECORD.size:  # the rest of a block is filled up
            place += left
            continue
        checksum, length, kind = OF_RECORD.unpack_from(content, place)
        data = content[place + OF_RECORD.size : place + OF_RECORD.size + length]
        assert checksum == zlib.crc32(data, zlib.crc32(bytes([kind]))), "a damaged record"
        place += OF_RECORD.size + length
        parts = [data] if kind in (FULL, FIRST) else [*parts, data]
        if kind in (FULL, LAST):
            yield b"".join(parts)


if __name__ == "__main__":
    for data in records(Path(sys.argv[1]).read_bytes()):
        sys.stdout.write(json.dumps(MessageToDict(Record.FromString(data), preserving_proto_field_name=True)) + "\n")
