"""The latencies of tokens of the language models: that LoadGen takes them, and their bounds; one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import NANOSECONDS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import RunCase

_ASKED = "requested_use_token_latencies"
_FIRST = "result_first_token_99.00_percentile_latency_ns"
_NEXT = "result_time_per_output_token_99.00_percentile_ns"


def token_latencies_asked(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when a language model's run does not take the latencies of tokens."""
    if case.asked.token_latencies and not case.run.detail.values.get(_ASKED):
        yield Finding(
            rule="token-latencies-asked",
            what="the run does not take the latencies of tokens",
            expected=f"{_ASKED} true",
            found=case.run.detail.text(_ASKED),
            fix="set use_token_latencies = 1 in user.conf, and repeat the run",
            file=case.run.detail_file,
        )


def token_bounds(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the first token, or the next ones, take longer than the benchmark allows."""
    bounds, log = case.asked.token_bounds.get(case.scenario or ""), case.run.detail
    if bounds is None or not log.values.get(_ASKED):
        return
    for key, most, what in (
        (_FIRST, bounds.ttft_ns, "the 99th-percentile latency of the first token"),
        (_NEXT, bounds.tpot_ns, "the 99th-percentile time per output token"),
    ):
        found = log.number(key)
        if found is None or not found < most:
            yield Finding(
                rule="token-bounds",
                what=f"{what} is not below the benchmark's bound",
                expected=f"below {most / NANOSECONDS_PER_MS:g} ms",
                found=f"{found / NANOSECONDS_PER_MS:.6g} ms" if found is not None else log.text(key),
                fix="offer fewer queries a second: lower target_qps, and repeat the run",
                file=case.run.detail_file,
            )
