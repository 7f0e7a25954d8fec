"""Official length: what a run would still need to be as long as the round asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.accuracy import Accuracy
    from pytest_mlperf.rules.detail_log import DetailLog

FIX = "--run-length official"


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """What the round asks of a performance run of this benchmark and scenario."""

    min_duration_ms: int
    min_query_count: int
    performance_sample_count: int


def check_performance_length(scenario: str, log: DetailLog, needed: Needed) -> Iterator[Finding]:
    """Yield a note for each measure of length in which a performance run is below the round's."""
    duration = log.number("effective_min_duration_ms")
    if duration is not None and duration < needed.min_duration_ms:
        yield _note(
            "official-duration",
            "shorter than the round asks",
            f"a minimum of {needed.min_duration_ms / 1000:g} s",
            f"{duration / 1000:g} s",
        )
    key = "effective_samples_per_query" if scenario == "Offline" else "effective_min_query_count"
    words = "samples" if scenario == "Offline" else "queries"
    count = log.number(key)
    if count is not None and count < needed.min_query_count:
        yield _note(
            "official-queries",
            f"fewer {words} than the round asks",
            f"{needed.min_query_count:,} {words}",
            f"{count:,.0f}",
        )
    loaded = log.number("effective_performance_sample_count")
    if loaded is not None and loaded < needed.performance_sample_count:
        yield _note(
            "official-sample-count",
            "fewer different samples in memory than the round asks",
            f"{needed.performance_sample_count:,}",
            f"{loaded:,.0f}",
        )


def check_accuracy_length(accuracy: Accuracy) -> Iterator[Finding]:
    """Yield a note when an accuracy run did not see the whole data set, and what its target is worth then."""
    if accuracy.samples >= accuracy.dataset_size:
        return
    yield _note(
        "whole-data-set",
        "accuracy of a part of the data set"
        + (
            ", against the reference on the same part"
            if accuracy.comparable
            else ", while the target is that of the whole"
        ),
        f"{accuracy.dataset_size:,} samples",
        f"{accuracy.samples:,}",
    )


def _note(rule: str, what: str, expected: str, found: str) -> Finding:
    return Finding(rule=rule, severity="note", what=what, expected=expected, found=found, fix=FIX)
