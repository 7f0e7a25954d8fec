"""Makes run.json for a child process from a case and the options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.errors import OptionError
from pytest_mlperf.implementations.protocol import RoundSettings, RunSpec
from pytest_mlperf.printable import encodable

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.implementations.protocol import OtherModel, RunOptions
    from pytest_mlperf.run.case import Case, Plan


def spec_of(
    case: Case,
    options: RunOptions,
    model: ModelFile,
    *,
    place: str,
    dataset: Path,
    output: Path,
    model_sha256: str = "",
    reference: str = "",
    prepared: str = "",
    loadgen_built: str = "",
    old: OtherModel | None = None,
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
    model_sha256
        The model's digest; empty for an address.
    reference
        The ONNX file with the same graphs; empty if there is none.
    prepared
        The directory of what the backend made of the model; empty for nothing.
    loadgen_built
        The source and compiler of a LoadGen built on this machine; empty for a released wheel.
    old
        The model that is timed in turns with the run's own.

    Raises
    ------
    OptionError
        A path is not UTF-8.
    """
    plan = case.plan
    spec = RunSpec(
        **structs.asdict(options),
        benchmark=plan.benchmark_reference,
        backend=plan.backend_reference,
        device=case.device,
        scenario=case.scenario,
        mode=case.mode,
        model=place,
        model_format=model.format,
        model_precision=model.precision,
        precision=case.precision,
        variant=model.variant,
        dataset=str(dataset.absolute()),
        output=str(output.absolute()),
        sample_count=plan.sample_count,
        backend_name=case.backend,
        round=_round_settings(plan),
        loadgen_built=loadgen_built,
        model_sha256=model_sha256,
        reference=reference,
        prepared=prepared,
        old=old,
        import_paths=plan.import_paths,
    )
    _check_encodable(spec)
    return spec


def _check_encodable(spec: RunSpec) -> None:
    """Raise for a path below a directory, such as the current one, that no option named."""
    for name, option in (("output", "--mlperf-output"), ("model", "--model-path"), ("dataset", "--dataset-path")):
        path = getattr(spec, name)
        if path != encodable(path):
            raise OptionError(
                f"the {name} {path} cannot be used",
                expected="a path in UTF-8, which run.json and LoadGen can have",
                found="bytes of another encoding",
                fix=f"choose another with {option}, or rename the directory",
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
        offline_samples_per_query=rules.offline_samples_per_query or 1,
        server_target_latency_ns=rules.server_latency_ns,
    )
