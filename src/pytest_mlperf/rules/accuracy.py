"""What an accuracy run must reach: limits on the values of its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.metrics.limit import Limit
from pytest_mlperf.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """What an accuracy run measured, against what it must reach, in the metric's unit.

    Attributes
    ----------
    metric, unit, value
        The metric's name, its unit and its value.
    limits
        What the values must reach.
    samples, dataset_size
        How many samples were scored, and how many the whole data set has.
    values
        Every value that the metric computed, by name.
    text
        accuracy.txt, without the hash of the accuracy log.
    """

    metric: str
    unit: str
    value: float
    limits: tuple[Limit, ...]
    samples: int
    dataset_size: int
    values: dict[str, float]
    text: str

    @property
    def limit(self) -> Limit | None:
        """The limit of the metric's own value."""
        return next((limit for limit in self.limits if limit.value == self.metric), None)

    @property
    def target(self) -> float | None:
        """What the metric's own value must be: at least, or where there is no least, at most."""
        if self.limit is None:
            return None
        return self.limit.minimum if self.limit.minimum is not None else self.limit.maximum

    def shown(self, value: float) -> str:
        """Return a value of the metric with its unit, in the digits of the official scripts: a percentage has three."""
        return f"{value:.3f} {self.unit}" if self.unit else f"{value:.5f}"

    @property
    def comparable(self) -> bool:
        """Whether the limits are stated for the samples that were scored; those of the whole say nothing of a part."""
        whole = self.samples >= self.dataset_size
        return bool(self.limits) and all(
            whole if limit.samples is None else whole or limit.samples == self.samples for limit in self.limits
        )


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
    """Yield a finding for each limit that a run misses; it says what the limit is made from."""
    for limit in accuracy.limits:
        is_main = limit.value == accuracy.metric
        unit = f" {accuracy.unit}" if is_main and accuracy.unit else ""
        for finding in check_limits(accuracy.values, (limit,)):
            yield msgspec.structs.replace(
                finding,
                expected=f"{finding.expected}{unit}{_origin(limit, accuracy.shown if is_main else _plain)}",
                found=f"{finding.found}{unit} on {accuracy.samples:,} samples",
            )


def _plain(value: float) -> str:
    return f"{value:.10g}"


def _origin(limit: Limit, shown: Callable[[float], str]) -> str:
    """Return what a limit is a part of, in parentheses; nothing where nobody states it."""
    bound = limit.minimum if limit.minimum is not None else limit.maximum
    if limit.reference is None or not limit.reference or bound is None:
        return ""
    on = f" on {limit.samples:,}" if limit.samples is not None else ""
    return f" ({bound / limit.reference:.1%} of the reference's {shown(limit.reference)}{on})"
