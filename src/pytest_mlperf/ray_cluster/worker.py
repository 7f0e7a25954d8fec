"""The actor of a node: it has the samples and the models there, and answers batches in as many threads as are asked."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.implementations.protocol import ExecutionLayout, RunSpec
from pytest_mlperf.machine.busy import busy
from pytest_mlperf.machine.cores import available_cores, read_cores
from pytest_mlperf.machine.counters import read_counters
from pytest_mlperf.machine.hardware import processor_model
from pytest_mlperf.machine.memory import free_memory
from pytest_mlperf.machine.use import MachineUse, span
from pytest_mlperf.run.device import hold_device
from pytest_mlperf.worker.completion import ignore
from pytest_mlperf.worker.conformance import compare
from pytest_mlperf.worker.library import SampleLibrary
from pytest_mlperf.worker.loading import loader, make_backend
from pytest_mlperf.worker.model_files import ModelFiles
from pytest_mlperf.worker.peak import PeakMemory
from pytest_mlperf.worker.place import has_costs
from pytest_mlperf.worker.tuning import Models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_mlperf.backends.base import Model
    from pytest_mlperf.benchmarks.base import Benchmark, Records
    from pytest_mlperf.implementations.protocol import Check
    from pytest_mlperf.machine.counters import Counters

#: Another run on the node's machine may hold its device; longer than so many seconds it is not waited for.
LEASE_SECONDS = 600.0
_GIBIBYTE = 1 << 30


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What a node found: the versions of the backend's packages, and the digests of model and data set."""

    versions: dict[str, str]
    model_sha256: str
    dataset_sha256: str


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of a node's models; see `Model`."""

    device: str
    max_batch: int | None
    weight_types: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a node did.

    Attributes
    ----------
    samples
        How many it answered with the last layout.
    peak_memory_bytes
        The peak of its memory.
    cpu_seconds_before, cpu_seconds
        What it used of the CPUs before the test, and in it.
    busy
        In words, what else its machine did; see `MachineUse`.
    """

    samples: int
    peak_memory_bytes: int
    cpu_seconds_before: float
    cpu_seconds: float
    busy: tuple[str, ...] = ()


class NodeWorker:
    """Answers batches of a run on one node.

    Parameters
    ----------
    spec
        run.json, with what is secret in it.
    threads
        The threads for inferences.
    """

    def __init__(self, spec: bytes, threads: int) -> None:
        self._spec = msgspec.json.decode(spec, type=RunSpec)
        self._threads = threads
        self._held = ExitStack()
        self._start = self._test = self._end = read_counters()
        self._answered: Counter[int] = Counter()
        self._turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._peak = PeakMemory()

    def wait(self) -> None:
        """Do nothing: it can once the CPUs of the node are free."""

    def hold(self, *, alone: bool) -> None:
        """Hold the device of this machine, for all its users, until `close`.

        Raises
        ------
        RequirementError
            Another run holds it.
        """
        try:
            self._held.enter_context(hold_device(self._spec.device, alone=alone, timeout=LEASE_SECONDS))
        except TimeoutError as error:
            raise RequirementError(
                f"the device {self._spec.device} is in use by another run",
                expected=f"a free device within {LEASE_SECONDS:g} s",
                found=str(error),
                fix="run again when that has ended",
            ) from error

    def open(self) -> Opened:
        """Open the data set and the backend, and hash the model's files and those of the data set."""
        spec = self._spec
        self._backend = make_backend(spec)
        self._benchmark: Benchmark = replace(resolve_name(spec.benchmark), variant=spec.variant)
        place = Path(spec.dataset)
        self._samples = self._benchmark.dataset.open(place, spec.sample_count, spec.variant)
        self._library = SampleLibrary(self._samples, available_cores())
        self._row = self._benchmark.model_file(spec.model_format, spec.model_precision, spec.variant)
        file = replace(self._row, precision=spec.precision)
        self._files = ModelFiles(spec, file)
        self._models = Models(loader(spec, self._backend, file, self._files), spec.backend_name)
        self._streams: dict[tuple[int, int], Model] = {}
        data = data_content(self._benchmark.dataset, place, spec.sample_count)
        versions = {str(name): str(value) for name, value in self._backend.versions().items()}
        return Opened(versions=versions, model_sha256=self._files.sha256, dataset_sha256=data.sha256)

    def prepare(self, streams: int, threads: int) -> Loaded:
        """Load a model for each of so many streams, each inference with so many threads."""
        models = self._models.get(streams, threads)
        self._streams |= {(stream, threads): model for stream, model in enumerate(models)}
        first = models[0]
        return Loaded(
            device=first.device,
            max_batch=first.max_batch,
            weight_types=tuple(first.weight_types),
            notes=tuple(map(str, getattr(first, "notes", ()))),
        )

    def keep(self, streams: int, threads: int) -> None:
        """Close all models but those of a layout, all if it has no streams here; count answers from now on."""
        self._answered.clear()
        self._streams = {key: model for key, model in self._streams.items() if key[0] < streams and key[1] == threads}
        if streams:
            self._models.keep(ExecutionLayout(streams=streams, threads=threads, batch=1))
        else:
            self._models.close()

    def load(self, indices: Sequence[int]) -> list[float] | None:
        """Load samples, and return their costs if the benchmark has them."""
        self._require_memory(len(set(indices)))
        self._library.load(indices)
        costs = None
        if has_costs(self._benchmark):
            costs = [self._benchmark.cost(sample) for sample in self._library.batch(indices)]
        self._test = read_counters()
        return costs

    def unload(self, indices: Sequence[int]) -> None:
        """Release samples."""
        self._end = read_counters()
        self._library.unload(indices)

    def answer(self, stream: int, threads: int, indices: Sequence[int]) -> Records:
        """Answer a batch of loaded samples with the model of a stream."""
        with self._turns[stream]:  # the next batch of a stream may be here already
            model = self._streams[stream, threads]
            records = self._benchmark.answer(model, self._library.batch(indices), indices, ignore)
            self._answered[stream] += len(indices)
        return records

    def compare(self, threads: int, batch: int) -> Check:
        """Compare the model with ONNX Runtime."""
        model = self._streams[0, threads]
        return compare(self._spec, self._benchmark, self._row, model, self._answer_with, batch, self._threads)

    def close(self) -> Done:
        """Close the models, and say what was done."""
        self._models.close()
        self._files.check()
        self._held.close()
        own = [each.own or 0.0 for each in (self._start, self._test, self._end)]
        return Done(
            samples=self._answered.total(),
            peak_memory_bytes=self._peak.size,
            cpu_seconds_before=own[1] - own[0],
            cpu_seconds=own[2] - own[1],
            busy=_busy(self._start, self._test, self._end),
        )

    def _answer_with(self, model: Model, indices: Sequence[int]) -> Records:
        self._library.load(indices)
        try:
            return self._benchmark.answer(model, self._library.batch(indices), indices, ignore)
        finally:
            self._library.unload(indices)

    def _require_memory(self, count: int) -> None:
        """Raise if samples do not fit: a node whose memory is full is killed, and does not say why."""
        sample: Any = self._samples[0] if len(self._samples) else {}
        arrays: Mapping[str, Any] = sample if isinstance(sample, dict) else {}
        needed, free = count * sum(getattr(value, "nbytes", 0) for value in arrays.values()), free_memory()
        if free is not None and needed > free:
            raise RequirementError(
                f"the node has no memory for {count:,} samples",
                expected=f"at most {free / _GIBIBYTE:.1f} GiB",
                found=f"about {needed / _GIBIBYTE:,.1f} GiB",
                fix="lower performance_sample_count_override in user.conf, or --dataset-size",
            )


def _busy(start: Counters, test: Counters, end: Counters) -> tuple[str, ...]:
    use = MachineUse(processor=processor_model(), cores=read_cores(), before=span(start, test), during=span(test, end))
    return busy(use)
