"""A check of values that can be anything: it raises what it refuses, and whatever else it raises is refused too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What values of another shape make Python raise.
_ODD = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)


class RefusedError(Exception):
    """What is refused, what was expected, what was found."""

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(what, expected, found)
        self.what, self.expected, self.found = what, expected, found


def refusals(rule: str, file: str, fix: str, check: Callable[[], None] | RefusedError) -> Iterator[Finding]:
    """Yield a finding for what a check refuses, or cannot read."""
    try:
        if isinstance(check, RefusedError):
            raise check
        check()
    except RefusedError as refusal:
        what, expected, found = refusal.what, refusal.expected, refusal.found
    except _ODD as error:
        what, expected = (
            "a file of the power measurement is not what its programs write",
            "their fields, of their types",
        )
        found = f"{type(error).__name__}: {error}"[:200]
    else:
        return
    yield Finding(rule=rule, what=what, expected=expected, found=found, fix=fix, file=file)
