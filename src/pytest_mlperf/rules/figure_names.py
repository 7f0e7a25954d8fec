"""What a run's figure is called: a latency after the percentile that the run was given, not after its scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pytest_mlperf.rules.detail_log import DetailLog

_NANOSECONDS_PER_MS = 1e6
_ESTIMATE = "early stopping"


class FigureName(NamedTuple):
    """The name of a figure.

    Attributes
    ----------
    words
        In full: ``90th-percentile latency, early stopping``.
    short
        What a table puts before the value: ``p90, early stopping``; empty where the unit says it all.
    """

    words: str
    short: str = ""


def name_of(scenario: str, log: DetailLog) -> FigureName:
    """Return the name of the figure that a scenario's performance log gives."""
    figure, percentile = SCENARIOS[scenario].figure, percentile_of(log)
    if figure.estimate and percentile is not None:
        words = f"{ordinal(percentile)}-percentile {figure.words}, {_ESTIMATE}"
        return FigureName(words, f"p{_percent(percentile)}, {_ESTIMATE}")
    if figure.estimate:
        return FigureName(f"{figure.words} of an unknown percentile, {_ESTIMATE}", _ESTIMATE)
    bound = bound_of(scenario, log)
    return FigureName(f"{figure.words}, {bound}" if bound else figure.words)


def bound_of(scenario: str, log: DetailLog) -> str:
    """Return Server's bound on its latencies: ``p99 within 100 ms``; empty where the log states none."""
    bound, percentile = log.number("effective_target_latency_ns"), percentile_of(log)
    if scenario != "Server" or not bound or percentile is None:
        return ""
    return f"p{_percent(percentile)} within {bound / _NANOSECONDS_PER_MS:.10g} ms"


def percentile_of(log: DetailLog) -> float | None:
    """Return the percentile of the latencies that counts in a run, as a fraction; None if the log names none."""
    percentile = log.number("effective_target_latency_percentile")
    return percentile if percentile is not None and 0 < percentile < 1 else None


def ordinal(percentile: float) -> str:
    """Return a percentile, given as a fraction, as an ordinal number: ``90th``, ``99.9th``."""
    text = _percent(percentile)
    ends = {"1": "st", "2": "nd", "3": "rd"}
    regular = "." in text or text[-2:-1] == "1"
    return text + ("th" if regular else ends.get(text[-1], "th"))


def _percent(percentile: float) -> str:
    return f"{100 * percentile:.10g}"
