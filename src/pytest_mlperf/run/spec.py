"""Makes run.json for a child process from a case and the options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.implementations.protocol import RoundSettings, RunSpec

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.implementations.protocol import RunOptions
    from pytest_mlperf.run.case import Case, Plan


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
        **structs.asdict(options),
        benchmark=plan.benchmark_reference,
        backend=plan.backend_reference,
        device=case.device,
        scenario=case.scenario,
        mode=case.mode,
        model=place,
        model_format=model.format,
        precision=model.precision,
        variant=model.variant,
        dataset=str(dataset.absolute()),
        output=str(output.absolute()),
        sample_count=plan.sample_count,
        backend_name=case.backend,
        round=_round_settings(plan),
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
