"""What a value of a metric must reach."""

from __future__ import annotations

import msgspec


class Limit(msgspec.Struct, frozen=True):
    """What a value must be at least or at most, in its metric's unit; None where it has no such limit.

    Attributes
    ----------
    value
        The value's name, as in the table of the official checker: ``acc``, ``mAP``, ``F1``, ``DICE``; for what that
        calls WER it is ``word accuracy``.
    minimum, maximum
        Both count as met when they are reached exactly.
    reference
        The float32 reference's value, of which the bound is a part; None where nobody states it.
    samples
        How many samples, from the first, the limit is stated for; None for the whole data set.
    """

    value: str
    minimum: float | None = None
    maximum: float | None = None
    reference: float | None = None
    samples: int | None = None

    def allows(self, number: float) -> bool:
        """Say whether a number meets the limit; a NaN, which has no order, meets none."""
        above = number >= (self.minimum if self.minimum is not None else float("-inf"))
        return above and number <= (self.maximum if self.maximum is not None else float("inf"))

    def __str__(self) -> str:
        bounds = (("at least", self.minimum), ("at most", self.maximum))
        return " and ".join(f"{words} {bound:.10g}" for words, bound in bounds if bound is not None)
