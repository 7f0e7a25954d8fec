"""A Server run at another rate than the one that it was asked for, with the layout of a run before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

if TYPE_CHECKING:
    from pytest_mlperf.implementations.protocol import ExecutionLayout, RunSpec


def at_rate(spec: RunSpec, rate: float, layout: ExecutionLayout | None) -> RunSpec:
    """Return the same run at a rate, with a layout if one is known."""
    return structs.replace(spec, target_qps=rate, layout=layout, kept=None)


def rounded(rate: float) -> float:
    """Return a rate with so many digits that all of them are shown."""
    return float(f"{rate:.4g}")
