"""What the parent and the child say to each other: run.json, result.json and the progress lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

RUN_FILE = "run.json"
RESULT_FILE = "result.json"
LOG_FILE = "worker.log"
USER_CONF_FILE = "user.conf"
AUDIT_FILE = "audit.config"
PROGRESS_FD_VARIABLE = "PYTEST_MLPERF_PROGRESS_FD"


class ExecutionLayout(msgspec.Struct, frozen=True, kw_only=True):
    """How inferences share the machine: ``streams`` at once, each with ``threads``, ``batch`` samples a call."""

    streams: int
    threads: int
    batch: int


class RoundSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a round asks of LoadGen for one benchmark, where its built-in mlperf.conf is another round's.

    ``server_target_latency_ns`` is None where the benchmark has no Server scenario in the round.
    """

    name: str
    qsl_rng_seed: int
    sample_index_rng_seed: int
    schedule_rng_seed: int
    min_duration_ms: int
    performance_sample_count: int
    offline_samples_per_query: int
    server_target_latency_ns: int | None = None


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run needs to know, as the parent decided it.

    ``benchmark`` and ``backend`` are object references of the form ``module:attribute``, so that the child
    imports them without asking which packages are installed. Durations are in seconds, latencies in ms.
    ``None`` leaves a value to user.conf, and then to what the run length and the warm-up suggest.
    ``round`` is None where the benchmark is in no round: LoadGen's built-in settings stay.
    ``loadgen_built`` says of what and by which compiler LoadGen was built here; empty for a released wheel.
    ``model_format``, ``precision`` and ``variant`` name the row of the benchmark's model files that ``model`` is.
    ``backend_name`` is what users call the backend; ``backend_options`` are theirs, by name.
    ``audit`` is the text of a compliance test's audit.config; empty for any other run. ``layout`` is used as it is;
    None leaves it to the warm-up.
    """

    benchmark: str
    backend: str
    device: str
    scenario: str
    mode: str
    run_length: str
    model: str
    model_format: str
    precision: str
    variant: str
    dataset: str
    output: str
    sample_count: int
    backend_name: str = ""
    backend_options: dict[str, str] = {}
    round: RoundSettings | None = None
    user_conf: str | None = None
    test_query_count: int | None = None
    min_duration: float | None = None
    target_qps: float | None = None
    target_latency: float | None = None
    num_threads: int | None = None
    max_batchsize: int | None = None
    timeout: float | None = None
    loadgen_built: str = ""
    audit: str = ""
    layout: ExecutionLayout | None = None


class OfficialLength(msgspec.Struct, frozen=True, kw_only=True):
    """What LoadGen's built-in mlperf.conf, and over it the round, ask of this benchmark and scenario."""

    min_duration_ms: int
    min_query_count: int
    samples_per_query: int
    performance_sample_count: int
    target_latency_ns: int
    target_latency_percentile: float


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run has no result: the exception's class, and for one of ours (``for_user``) the fields of its message."""

    kind: str
    what: str
    expected: str = ""
    found: str = ""
    fix: str = ""
    for_user: bool = False


class WorkerResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the child leaves behind; exactly one of ``failure`` and the other fields tells the story."""

    failure: Failure | None = None
    device: str = ""
    layout: ExecutionLayout | None = None
    official: OfficialLength | None = None
    versions: dict[str, str] = {}
    seconds: dict[str, float] = {}
    samples_done: int = 0
    weight_types: tuple[str, ...] = ()
    peak_memory_bytes: int = 0
    notes: tuple[str, ...] = ()


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the progress pipe, newline-terminated JSON."""

    phase: str
    done: int = 0
    total: int | None = None


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Write `value` beside `path` and rename, so that nobody reads half of it."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2))
    beside.replace(path)


def read_spec(path: Path) -> RunSpec:
    """Read run.json, strictly."""
    return msgspec.json.decode(path.read_bytes(), type=RunSpec)


def read_result(path: Path) -> WorkerResult:
    """Read result.json, strictly."""
    return msgspec.json.decode(path.read_bytes(), type=WorkerResult)
