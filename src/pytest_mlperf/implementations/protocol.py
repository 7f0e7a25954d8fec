"""The protocol between parent and child process: run.json, result.json and progress lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.implementations.timeline import LatencySketch, Timeline
from pytest_mlperf.machine.clock import Clock
from pytest_mlperf.machine.cluster import Cluster
from pytest_mlperf.machine.network import NetworkUse

if TYPE_CHECKING:
    from pathlib import Path

RUN_FILE = "run.json"
RESULT_FILE = "result.json"
LOG_FILE = "worker.log"
USER_CONF_FILE = "user.conf"
AUDIT_FILE = "audit.config"
#: The checks of the conformance suite so far.
CHECKS_FILE = "checks.json"
#: The phase of progress after the test; the test's own has the name of the run's mode.
FINISHING = "finishing"
PROGRESS_FD_VARIABLE = "PYTEST_MLPERF_PROGRESS_FD"
#: JSON with the fields of run.json that have secrets, an endpoint's address or a backend's options, in full.
SECRETS_VARIABLE = "PYTEST_MLPERF_SECRETS"
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class ExecutionLayout(msgspec.Struct, frozen=True, kw_only=True):
    """How inferences share the machine: ``streams`` at once, each with ``threads``, ``batch`` samples per call."""

    streams: int
    threads: int
    batch: int


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A layout that the warm-up tried: the throughput of its best trial, and how many it had."""

    layout: ExecutionLayout
    samples_per_second: float
    trials: int


class KeptLayout(msgspec.Struct, frozen=True, kw_only=True):
    """The layout that an earlier run of the same case found, and the versions of what it ran with."""

    layout: ExecutionLayout
    versions: dict[str, str]


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
    for the backend, by name. With ``require_quiet`` a busy machine fails the run. ``tune`` is how thoroughly the
    warm-up looks for a layout; with ``off`` it takes the simplest. With ``rerun`` no answer of an interrupted run is
    used. ``budget`` is how long the run may take; a performance run of official length that takes longer is shortened.
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
    require_quiet: bool = False
    rerun: bool = False
    tune: Literal["off", "quick", "thorough"] = "quick"
    find_peak: bool = False
    budget: float | None = None


class OtherModel(msgspec.Struct, frozen=True, kw_only=True):
    """Another model of a run's form, which the run is compared with: its path, its digest, and what was made of it."""

    path: str
    sha256: str
    prepared: str = ""


class Turns(msgspec.Struct, frozen=True, kw_only=True):
    """Bursts of calls of two models that took turns.

    Attributes
    ----------
    old, new
        The fastest call of each round's burst, in seconds.
    calls, batch
        How many calls a burst had, and how many samples a call.
    """

    old: tuple[float, ...]
    new: tuple[float, ...]
    calls: int
    batch: int


class RunSpec(RunOptions, frozen=True, kw_only=True):
    """The parameters of one run, written by the parent: the user's options, and what the case is.

    ``benchmark`` and ``backend`` are object references of the form ``module:attribute``, which the
    child imports without searching the installed packages.
    ``round`` is None if the benchmark is in no round; then LoadGen's built-in settings apply.
    ``loadgen_built`` is the source and compiler of a LoadGen built on this machine; empty for a released wheel.
    ``model_format``, ``model_precision`` and ``variant`` identify ``model`` among the benchmark's model files, and
    ``precision`` is the one to run it in. ``reference`` is the ONNX file with the same graphs; empty for none.
    ``backend_name`` is the backend's name for users.
    ``prepared`` is the directory of what the backend made of the model before the run; empty for nothing.
    ``audit`` is the text of a compliance test's audit.config; empty for any other run. If ``layout`` is None, the
    warm-up finds it, or takes that of ``kept`` where the versions are the same. ``model_sha256`` is the digest that the
    model had before the run; empty for an address. ``old`` is the model that is timed in turns with the run's own after
    the test; None for none. ``unfinished`` is the file that keeps an accuracy run's answers while it runs; empty for
    none. ``import_paths`` are directories in which the child finds the modules of ``backend`` and ``benchmark``.
    """

    benchmark: str
    backend: str
    device: str
    scenario: str
    mode: str
    model: str
    model_format: str
    model_precision: str
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
    kept: KeptLayout | None = None
    model_sha256: str = ""
    reference: str = ""
    prepared: str = ""
    old: OtherModel | None = None
    unfinished: str = ""
    import_paths: tuple[str, ...] = ()


class OfficialLength(msgspec.Struct, frozen=True, kw_only=True):
    """The requirements of the round, or of LoadGen's mlperf.conf, for this benchmark and scenario."""

    min_duration_ms: int
    min_query_count: int
    samples_per_query: int
    performance_sample_count: int
    target_latency_ns: int
    target_latency_percentile: float
    #: Whether every sample is issued equally often.
    equal_issue: bool = False


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What a performance run says before its test begins.

    Attributes
    ----------
    seconds
        How long the test takes, from its first query; 0 if that is not known.
    official
        Whether it is as long, and of as many queries and samples, as the round asks.
    samples_per_second, query_seconds
        What the warm-up measured: the throughput, and the time of a query.
    loading
        How long LoadGen's samples are loaded before it, in seconds; 0 if that is not known.
    """

    seconds: float
    official: bool
    samples_per_second: float
    query_seconds: float
    loading: float = 0.0


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run has no result: the exception's class, and for an MLPerfError (``for_user``) its fields."""

    kind: str
    what: str
    expected: str = ""
    found: str = ""
    fix: str = ""
    for_user: bool = False


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked of a loaded model.

    Attributes
    ----------
    name
        What was looked at: ``reference``, ``batches``.
    outcome
        ``passed``, ``failed``, or ``not compared`` where it could not be looked at.
    said
        What was found, in words.
    expected, fix
        Of a failed check: what should have been, and what to do.
    """

    name: str
    outcome: Literal["passed", "failed", "not compared"]
    said: str = ""
    expected: str = ""
    fix: str = ""


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """The checks that are done, and the one that runs: what is left when the process dies."""

    done: tuple[Check, ...] = ()
    running: str = ""


class WorkerResult(msgspec.Struct, frozen=True, kw_only=True):
    """The content of result.json: either ``failure`` or the other fields are set.

    ``model_sha256`` is the digest of the model's files, taken by the process that loaded them; empty for an address.
    ``clock`` is None if the implementation does not time the test; then the runner's own clock has to do.
    ``checks`` is what the implementation looked at in the loaded model before the test.
    ``network`` is how a remote model was reached. ``turns`` is how the run's model and another one compare in time.
    ``pilot`` is what the warm-up tried, and ``promise`` what a performance run said before its test.
    ``process`` is what of the process decides about its figures, in words.
    ``cluster`` is the nodes that answered; None if that was this machine alone.
    ``latencies`` and ``timeline`` are None if the implementation does not keep them.
    """

    failure: Failure | None = None
    device: str = ""
    layout: ExecutionLayout | None = None
    official: OfficialLength | None = None
    versions: dict[str, str] = {}
    seconds: dict[str, float] = {}
    samples_done: int = 0
    weight_types: tuple[str, ...] = ()
    model_sha256: str = ""
    peak_memory_bytes: int = 0
    notes: tuple[str, ...] = ()
    clock: Clock | None = None
    checks: tuple[Check, ...] = ()
    network: NetworkUse | None = None
    turns: Turns | None = None
    pilot: tuple[Trial, ...] = ()
    promise: Promise | None = None
    process: dict[str, str] = {}
    latencies: LatencySketch | None = None
    timeline: Timeline | None = None
    cluster: Cluster | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the progress pipe, newline-terminated JSON.

    Attributes
    ----------
    phase
        What the child does.
    done, total
        The samples that are done, and how many there are to do, if that is known.
    seconds, least_seconds
        How long the phase has lasted, and the minimum duration that LoadGen keeps it to, if it has one.
    expected_seconds
        How long the phase takes as a whole, if that is known before it begins.
    length
        ``official`` or ``short``: whether the test is as long as the round asks; empty if nobody can tell.
    """

    phase: str
    done: Count = 0
    total: Count | None = None
    seconds: float = 0.0
    least_seconds: float | None = None
    expected_seconds: float | None = None
    length: str = ""

    def seconds_left(self, rate: float) -> float:
        """Return how long the phase will still take at `rate` samples per second; 0 if that is not known."""
        by_samples = (self.total - self.done) / rate if self.total and rate else 0.0
        if not by_samples and self.expected_seconds is not None and not (self.total and self.done >= self.total):
            by_samples = self.expected_seconds - self.seconds
        by_duration = self.least_seconds - self.seconds if self.least_seconds else 0.0
        return max(0.0, by_samples, by_duration)


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Write `value` to a temporary file and rename it to `path`, so that no partial file is read."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(value), indent=2))


def write_checks(directory: Path, checks: Checks) -> None:
    """Write the checks so far into a run's directory."""
    write_json(directory / CHECKS_FILE, checks)


def read_spec(path: Path) -> RunSpec:
    """Read run.json, strictly; what is secret in it comes by the environment, see `SECRETS_VARIABLE`."""
    spec = msgspec.json.decode(path.read_bytes(), type=RunSpec)
    secrets = msgspec.json.decode(os.environ.pop(SECRETS_VARIABLE, "{}"), type=dict[str, Any])
    return msgspec.convert(msgspec.to_builtins(spec) | secrets, RunSpec)


def read_result(path: Path) -> WorkerResult:
    """Read result.json, strictly."""
    return msgspec.json.decode(path.read_bytes(), type=WorkerResult)
