"""What an accuracy run must reach: limits on the values of its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Limit(msgspec.Struct, frozen=True):
    """What a value must be at least or at most, in its metric's unit; None where it has no such limit.

    Attributes
    ----------
    value
        The value's name in the table of the official checker: ``acc``, ``mAP``, ``F1``, ``WER``, ``DICE``.
    minimum, maximum
        Both count as met when they are reached exactly.
    """

    value: str
    minimum: float | None = None
    maximum: float | None = None

    def allows(self, number: float) -> bool:
        """Say whether a number meets the limit; a NaN, which has no order, meets none."""
        above = number >= (self.minimum if self.minimum is not None else float("-inf"))
        return above and number <= (self.maximum if self.maximum is not None else float("inf"))

    def __str__(self) -> str:
        bounds = (("at least", self.minimum), ("at most", self.maximum))
        return " and ".join(f"{words} {bound:.10g}" for words, bound in bounds if bound is not None)


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """What an accuracy run measured, against what it must reach, in the metric's unit.

    ``samples`` were scored; the reference and the target are those of ``reference_samples``.
    """

    metric: str
    unit: str
    value: float
    target: float
    reference: float
    reference_samples: int
    samples: int
    dataset_size: int
    details: dict[str, float] = {}


def check_limits(values: Mapping[str, float], limits: Sequence[Limit], *, file: str = "") -> Iterator[Finding]:
    """Yield a finding for each limit that its value does not meet.

    Parameters
    ----------
    values
        What was measured, by the names that the limits use; a value that is missing meets no limit.
    limits
        What is asked.
    file
        Where the values stand.
    """
    for limit in limits:
        found = values.get(limit.value)
        if found is not None and limit.allows(found):
            continue
        high = found is not None and limit.maximum is not None and found > limit.maximum
        yield Finding(
            rule="accuracy-target",
            what=f"{limit.value} is {'above' if high else 'below'} the benchmark's target",
            expected=str(limit),
            found=f"{found:.10g}" if found is not None else "no value",
            fix="check the model, its quantisation and the preprocessing; open division takes what misses it",
            file=file,
        )


def check_accuracy(accuracy: Accuracy) -> Iterator[Finding]:
    """Yield a finding when what a run scored misses its target; it says what the target is made from."""
    unit = accuracy.unit
    reference = (
        f"{accuracy.target / accuracy.reference:.1%} of the reference's {accuracy.reference:.3f} {unit} "
        f"on {accuracy.reference_samples:,}"
    )
    for finding in check_limits({accuracy.metric: accuracy.value}, (Limit(accuracy.metric, minimum=accuracy.target),)):
        yield msgspec.structs.replace(
            finding,
            expected=f"{finding.expected} {unit} ({reference})",
            found=f"{finding.found} {unit} on {accuracy.samples:,} samples",
        )
