"""Server-sent events: the data of each event, from the parts of a stream as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A line that is longer than this is no event of a chat.
LONGEST_LINE = 1 << 22


class EventReader:
    """Reads events; an event without the empty line behind it is none."""

    def __init__(self) -> None:
        self._line = b""
        self._data: list[bytes] = []

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield the data of the events that end in this part; comments and other fields are skipped.

        Raises
        ------
        ValueError
            A line does not end.
        """
        *lines, self._line = (self._line + part).split(b"\n")
        if len(self._line) > LONGEST_LINE:
            raise ValueError(f"a line of more than {LONGEST_LINE:,} bytes")
        for line in lines:
            text = line.rstrip(b"\r")
            if text.startswith(b"data:"):
                self._data.append(text[5:].removeprefix(b" "))
            elif not text and self._data:
                yield b"\n".join(self._data)
                self._data.clear()
