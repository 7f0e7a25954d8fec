"""The first content that was trusted, remembered, where no publisher states a SHA-256."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

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
    """Return the pins of an artifact's files by name; none where nothing was pinned.

    Raises
    ------
    CacheError
        They cannot be read. Without them a changed file would pass.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CacheError(
            "cannot read which content was trusted before",
            expected=f"checksums in {path}",
            found=str(error),
            fix="Make it readable; or delete it, and the next content that comes is trusted.",
        ) from error


def write_pins(path: Path, pins: Mapping[str, Pin], mode: int) -> None:
    """Replace the pins of an artifact's files at once.

    Parameters
    ----------
    path
        The file; its directory exists.
    pins
        By the files' names.
    mode
        Permission bits of the cache.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(dict(pins)))
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o600 | mode & 0o666)
    beside.rename(path)
