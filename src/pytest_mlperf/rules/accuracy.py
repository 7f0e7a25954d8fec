"""The quality target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def check_target(accuracy: Accuracy) -> Iterator[Finding]:
    """Yield a finding when the metric is below its target."""
    # A NaN is not at least anything.
    if not accuracy.value >= accuracy.target:
        unit = accuracy.unit
        yield Finding(
            rule="accuracy-target",
            severity="error",
            what=f"{accuracy.metric} is below the target",
            expected=f"at least {accuracy.target:.3f} {unit} ({accuracy.target / accuracy.reference:.1%} of "
            f"the reference's {accuracy.reference:.3f} {unit} on {accuracy.reference_samples:,})",
            found=f"{accuracy.value:.3f} {unit} on {accuracy.samples:,} samples",
            fix="check the model file, its quantisation and the preprocessing",
        )
