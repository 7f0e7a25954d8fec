"""Follows one test item through this package's files, and counts how often the way goes from one file to another.

    python tools/walk.py                                  # one accuracy item of retinanet-tiny
    python tools/walk.py -k retinanet-tiny --mode performance --scenario Offline

It runs pytest in this process with the arguments given and listens to every call and return of a function of
``pytest_mlperf``. A *move* is a call or a return that ends in another file than the one before it; a file is *entered*
by such a move. What a module does when it is imported is left out, and so is the child process, whose interface is
run.json and result.json.
"""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import FrameType

PACKAGE = f"{Path(__file__).resolve().parents[1] / 'src' / 'pytest_mlperf'}/"
ONE_ACCURACY_ITEM = ("-k", "retinanet-tiny", "--scenario", "Offline", "--mode", "accuracy")


class Walk:
    """Counts the moves between files while it is the profile function."""

    def __init__(self) -> None:
        self.moves = 0
        self.entered: Counter[str] = Counter()
        self._at = ""
        self._names: dict[str, str] = {}

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Take one event of ``sys.setprofile``."""
        if event == "call":
            self._go(frame)
        elif event == "return" and frame.f_back is not None:
            self._go(frame.f_back)

    def _go(self, frame: FrameType) -> None:
        if _is_import(frame):
            return
        path = frame.f_code.co_filename
        name = self._names.get(path)
        if name is None:
            name = path.removeprefix(PACKAGE) if path.startswith(PACKAGE) else ""
            self._names[path] = name
        if name and name != self._at:
            self.moves += 1
            self.entered[name] += 1
            self._at = name


def _is_import(frame: FrameType | None) -> bool:
    """Say whether a frame is the body of a module or of a class, or was called by one."""
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            return True
        frame = frame.f_back
    return False


def main(arguments: list[str]) -> int:
    """Run pytest and print the walk."""
    walk = Walk()
    sys.setprofile(walk)
    try:
        code = pytest.main(["benchmarks", "-q", *(arguments or ONE_ACCURACY_ITEM)])
    finally:
        sys.setprofile(None)
    print(f"\n{walk.moves} moves between {len(walk.entered)} files; the files entered most often:")
    for name, times in walk.entered.most_common(12):
        print(f"{times:6} {name}")
    return int(code)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
