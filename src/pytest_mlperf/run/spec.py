"""Makes run.json for a child process from a case and the options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.implementations.protocol import RoundSettings, RunSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.run.case import Case, Plan


@dataclass(frozen=True)
class RunOptions:
    """The user's options for every run; see `RunSpec` for each."""

    run_length: str
    user_conf: Path | None = None
    test_query_count: int | None = None
    min_duration: float | None = None
    target_qps: float | None = None
    target_latency: float | None = None
    num_threads: int | None = None
    max_batchsize: int | None = None
    timeout: float | None = None
    backend_options: Mapping[str, str] | None = None


def spec_of(
    case: Case,
    options: RunOptions,
    model: ModelFile,
    *,
    place: str,
    dataset: Path,
    output: Path,
    loadgen_built: str = "",
) -> RunSpec:
    """Return the run.json of a case.

    Parameters
    ----------
    case, options
        The case and the user's options.
    model, place
        The model file, and its path or address.
    dataset, output
        The directories of the data set and of the run.
    loadgen_built
        The source and compiler of a LoadGen built on this machine; empty for a released wheel.
    """
    plan = case.plan
    return RunSpec(
        benchmark=plan.benchmark_reference,
        backend=plan.backend_reference,
        device=case.device,
        scenario=case.scenario,
        mode=case.mode,
        run_length=options.run_length,
        model=place,
        model_format=model.format,
        precision=model.precision,
        variant=model.variant,
        dataset=str(dataset.absolute()),
        output=str(output.absolute()),
        sample_count=plan.sample_count,
        backend_name=case.backend,
        backend_options=dict(options.backend_options or {}),
        round=_round_settings(plan),
        user_conf=str(options.user_conf) if options.user_conf else None,
        test_query_count=options.test_query_count,
        min_duration=options.min_duration,
        target_qps=options.target_qps,
        target_latency=options.target_latency,
        num_threads=options.num_threads,
        max_batchsize=options.max_batchsize,
        timeout=options.timeout,
        loadgen_built=loadgen_built,
    )


def _round_settings(plan: Plan) -> RoundSettings | None:
    """Return the settings of LoadGen from the case's round."""
    found, rules = plan.round, plan.rules
    if found is None or rules is None:
        return None
    return RoundSettings(
        name=found.name,
        qsl_rng_seed=found.seeds.qsl_rng_seed,
        sample_index_rng_seed=found.seeds.sample_index_rng_seed,
        schedule_rng_seed=found.seeds.schedule_rng_seed,
        min_duration_ms=found.min_duration_ms,
        performance_sample_count=rules.performance_sample_count,
        offline_samples_per_query=rules.offline_samples_per_query,
        server_target_latency_ns=rules.server_latency_ns,
    )
