"""The first content that was trusted, remembered, where no publisher states a SHA-256."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.atomic import write_atomic
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The content that a file had when it was first fetched: SHA-256, size in bytes, the address, the date."""

    sha256: str
    size: int
    source: str
    date: str


def read_pins(path: Path) -> dict[str, Pin]:
    """Return the pins of an artifact's files by name; CacheError where they cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CacheError(
            "cannot read which content was trusted before",
            expected=f"checksums in {path}",
            found=str(error),
            fix="make it readable; or delete it, and the next content that comes is trusted",
        ) from error


def write_pins(path: Path, pins: Mapping[str, Pin], mode: int) -> None:
    """Replace the pins of an artifact's files, by name, at once; `mode` has the permission bits of the cache."""
    write_atomic(path, msgspec.json.encode(dict(pins)), mode=0o600 | mode & 0o666, sync=True)
