"""The SHA-256 of a file, read as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; `OSError` when it cannot be read."""
    import hashlib  # loads OpenSSL, which every plain session would pay for

    digest, buffer = hashlib.sha256(), bytearray(_CHUNK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()
