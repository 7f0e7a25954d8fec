"""Repeated performance cases: an item for each run, and their order, in which the cases take turns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlperf.run.case import PERFORMANCE, Plan, Repetition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pytest

    from pytest_mlperf.run.case import Case


def repeated(cases: Iterable[Case], times: int) -> Iterator[Case]:
    """Yield cases so often: first each one once, then each one again. What is no performance run comes once."""
    there = list(cases)
    for number in range(1, times + 1):
        for case in there:
            if times > 1 and case.mode == PERFORMANCE and isinstance(case.decided, Plan):
                yield replace(case, repetition=Repetition(number, times))
            elif number == 1:
                yield case


def item_id(case: Case, *, with_mode: bool) -> str:
    """Return the text in the brackets of a node id; that of a repeated run ends as those of pytest-repeat: ``-2-3``."""
    number, of = case.repetition
    return "-".join(filter(None, (case.id, case.mode if with_mode else "", f"{number}-{of}" if of > 1 else "")))


def in_turns(items: Sequence[pytest.Item], repetition: Callable[[pytest.Item], Repetition]) -> list[pytest.Item]:
    """Return items so that all first runs come before all second ones: what drifts on a machine meets all cases alike.

    Items that are not repeated stay where they are, and so does the order within a turn.
    """
    places = [place for place, item in enumerate(items) if repetition(item).of > 1]
    turns = sorted(places, key=lambda place: repetition(items[place]).number)
    moved = list(items)
    for place, taken in zip(places, turns, strict=True):
        moved[place] = items[taken]
    return moved
