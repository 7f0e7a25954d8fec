"""Messages between this process and the C++ program: lists of texts, over a socket.

A message is the number of its texts, then each text with its length, as 32-bit numbers of this machine.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

_NUMBER = struct.Struct("=I")


class Channel:
    """One end of the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, texts: Iterable[str | int | float]) -> None:
        """Send a message; a number is sent as Python writes it, which loses nothing.

        Raises
        ------
        OSError
            The program has ended.
        """
        # A path may have bytes that are no text.
        parts = [str(text).encode("utf-8", "surrogateescape") for text in texts]
        sized = (piece for part in parts for piece in (_NUMBER.pack(len(part)), part))
        self._end.sendall(b"".join((_NUMBER.pack(len(parts)), *sized)))

    def receive(self) -> list[str]:
        """Return the next message.

        Raises
        ------
        EOFError
            The program has ended.
        """
        return [self._read(self._number()).decode("utf-8", "replace") for _ in range(self._number())]

    def close(self) -> None:
        """Close this end: the program then ends."""
        self._end.close()

    def _number(self) -> int:
        (number,) = _NUMBER.unpack(self._read(_NUMBER.size))
        return int(number)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if not (part := self._end.recv(size - len(parts))):
                raise EOFError
            parts += part
        return bytes(parts)
