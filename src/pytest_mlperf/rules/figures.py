"""The figure that a result shows: its run's own, or the one that another scenario's run implies."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.rules.performance import NANOSECONDS_PER_MS, RESULT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.rules.detail_log import DetailLog

#: Which scenario's run implies which scenario's result, on edge systems.
INFERRED = {("SingleStream", "MultiStream"), ("MultiStream", "Offline"), ("SingleStream", "Offline")}
NO_OTHERS: Mapping[str, str] = MappingProxyType({})
TOKENS_PER_SECOND = "tokens/s"
_STREAMS = 8
_MS_PER_S = 1e3


class Figure(NamedTuple):
    """A result's figure with its unit; ``inferred`` when another scenario's run implies it."""

    value: float | None
    unit: str
    inferred: bool


def figure_of(scenario: str | None, log: DetailLog, figures: Mapping[str, str] = NO_OTHERS) -> Figure:
    """Return the figure that a performance log gives for a scenario's directory; None where it has none above 0.

    Parameters
    ----------
    scenario, log
        The directory's scenario and what was run.
    figures
        Where the log has the figure, by the scenario that was run, if it is not the usual one.
    """
    ran = str(log.values.get("effective_scenario"))
    field = RESULT_FIELDS.get(ran)
    if field is None:
        return Figure(None, "", inferred=False)
    key = figures.get(ran, field.key)
    own = log.number(key)
    unit = TOKENS_PER_SECOND if "_tokens_" in key else field.unit
    value, inferred = (own * field.scale if own else None), False
    if scenario is not None and (ran, scenario) in INFERRED:
        implied = _implied(ran, scenario, log)
        value, unit, inferred = (implied if own else None), RESULT_FIELDS[scenario].unit, True
    return Figure(value if value is not None and value > 0 else None, unit, inferred)


def _implied(ran: str, scenario: str, log: DetailLog) -> float | None:
    """Return the implied figure, by the formulas of the official checkers' get_inferred_result."""
    if scenario == "MultiStream":
        latency = log.number("early_stopping_latency_ms")
        return latency * _STREAMS / NANOSECONDS_PER_MS if latency is not None else None
    if ran == "SingleStream":
        return log.number("result_qps_without_loadgen_overhead")
    samples, mean = log.number("effective_samples_per_query"), log.number("result_mean_query_latency_ns")
    return samples * _MS_PER_S / (mean / NANOSECONDS_PER_MS) if samples and mean else None
