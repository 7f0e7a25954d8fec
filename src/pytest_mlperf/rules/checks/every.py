"""Every check, listed by the kind of case that it is given: a new rule is a function, its line here and its entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.checks import (
    accuracy,
    compliance,
    endpoints,
    equal_issue,
    files,
    length,
    loadgen,
    logs,
    machine,
    measurements,
    performance,
    power,
    power_meter,
    power_session,
    scenarios,
    settings,
    system,
    tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    from pytest_mlperf.rules.checks.case import (
        BenchmarkCase,
        ResultCase,
        RunCase,
        SubmissionCase,
        SubmitterCase,
        SystemCase,
    )
    from pytest_mlperf.rules.finding import Finding

    CaseT = TypeVar("CaseT", contravariant=True)
    Check = Callable[[CaseT], Iterator[Finding]]

SUBMISSION_CHECKS: tuple[Check[SubmissionCase], ...] = (
    scenarios.results,
    files.stray_files,
    files.readable,
    files.special_files,
)

SUBMITTER_CHECKS: tuple[Check[SubmitterCase], ...] = (
    scenarios.results_directory,
    scenarios.results_no_file,
    scenarios.model_mapping,
    measurements.code,
    measurements.calibration,
    system.measurements_have_results,
    files.hidden_names,
    files.spaces_in_names,
    files.large_files,
    files.python_caches,
    files.empty_directories,
    files.links,
    files.links_from_root,
    files.links_outside,
    files.links_any,
)

SYSTEM_CHECKS: tuple[Check[SystemCase], ...] = (
    system.systems_have_results,
    system.system_file,
)

#: Of the systems that have results and a description that can be read.
DESCRIPTION_CHECKS: tuple[Check[SystemCase], ...] = (
    system.system_keys,
    system.system_fields,
    system.system_empty_fields,
    system.system_numbers,
    system.system_status,
    system.system_type,
    system.system_submitter,
    system.system_division,
    system.system_division_case,
    system.system_network,
    system.system_network_false,
)

BENCHMARK_CHECKS: tuple[Check[BenchmarkCase], ...] = (
    scenarios.benchmark_known,
    scenarios.benchmark_judged,
    scenarios.benchmark_for_system,
    scenarios.required_scenarios,
    measurements.code_of_benchmark,
)

RESULT_CHECKS: tuple[Check[ResultCase], ...] = (
    scenarios.scenario_name,
    scenarios.scenario_for_system,
    performance.inferred_scenario,
    accuracy.accuracy_text,
    accuracy.accuracy_metric,
    accuracy.accuracy_stated,
    accuracy.accuracy_number,
    accuracy.accuracy_target,
    accuracy.accuracy_hash,
    accuracy.accuracy_hash_value,
    accuracy.accuracy_log,
    accuracy.accuracy_log_form,
    accuracy.accuracy_log_size,
    accuracy.accuracy_directories,
    measurements.measurements_file,
    measurements.measurements_directory,
    measurements.measurements_json,
    measurements.measurements_fields,
    measurements.measurements_files,
    measurements.measurements_text,
    measurements.measurements_keys,
    equal_issue.equal_issue_conf,
    files.performance_files,
    files.performance_extra_files,
    files.accuracy_files,
    files.accuracy_extra_files,
    power.power_files,
    power.power_samples,
    power.power_ranging,
    power.power_settings,
    power_session.power_session,
    power_session.power_sources,
    power_session.power_clocks,
    power_session.power_average,
    power_session.power_checksums,
    power_meter.power_meter,
    power_meter.power_commands,
    power_meter.power_analyser_log,
    compliance.compliance_missing,
    compliance.compliance_accuracy,
    compliance.compliance_words,
    compliance.compliance_accuracy_files,
    compliance.compliance_accuracy_log,
    compliance.compliance_performance,
    compliance.compliance_files,
)

#: Of results that were measured through endpoints, in the place of those and of the checks of LoadGen's logs.
ENDPOINTS_CHECKS: tuple[Check[ResultCase], ...] = (
    scenarios.scenario_name,
    scenarios.scenario_for_system,
    performance.inferred_scenario,
    endpoints.endpoints_benchmark,
    endpoints.endpoints_files,
    endpoints.seeds,
    endpoints.figure,
    endpoints.latency,
    endpoints.score,
    endpoints.errors,
    endpoints.audits,
    accuracy.accuracy_directories,
    measurements.measurements_file,
    measurements.measurements_fields,
    measurements.measurements_readme,
    measurements.measurements_keys,
)

#: Of their two runs, by mode.
ENDPOINTS_RUN_CHECKS: Mapping[str, tuple[Check[RunCase], ...]] = {
    "performance": (length.min_duration, tokens.token_bounds, performance.network),
    "accuracy": (length.accuracy_samples,),
}

#: Of every run, whether its log can be read or not.
LOG_CHECKS: tuple[Check[RunCase], ...] = (
    logs.performance_log,
    logs.accuracy_detail,
    logs.accuracy_detail_empty,
    logs.compliance_run,
)

_WHOLE: tuple[Check[RunCase], ...] = (
    logs.log_first_line,
    logs.log_end,
    logs.log_contradictions,
    logs.summary_log,
)

#: Of the runs whose log can be read, by mode.
RUN_CHECKS: Mapping[str, tuple[Check[RunCase], ...]] = {
    "performance": (
        *_WHOLE,
        logs.loadgen_errors,
        logs.loadgen_error_messages,
        *loadgen.CONDITIONS,
        loadgen.result_validity,
        performance.result_metric,
        performance.result_zero,
        performance.log_numbers,
        performance.compared_numbers,
        logs.test_mode,
        logs.seeds,
        length.min_duration,
        length.min_query_count,
        length.samples_per_query,
        length.samples_per_query_number,
        length.performance_sample_count,
        length.loaded_sample_count,
        performance.server_latency,
        performance.equal_issue,
        settings.latency_percentile,
        settings.query_size,
        settings.sample_order,
        settings.token_latencies,
        tokens.token_latencies_asked,
        tokens.token_bounds,
        settings.audit_settings,
        performance.network,
        machine.clock,
        machine.quiet_machine,
    ),
    "accuracy": (
        *_WHOLE,
        logs.accuracy_errors,
        length.accuracy_samples,
        logs.accuracy_mode,
        logs.accuracy_seeds,
    ),
}


def check_run(case: RunCase) -> Iterator[Finding]:
    """Yield what a run's logs break, of a session's run and of a submission's alike."""
    for each in LOG_CHECKS:
        yield from each(case)
    if case.run.detail.fault is None:
        for each in RUN_CHECKS[case.mode]:
            yield from each(case)
