"""Runs the conformance suite: what a backend must do, checked on one loaded model with real inputs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from msgspec import structs

from pytest_mlperf.errors import MLPerfError
from pytest_mlperf.implementations.protocol import Check, Checks, WorkerResult, write_checks
from pytest_mlperf.machine.cores import available_cores
from pytest_mlperf.printable import fit, said
from pytest_mlperf.worker import behaviour
from pytest_mlperf.worker.calls import recorded_calls
from pytest_mlperf.worker.closing import close_in_time
from pytest_mlperf.worker.completion import ignore
from pytest_mlperf.worker.conformance import compare
from pytest_mlperf.worker.library import SampleLibrary
from pytest_mlperf.worker.model_files import ModelFiles
from pytest_mlperf.worker.peak import PeakMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_mlperf.backends.base import Backend, Model
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.worker.progress import Reporter

#: What the backend wrote on the standard output.
STDOUT_FILE = "stdout.txt"
FIX = "correct the backend: docs/conformance.md says what each check asks"


@dataclass
class Record:
    """The checks so far, in a file that stays when the process dies."""

    directory: Path
    reporter: Reporter
    done: list[Check] = field(default_factory=list)

    def enter(self, phase: str) -> None:
        """Say what is done now."""
        self.reporter.enter(phase)
        write_checks(self.directory, Checks(done=tuple(self.done), running=phase))

    def run(self, name: str, check: Callable[[], Check | None]) -> None:
        """Run a check and note what it found; None is nothing to note."""
        self.enter(f"the check {name}")
        try:
            found = check()
        except MLPerfError as error:
            found = Check(name=name, outcome="failed", expected=error.expected, said=error.what, fix=FIX)
            if error.found:
                found = Check(
                    name=name,
                    outcome="failed",
                    expected=error.expected,
                    said=f"{error.what}: {error.found}",
                    fix=error.fix or FIX,
                )
        except Exception as error:  # whatever the runtime raises is about this check
            found = Check(name=name, outcome="failed", expected="no error", said=fit(said(error), 300), fix=FIX)
        if found is not None:
            self.done.append(found)


def run_suite(spec: RunSpec, make_backend: Callable[[RunSpec], Backend], reporter: Reporter) -> WorkerResult:
    """Run every check, and return the result with all that they found."""
    output = Path(spec.output)
    stdout = _apart(output / STDOUT_FILE)
    peak, record = PeakMemory(), Record(output, reporter)
    benchmark: Benchmark = replace(resolve_name(spec.benchmark), variant=spec.variant)
    backend = make_backend(spec)
    row = benchmark.model_file(spec.model_format, spec.model_precision, spec.variant)
    file = replace(row, precision=spec.precision)
    record.enter("loading")
    files = ModelFiles(spec, file)

    def load(threads: int) -> Model:
        return backend.load(files.place, file, spec.device, threads, spec.backend_options)

    library = SampleLibrary(
        benchmark.dataset.open(Path(spec.dataset), spec.sample_count, spec.variant), available_cores()
    )

    def answer(model: Model, indices: Sequence[int]) -> object:
        library.load(indices)
        try:
            return benchmark.answer(model, library.batch(indices), indices, ignore)
        finally:
            library.unload(indices)

    threads = spec.num_threads or available_cores()
    model = load(threads)
    record.enter("the first calls")
    subject = behaviour.Subject(spec, row, load, model, recorded_calls(spec, row, model, answer))
    record.run("device", lambda: behaviour.device(subject))
    record.run("precision", lambda: behaviour.precision(subject))
    record.run("versions", lambda: behaviour.versions(backend.versions()))
    if row.graphs:
        record.run("outputs", lambda: behaviour.outputs(subject))
        record.run("reference", lambda: compare(spec, benchmark, row, model, answer, 1, threads))
        if (size := min(behaviour.BATCH, model.max_batch or behaviour.BATCH)) > 1:
            # Samples of different lengths are padded in a batch.
            record.run(
                "reference-batches", lambda: _of_batches(compare(spec, benchmark, row, model, answer, size, threads))
            )
    for check in behaviour.CHECKS:
        record.run(check.__name__, lambda check=check: check(subject))  # type: ignore[misc]
    record.run("close", lambda: close_in_time(model.close, spec.backend_name, behaviour.CLOSE_SECONDS))
    record.run("close", lambda: behaviour.close(subject))
    record.run("stdout", lambda: behaviour.stdout(stdout))
    files.check()
    return WorkerResult(
        device=model.device,
        versions={fit(str(name)): fit(str(version)) for name, version in backend.versions().items()},
        weight_types=tuple(model.weight_types),
        model_sha256=files.sha256,
        peak_memory_bytes=peak.size,
        checks=tuple(record.done),
    )


def _of_batches(check: Check) -> Check:
    return structs.replace(check, name="reference-batches")


def _apart(file: Path) -> Path:
    """Let the standard output, Python's and that of libraries, go to a file of its own."""
    sys.stdout.flush()
    with file.open("wb") as target:
        os.dup2(target.fileno(), 1)
    return file
