"""Finds what is private in a submission's files that are copied as they are: the user's code and LoadGen's logs."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Larger files are LoadGen's logs, which have nothing of the machine.
_LARGEST = 1 << 20
#: A shorter name is a word of other meanings: vm, gpu1.
_SHORTEST_NAME = 6


def private_remains(tree: Path) -> Iterator[str]:
    """Yield a remark on each file with an address's secret, the user's home directory or the machine's name."""
    for file in sorted(tree.rglob("*")):
        if file.is_file() and file.stat().st_size <= _LARGEST:
            found = ", ".join(_private(file.read_text("utf-8", "replace")))
            if found:
                yield f"{file.relative_to(tree).as_posix()} has {found}; it is packed as it is"


def _private(text: str) -> Iterator[str]:
    if without_secrets(text) != text:
        yield "an address with a password or a token"
    home, host = str(Path.home()), platform.node()
    if len(home) > 1 and home in text:
        yield "the path of your home directory"
    if len(host) >= _SHORTEST_NAME and re.search(rf"\b{re.escape(host)}\b", text):
        yield "the name of this machine"
