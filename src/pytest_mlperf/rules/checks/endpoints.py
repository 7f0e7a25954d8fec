"""What a result must show that was measured through endpoints, without LoadGen's logs; one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.performance import NANOSECONDS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import ResultCase
    from pytest_mlperf.rules.reading.endpoints import Endpoints

#: The mean number of tokens of an answer that TEST09 takes (TEST09_LOW, TEST09_HIGH in the checker's constants.py).
_LEAST_TOKENS, _MOST_TOKENS = 1150.38, 1406.02
#: The only benchmarks whose endpoints' checker compares the score with the target, or asks for TEST04's report.
_SCORED, _AUDITED = ("qwen3-vl-235b-a22b",), ("wan-2.2-t2v-a14b",)
_P99 = "result_99.00_percentile_latency_ns"
_SEEDS = ("sample_index_rng_seed", "schedule_rng_seed")
_FIGURES = {"Offline": "result_samples_per_second"} | dict.fromkeys(
    ("Server", "Interactive"), "result_completed_samples_per_sec"
)


def endpoints_benchmark(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the round does not take the benchmark through endpoints."""
    if case.benchmark not in case.round.endpoints:
        yield Finding(
            rule="endpoints-benchmark",
            what=f"{case.directory} is not measured through endpoints in {case.round.name}",
            expected=f"one of {', '.join(case.round.endpoints)}",
            found=case.benchmark or case.directory,
            fix="run it with LoadGen, and put its logs here",
            file=case.result.path,
        )


def endpoints_files(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding for each file of the run that is missing or cannot be read."""
    for each in _of(case).files:
        if each.fault is not None:
            yield Finding(
                rule="endpoints-files",
                what=f"{each.file.rpartition('/')[2]} {'is missing' if each.missing else 'cannot be read'}",
                expected="what the run through endpoints has written",
                found="no such file" if each.missing else each.fault,
                fix="copy it again from the run",
                file=each.file,
            )


def seeds(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the run's seeds are not the round's; there is none for the choice of samples."""
    asked = msgspec.structs.asdict(case.round.seeds)
    log = _of(case).performance
    wrong = [name for name in _SEEDS if log.values.get(f"effective_{name}") != asked[name]]
    if wrong:
        yield Finding(
            rule="seeds",
            what=f"the seeds are not those of {case.round.name}",
            expected=", ".join(f"{name} {asked[name]}" for name in wrong),
            found=", ".join(log.text(f"effective_{name}") for name in wrong),
            fix=f"repeat the run with the seeds of {case.round.name} in config.yaml",
            file=_of(case).summary.file,
        )


def figure(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the run has no figure of its scenario, or no scenario."""
    of, log = _of(case), _of(case).performance
    ran = str(log.values.get("effective_scenario", ""))
    key = _FIGURES.get(ran, "result_mean_latency_ns")
    if isinstance(of.scenario_written, str) and case.result.directory_name.lower() != "interactive":
        # A scenario in small letters has no figure of its own for any benchmark.
        written = "Server" if of.scenario_written.lower() == "online" else of.scenario_written
        key = case.round.figures_of(case.benchmark).get(written, key)
    if not ran or not _is_figure(log.values.get(key)):
        yield Finding(
            rule="result-metric",
            what="the run has no figure" if ran else "nothing names the scenario that was run",
            expected=key if ran else "type: offline or online in config.yaml",
            found=log.text(key) if ran else str(of.scenario_written)[:100],
            fix="repeat the run; result_summary.json has its figures",
            file=of.summary.file,
        )


def latency(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the 99th-percentile latency is over the bound of a benchmark without bounds on tokens."""
    bound = case.rules.server_latency_ns if case.rules is not None and case.result.scenario == "Server" else None
    if bound is None or (case.rules is not None and case.rules.tokens == "asked"):
        return
    found = _of(case).performance.number(_P99)
    if found is None or found > bound:
        yield Finding(
            rule="server-latency",
            what="the 99th-percentile latency is over the benchmark's bound",
            expected=f"at most {bound / NANOSECONDS_PER_MS:g} ms",
            found=f"{found / NANOSECONDS_PER_MS:.10g} ms" if found is not None else _of(case).performance.text(_P99),
            fix="offer fewer queries a second, and repeat the run",
            file=_of(case).summary.file,
        )


def score(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the accuracy run has no score, or one below the target where that is compared."""
    of = _of(case)
    if not of.scores:
        yield Finding(
            rule="endpoints-score",
            what="the accuracy run has no score",
            expected="accuracy_scores with a score",
            found="none",
            fix="repeat the accuracy run; accuracy_results.json has its scores",
            file=of.results.file,
        )
        return
    limits = case.rules.limits_of(case.result.scenario) if case.rules is not None else ()
    least = limits[0].minimum if limits else None
    if not case.enforced or case.benchmark not in _SCORED or least is None:
        return
    found = _numeric(of.scores[0], limits[0].value)
    if found is None or found < least:
        yield Finding(
            rule="accuracy-target",
            what="the score is below the benchmark's target" if found is not None else "the score is no number",
            expected=f"at least {least:g}",
            found=f"{of.scores[0]}"[:200],
            fix="check the model and its quantisation; open division takes what misses it",
            file=of.results.file,
        )


def errors(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when requests of the accuracy run failed."""
    failed = _of(case).accuracy.values.get("num_errors")
    if failed:
        yield Finding(
            rule="accuracy-errors",
            what="requests of the accuracy run failed",
            expected="0",
            found=str(failed)[:100],
            fix="find out why, and repeat the accuracy run",
            file=_of(case).results.file,
        )


def audits(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding for each report of a compliance test that is missing or says that it did not pass."""
    if not case.enforced or case.rules is None:
        return
    for test in case.rules.compliance:
        report = _of(case).audits.get(test)
        if report is not None and not (report.missing and (test, case.benchmark) not in _asked_reports()):
            yield from _report(test, report)
        if test == "TEST09":
            yield from _output_length(case)


def _asked_reports() -> set[tuple[str, str | None]]:
    return {("TEST04", benchmark) for benchmark in _AUDITED}


def _report(test: str, report: Any) -> Iterator[Finding]:
    from pytest_mlperf.rules.reading.endpoints import names

    name = names().audits[test]
    fix = f"run the endpoints' audit {name}, and add its report"
    if report.missing:
        yield Finding(
            rule="compliance-missing",
            what=f"{test} is missing",
            expected=f"a report of {name}",
            found="no such file",
            fix=fix,
            file=report.file,
        )
    elif report.fault is not None or report.values.get("test") != name or not report.values.get("passed"):
        yield Finding(
            rule="compliance-accuracy",
            what=f"{test} did not pass",
            expected=f"a report of {name} with passed true",
            found=report.fault or f"test {report.text('test')}, passed {report.text('passed')}",
            fix=fix,
            file=report.file,
        )


def _output_length(case: ResultCase) -> Iterator[Finding]:
    tokens = _of(case).performance.number("mean_output_tokens")
    if tokens is None or not _LEAST_TOKENS <= tokens <= _MOST_TOKENS:
        yield Finding(
            rule="compliance-accuracy",
            what="TEST09: the answers of the performance run are too long or too short",
            expected=f"{_LEAST_TOKENS} to {_MOST_TOKENS} tokens in the mean",
            found=f"{tokens:g}" if tokens is not None else "nothing",
            fix="let the performance run end its answers as the accuracy run does",
            file=_of(case).summary.file,
        )


def _numeric(found: Any, metric: str) -> float | None:
    """Return a score as a number: itself, or in a mapping the metric's or a common name's."""
    if isinstance(found, dict):
        keys = (metric, metric.lower(), metric.split("_")[-1].lower(), "f1", "score", "accuracy")
        return next((value for key in keys if (value := _numeric(found.get(key), metric)) is not None), None)
    if isinstance(found, bool) or not _is_number(found):
        return None
    return float(found)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_figure(value: Any) -> bool:
    return _is_number(value) and float(value) != 0


def _of(case: ResultCase) -> Endpoints:
    found = case.result.endpoints
    assert found is not None  # noqa: S101 - only such results are asked
    return found
