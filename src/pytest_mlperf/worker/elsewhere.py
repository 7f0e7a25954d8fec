"""A model in another process, which has the samples, too: it answers instead of the benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.benchmarks.base import FirstToken, Records


@runtime_checkable
class Elsewhere(Protocol):
    """Such a model."""

    def answer_elsewhere(self, model: Model, samples: Any, indices: Sequence[int], first: FirstToken) -> Records:
        """Answer loaded samples with this model; see `Benchmark.answer`."""
        ...
