"""Refuses, before anything runs, what a user.conf or an option sets otherwise than the round and the scenario do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.errors import UserConfError
from pytest_mlperf.loadgen.user_conf import Entry, UserConf, check_models, given_user_conf
from pytest_mlperf.rules.asked import asked_by_round
from pytest_mlperf.rules.fixed import changed
from pytest_mlperf.run.case import ACCURACY, CONFORMANCE, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.registry import Registry
    from pytest_mlperf.run.case import Case

_SAMPLES = "performance_sample_count_override"


def check_fixed_settings(cases: Iterable[Case], settings: Settings, registry: Registry) -> None:
    """Raise for a line that LoadGen would ignore, or that makes another test of a run of official length.

    Parameters
    ----------
    cases
        Those that are to run.
    settings
        The session's, with the user.conf and the options.
    registry
        The installed benchmarks, whose names a line may have.

    Raises
    ------
    UserConfError
        A line names no model of LoadGen's, asks for more samples than the data set has, or sets what is fixed.
    """
    conf = given_user_conf(settings.user_conf)
    if conf.entries:
        found = {name: registry.installed.benchmarks[name] for name in registry.benchmarks}
        check_models(
            conf, {name: each.loadgen_model for name, each in found.items() if not isinstance(each, Exception)}
        )
    for case in sorted(cases, key=lambda case: case.id):
        if case.mode not in (ACCURACY, CONFORMANCE) and isinstance(case.decided, Plan):
            _check(case, case.decided, _lines(conf, case, case.decided, settings), settings.run_length)


def _lines(conf: UserConf, case: Case, plan: Plan, settings: Settings) -> Mapping[str, Entry]:
    """Return what the case's run would be told, by key: lines of the user.conf, and the option that has none."""
    model = plan.benchmark.loadgen_model
    lines = dict(conf.lines(model, case.scenario))
    if case.scenario == "Server" and settings.target_latency is not None:
        value = f"{settings.target_latency:.10g}"
        lines["target_latency"] = Entry(model, case.scenario, "target_latency", value, "--target-latency")
    return lines


def _check(case: Case, plan: Plan, lines: Mapping[str, Entry], run_length: str) -> None:
    samples = lines.get(_SAMPLES)
    if samples is not None and int(samples.value) > plan.dataset_size:
        raise UserConfError(
            f"{samples.place}: the data set of {case.benchmark} does not have so many samples",
            expected=f"{_SAMPLES} at most {plan.dataset_size:,}",
            found=f"{int(samples.value):,}",
            fix="lower it, or remove the line",
        )
    if run_length != "official" or plan.round is None:
        return
    asked = asked_by_round(plan.round, plan.benchmark.official_name, case.test)
    for entry, fixed in changed(lines, case.scenario, asked):
        raise UserConfError(
            f"{entry.place}: a run of official length cannot have another {entry.key} than {plan.round.name} asks",
            expected=f"{fixed.words} in {case.scenario}",
            found=entry.value,
            fix="leave it out; a short run takes it, and says what it makes of the figure",
        )
