"""What a run was told that the scenario, the benchmark or a compliance test fixes; one function for each rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.fixed import fixed, logged_otherwise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import RunCase
    from pytest_mlperf.rules.detail_log import DetailLog
    from pytest_mlperf.rules.fixed import Fixed


def latency_percentile(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when the reported latency is not of the scenario's percentile."""
    yield from _otherwise(case, "latency-percentile", f"the run's percentile is not the one of {case.ran}")


def query_size(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when queries do not have the scenario's number of samples."""
    yield from _otherwise(case, "query-size", f"a query does not have the number of samples of {case.ran}")


def sample_order(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when samples are issued equally often where the round has them drawn at random."""
    yield from _otherwise(case, "sample-order", "samples are not drawn at random")


def token_latencies(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when latencies of tokens took the place of the benchmark's latency."""
    yield from _otherwise(case, "token-latencies", "the run's latencies are those of tokens, or should be")


def audit_settings(case: RunCase) -> Iterator[Finding]:
    """Yield a finding when a test's run lacks settings of its audit.config, or another run has some."""
    of = f"{case.test}'s own" if case.test else "a compliance test's"
    what = f"settings of the run are not {of}" if case.test else f"the run has {of} settings"
    fix = (
        f"repeat {case.test} with its audit.config in the directory that the run starts in"
        if case.test
        else "remove audit.config from the directory that the run starts in, and repeat the run"
    )
    yield from _otherwise(case, "audit-settings", what, fix)


def _otherwise(case: RunCase, rule: str, what: str, fix: str = "") -> Iterator[Finding]:
    log = case.run.detail
    wrong = [each for each in fixed(case.ran, case.asked) if each.rule == rule and logged_otherwise(log, each)]
    if wrong:
        yield Finding(
            rule=rule,
            what=what,
            expected=", ".join(f"{each.key} {each.words}" for each in wrong),
            found=", ".join(_found(log, each) for each in wrong),
            fix=fix or f"leave {', '.join(each.key for each in wrong)} out of user.conf, and repeat the run",
            file=case.run.detail_file,
        )


def _found(log: DetailLog, each: Fixed) -> str:
    number = log.number(each.logged)
    return log.text(each.logged) if number is None or each.scale == 1 else f"{number / each.scale:.10g}"
