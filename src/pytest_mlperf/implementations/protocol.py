"""The protocol between parent and child process: run.json, result.json and progress lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.disk import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

RUN_FILE = "run.json"
RESULT_FILE = "result.json"
LOG_FILE = "worker.log"
USER_CONF_FILE = "user.conf"
AUDIT_FILE = "audit.config"
PROGRESS_FD_VARIABLE = "PYTEST_MLPERF_PROGRESS_FD"


class ExecutionLayout(msgspec.Struct, frozen=True, kw_only=True):
    """How inferences share the machine: ``streams`` at once, each with ``threads``, ``batch`` samples per call."""

    streams: int
    threads: int
    batch: int


class RoundSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A round's settings for one benchmark; LoadGen's built-in mlperf.conf may be from another round.

    ``server_target_latency_ns`` is None if the benchmark has no Server scenario in the round.
    """

    name: str
    qsl_rng_seed: int
    sample_index_rng_seed: int
    schedule_rng_seed: int
    min_duration_ms: int
    performance_sample_count: int
    offline_samples_per_query: int
    server_target_latency_ns: int | None = None


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The user's options for a run. Durations are in seconds, latencies in ms.

    ``None`` means the value from user.conf, or else from the run length and the warm-up. ``backend_options`` are those
    for the backend, by name.
    """

    run_length: str
    backend_options: dict[str, str] = {}
    user_conf: str | None = None
    test_query_count: int | None = None
    min_duration: float | None = None
    target_qps: float | None = None
    target_latency: float | None = None
    num_threads: int | None = None
    max_batchsize: int | None = None
    timeout: float | None = None


class RunSpec(RunOptions, frozen=True, kw_only=True):
    """The parameters of one run, written by the parent: the user's options, and what the case is.

    ``benchmark`` and ``backend`` are object references of the form ``module:attribute``, which the
    child imports without searching the installed packages.
    ``round`` is None if the benchmark is in no round; then LoadGen's built-in settings apply.
    ``loadgen_built`` is the source and compiler of a LoadGen built on this machine; empty for a released wheel.
    ``model_format``, ``precision`` and ``variant`` identify ``model`` among the benchmark's model files.
    ``backend_name`` is the backend's name for users.
    ``audit`` is the text of a compliance test's audit.config; empty for any other run. If ``layout``
    is None, the warm-up finds it.
    """

    benchmark: str
    backend: str
    device: str
    scenario: str
    mode: str
    model: str
    model_format: str
    precision: str
    variant: str
    dataset: str
    output: str
    sample_count: int
    backend_name: str = ""
    round: RoundSettings | None = None
    loadgen_built: str = ""
    audit: str = ""
    layout: ExecutionLayout | None = None


class OfficialLength(msgspec.Struct, frozen=True, kw_only=True):
    """The requirements of the round, or of LoadGen's mlperf.conf, for this benchmark and scenario."""

    min_duration_ms: int
    min_query_count: int
    samples_per_query: int
    performance_sample_count: int
    target_latency_ns: int
    target_latency_percentile: float


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run has no result: the exception's class, and for an MLPerfError (``for_user``) its fields."""

    kind: str
    what: str
    expected: str = ""
    found: str = ""
    fix: str = ""
    for_user: bool = False


class WorkerResult(msgspec.Struct, frozen=True, kw_only=True):
    """The content of result.json: either ``failure`` or the other fields are set."""

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
    """Write `value` to a temporary file and rename it to `path`, so that no partial file is read."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(value), indent=2))


def read_spec(path: Path) -> RunSpec:
    """Read run.json, strictly."""
    return msgspec.json.decode(path.read_bytes(), type=RunSpec)


def read_result(path: Path) -> WorkerResult:
    """Read result.json, strictly."""
    return msgspec.json.decode(path.read_bytes(), type=WorkerResult)
