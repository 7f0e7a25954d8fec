"""LoadGen's settings and the call of StartTest."""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

# Never mlcommons_loadgen: importing it replaces this module with an empty one (seen with 6.0.17).
import mlperf_loadgen as lg

from pytest_mlperf.errors import UserConfError
from pytest_mlperf.implementations.protocol import AUDIT_FILE, USER_CONF_FILE, OfficialLength
from pytest_mlperf.loadgen.generated import Length
from pytest_mlperf.loadgen.length import Wanted
from pytest_mlperf.loadgen.user_conf import Entry, given_user_conf, render_user_conf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.benchmarks.base import Short
    from pytest_mlperf.implementations.protocol import RoundSettings, RunSpec
    from pytest_mlperf.machine.clock import RunClock
    from pytest_mlperf.scenarios.base import SUT, Tuned
    from pytest_mlperf.worker.answer_times import RunTimes
    from pytest_mlperf.worker.guard import Guard
    from pytest_mlperf.worker.library import SampleLibrary

BUILT_IN_CONF = 0
USER_CONF = 2
MODES = {"accuracy": lg.TestMode.AccuracyOnly, "performance": lg.TestMode.PerformanceOnly}


def loadgen_version() -> str:
    """Return the version of the installed LoadGen."""
    return version("mlcommons-loadgen")


def built_in_settings(model: str, scenario: str) -> lg.TestSettings:
    """Return the settings that LoadGen's own mlperf.conf gives a benchmark.

    ``conf_type`` is 0, not 1: with 1, a second call in a process silently loads nothing.
    """
    settings = lg.TestSettings()
    _check(settings.FromConfig("", model, scenario, BUILT_IN_CONF), "LoadGen's built-in mlperf.conf")
    settings.scenario = getattr(lg.TestScenario, scenario)
    return settings


def apply_round(settings: lg.TestSettings, round_settings: RoundSettings | None) -> None:
    """Set the requirements of the round, in place of those built in to LoadGen.

    LoadGen reads seeds only from its built-in configuration; a user.conf, which is read later, can change everything
    else.
    """
    if round_settings is None:
        return
    settings.qsl_rng_seed = round_settings.qsl_rng_seed
    settings.sample_index_rng_seed = round_settings.sample_index_rng_seed
    settings.schedule_rng_seed = round_settings.schedule_rng_seed
    settings.min_duration_ms = round_settings.min_duration_ms
    settings.performance_sample_count_override = round_settings.performance_sample_count
    if settings.scenario == lg.TestScenario.Offline:  # one query; LoadGen uses this as its number of samples
        settings.min_query_count = round_settings.offline_samples_per_query
    if settings.scenario == lg.TestScenario.Server and round_settings.server_target_latency_ns is not None:
        settings.server_target_latency_ns = round_settings.server_target_latency_ns


def latency_bound(settings: lg.TestSettings, spec: RunSpec) -> float:
    """Return Server's latency bound in seconds, as far as it is known before the warm-up; infinite elsewhere."""
    if spec.scenario != "Server":
        return math.inf
    # There is none where the bounds are those of tokens.
    return (spec.target_latency or 0) / 1e3 or settings.server_target_latency_ns / 1e9 or math.inf


def official_length(settings: lg.TestSettings) -> OfficialLength:
    """Return the requirements of official length from the settings before any user.conf."""
    latency, percentile, samples_per_query = {
        lg.TestScenario.SingleStream: (0, settings.single_stream_target_latency_percentile, 1),
        lg.TestScenario.MultiStream: (
            0,
            settings.multi_stream_target_latency_percentile,
            settings.multi_stream_samples_per_query,
        ),
        lg.TestScenario.Server: (
            settings.server_target_latency_ns,
            settings.server_target_latency_percentile,
            1,
        ),
        lg.TestScenario.Offline: (0, 0.99, settings.min_query_count),
    }[settings.scenario]
    return OfficialLength(
        min_duration_ms=settings.min_duration_ms,
        min_query_count=settings.min_query_count,
        samples_per_query=samples_per_query,
        performance_sample_count=settings.performance_sample_count_override,
        target_latency_ns=latency,
        target_latency_percentile=percentile,
        equal_issue=bool(settings.sample_concatenate_permutation),
    )


def apply_user_conf(
    settings: lg.TestSettings, spec: RunSpec, model: str, short: Short, tuned: Tuned, left: float | None = None
) -> Path:
    """Write the run's user.conf and let LoadGen read it over the built-in settings.

    Latencies are set as attributes, because LoadGen reads only whole milliseconds from a user.conf. With `left`, the
    test is the longest that takes so many seconds at most.
    """
    given = given_user_conf(spec.user_conf)
    wanted = Wanted(
        model=model,
        scenario=spec.scenario,
        mode=spec.mode,
        options=spec,
        short=short,
        given=given.settings(model, spec.scenario),
        percentile=official_length(settings).target_latency_percentile,
    )
    asked = Length.of(settings, spec.scenario, spec.sample_count)
    mine = wanted.within(tuned, asked, left)
    path = Path(spec.output) / USER_CONF_FILE
    path.write_text(_conf_text(spec, given.entries, mine), "utf-8")
    _check(settings.FromConfig(str(path), model, spec.scenario, USER_CONF), str(path))
    settings.mode = MODES[spec.mode]
    if nanoseconds := wanted.latency_ns(tuned, asked):
        _set_latency(settings, spec.scenario, nanoseconds)
    return path


def write_audit_config(spec: RunSpec) -> Path | None:
    """Write a compliance test's audit.config into the run's directory; return its path, None for any other run."""
    if not spec.audit:
        return None
    path = Path(spec.output) / AUDIT_FILE
    path.write_text(spec.audit, "utf-8")
    return path


def start_test(
    settings: lg.TestSettings,
    sut: SUT,
    library: SampleLibrary,
    output: Path,
    guard: Guard,
    *,
    clock: RunClock,
    times: RunTimes | None = None,
    audit: Path | None = None,
    network: str = "",
) -> None:
    """Run the test, timed by `clock`, and let `times` note its queries.

    LoadGen's logs go to `output`, and an audit.config overrides `settings`. With `network`, the name of a SUT behind a
    network, LoadGen logs that as its name.
    """
    log_output = lg.LogOutputSettings()
    log_output.outdir = str(output)
    log_settings = lg.LogSettings()
    log_settings.log_output = log_output
    log_settings.enable_trace = False  # on by default; costs 660 bytes and 9 us per query
    loaded_at_once = min(settings.performance_sample_count_override or len(library), len(library))

    def issue(ids: list[int], indices: list[int]) -> None:
        clock.issued()
        if times is not None:
            times.came(ids)
        sut.issue(ids, indices)

    def load(indices: list[int]) -> None:
        library.load(indices)
        clock.loaded()

    def unload(indices: list[int]) -> None:
        clock.unloading()
        library.unload(indices)

    def issue_queries(samples: list[lg.QuerySample]) -> None:
        issue([sample.id for sample in samples], [sample.index for sample in samples])

    if network:
        lg_sut = lg.ConstructQDL(guard.wrap(issue_queries), guard.wrap(sut.flush), lambda: network)
    else:
        lg_sut = lg.ConstructFastSUT(guard.wrap(issue), guard.wrap(sut.flush))
    lg_qsl = lg.ConstructQSL(len(library), loaded_at_once, guard.wrap(load), guard.wrap(unload))
    with clock:
        # By default LoadGen would read audit.config in the current directory; "" prevents that.
        lg.StartTestWithLogSettings(lg_sut, lg_qsl, settings, log_settings, str(audit or ""))
    (lg.DestroyQDL if network else lg.DestroyFastSUT)(lg_sut)
    lg.DestroyQSL(lg_qsl)


def _set_latency(settings: lg.TestSettings, scenario: str, nanoseconds: int) -> None:
    if scenario == "SingleStream":
        settings.single_stream_expected_latency_ns = nanoseconds
    elif scenario == "MultiStream":
        settings.multi_stream_expected_latency_ns = nanoseconds
    elif scenario == "Server":
        settings.server_target_latency_ns = nanoseconds


def _conf_text(spec: RunSpec, given: Sequence[Entry], mine: Sequence[Entry]) -> str:
    origin = "that of the performance run" if spec.audit else "from --user-conf"
    text = render_user_conf(given, origin) + "\n" if given else ""
    return text + render_user_conf(mine, "from the options, the run length and the warm-up")


def _check(code: int, what: str) -> None:
    if code != 0:
        raise UserConfError(
            f"LoadGen cannot read {what}",
            expected="return code 0",
            found=str(code),
            fix="fix the lines that LoadGen names in mlperf_log_detail.txt",
        )
