"""The rules of a power measurement beside a result, one function each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_mlperf.rules.checks.files import LOGS, TOLERATED, run_files
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.log_files import ACCURACY_LOG, SPL
from pytest_mlperf.rules.performance import RESULT_FIELDS
from pytest_mlperf.rules.reading.files import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import ResultCase
    from pytest_mlperf.rules.detail_log import DetailLog

#: REQUIRED_POWER_FILES and REQUIRED_POWER_MEASURE_FILES of the official checkers.
_FILES = ("client.json", "client.log", "ptd_logs.txt", "server.json", "server.log")
_SETTINGS = ("analyzer_table", "power_settings")
#: What another scenario's figure is computed from.
_IMPLIED_BY = {
    ("SingleStream", "MultiStream"): ("early_stopping_latency_ms",),
    ("MultiStream", "Offline"): ("effective_samples_per_query", "result_mean_query_latency_ns"),
}
_AGAIN = "copy what the power measurement left; if it is lost, repeat it"


def power_files(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding for each directory of a power measurement that lacks a file, or has one too many."""
    power = case.result.power
    if power is None:
        return
    yield from run_files("power-files", power.ranging, (*LOGS, SPL), {ACCURACY_LOG})
    if power.directory is None:
        yield Finding(
            rule="power-files",
            what="performance/power is no directory",
            expected=", ".join(_FILES),
            found="a file",
            fix="remove it if power was not measured; " + _AGAIN,
            file=f"{case.result.path}/performance/power",
        )
        return
    there = power.directory.names
    missing, foreign = [name for name in _FILES if name not in there], sorted(there - {*_FILES, *TOLERATED})
    if missing or foreign:
        yield Finding(
            rule="power-files",
            what="performance/power does not have its files",
            expected=", ".join(_FILES),
            found=" and ".join([f"no {name}" for name in missing] + [f"{name} too" for name in foreign[:5]]),
            fix=_AGAIN + ("; move the rest elsewhere" if foreign else ""),
            file=power.directory.path,
        )


def power_samples(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when no power was measured while the run lasted."""
    power = case.result.power
    if power is None:
        return
    found = power.session.samples
    samples = found.timed if case.round.spl_lines == "Time" else found.every
    if samples.fault or not (samples.above if case.round.spl_counts == "above 0" else samples.count):
        yield Finding(
            rule="power-samples",
            what="there is no power sample in the run's time" if not samples.fault else f"{SPL} cannot be read",
            expected=f"lines of {SPL} with a number above 0 between power_begin and power_end of the run's log",
            found=samples.fault or "no such line",
            fix=_AGAIN,
            file=f"{case.result.performance.path}/{SPL}",
        )


def power_ranging(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the ranging run has no figure."""
    power = case.result.power
    if power is None:
        return
    log = power.ranging.detail
    if log.fault is not None or not _has_figure(case, log):
        yield Finding(
            rule="power-ranging",
            what="the ranging run of the power measurement has no figure",
            expected="a log as that of the performance run",
            found=state(log.fault) if log.fault else "no figure",
            fix=_AGAIN,
            file=power.ranging.detail_file,
        )


def _has_figure(case: ResultCase, log: DetailLog) -> bool:
    """Say whether a ranging run's figure can be computed: it may be 0, as the run may be short."""
    ran, scenario = str(log.values.get("effective_scenario")), case.result.scenario
    field = RESULT_FIELDS.get(ran)
    if field is None:
        return False
    try:
        float(log.values.get(case.round.figures_of(case.benchmark).get(ran, field.key)))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False
    needed = [log.values.get(key) for key in _IMPLIED_BY.get((ran, scenario or ""), ())]
    return all(isinstance(value, (int, float)) for value in needed) and (ran == "SingleStream" or all(needed))


def power_settings(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the analyser or the power settings are not described."""
    power = case.result.power
    for wanted in _SETTINGS if power is not None else ():
        sizes = [size for name, size in power.settings.items() if re.match(wanted, name)] if power is not None else []
        if not sizes or not all(sizes):
            yield Finding(
                rule="power-settings",
                what=f"{wanted} is empty" if sizes else f"{wanted} is missing",
                expected=f"{wanted}.md, or with another ending, beside the measurements or in a directory above",
                found="0 bytes" if sizes else "no such file",
                fix=f"add it: what the {'analyser is' if wanted == _SETTINGS[0] else 'power settings are'}",
                file=case.result.measurements.file,
            )
