"""What is to be explained: the answers of an accuracy run, and what they are held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

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
    now, values
        The outcomes of the run's samples, and all values of its metric by name, where they are known already.
    before, before_values
        The same of the baseline; None and empty without a baseline.
    same_model
        Whether the baseline is of the same model: then its file is not the cause.
    reference
        Without a baseline: what the metric should reach; None if nobody says so.
    """

    benchmark: Benchmark
    log: Path
    dataset: Path
    now: Outcomes | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    before: Outcomes | None = None
    before_values: Mapping[str, float] = field(default_factory=dict)
    same_model: bool = False
    reference: float | None = None

    def records(self) -> Iterable[Record]:
        """Return the answers that count, as a stream; reading it raises AccuracyLogError if the log is damaged."""
        from pytest_mlperf.metrics.accuracy_log import Answers

        return Answers(self.log, last=getattr(self.benchmark.metric, "last_record_counts", False))
