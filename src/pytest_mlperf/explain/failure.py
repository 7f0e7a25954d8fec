"""What is to be explained: the answers of an accuracy run, and what they are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.outcomes import Outcomes


@dataclass(frozen=True)
class Failure:
    """An accuracy run that is worse than it should be.

    Attributes
    ----------
    benchmark
        Its benchmark, with the variant of the model file.
    log
        Its mlperf_log_accuracy.json; run.json, which says how to ask the model again, is beside it.
    dataset
        The data set's directory.
    before
        The outcomes of the baseline's samples, None without a baseline.
    before_values
        The values that the baseline's metric had beside its own, by name.
    reference
        Without a baseline: what the metric should reach; None if nobody says so.
    """

    benchmark: Benchmark
    log: Path
    dataset: Path
    before: Outcomes | None = None
    before_values: Mapping[str, float] = field(default_factory=dict)
    reference: float | None = None

    def records(self) -> list[Record]:
        """Return the answers that count; raises AccuracyLogError if the log cannot be read."""
        from pytest_mlperf.metrics.accuracy_log import Answers

        return list(Answers(self.log, last=getattr(self.benchmark.metric, "last_record_counts", False)))
