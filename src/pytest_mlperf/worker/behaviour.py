"""The checks of the conformance suite: one function each, from a loaded model with real calls to what was found."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.implementations.protocol import Check
from pytest_mlperf.printable import fit, one_line
from pytest_mlperf.worker.calls import Call, batched, differences
from pytest_mlperf.worker.closing import close_in_time
from pytest_mlperf.worker.comparison import invalid
from pytest_mlperf.worker.conformance import FP32, has_narrow_weights
from pytest_mlperf.worker.peak import free_unused, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_mlperf.backends.base import Model, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile
    from pytest_mlperf.implementations.protocol import RunSpec

MEBIBYTE = 1 << 20
#: The batch that is held against single samples.
BATCH = 4
#: Threads of Python that call at once, and how often each makes all calls.
CALLERS, ROUNDS = 4, 2
#: With one thread, an inference may use so many cores.
ONE_CORE = 1.3
CORE_SECONDS = 1.0
#: Calls before memory is looked at, and the seconds for them; then blocks of calls, as many as go into the seconds.
WARM_CALLS, WARM_SECONDS, BLOCKS, MEMORY_SECONDS, MOST_CALLS = 40, 5.0, 5, 4.0, 2000
#: What memory may grow by after the warm-up, and threads in all.
GROWTH_BYTES, GROWTH_THREADS = 8 * MEBIBYTE, 3
CLOSE_SECONDS = 10.0
#: How often a model is loaded and closed; the first time may leave what a runtime keeps for good.
CYCLES = 4
FIX = "correct the backend: docs/conformance.md says what each check asks"


@dataclass
class Subject:
    """A loaded model, how to load it again, and real calls of it."""

    spec: RunSpec
    file: ModelFile
    load: Callable[[int], Model]
    model: Model
    calls: Sequence[Call]

    @property
    def narrow(self) -> bool:
        """Whether it computes in fewer bits than float32 has."""
        return self.spec.precision != FP32 or has_narrow_weights(self.model.weight_types)


def device(subject: Subject) -> Check:
    """The model says that it is on the device that was asked for."""
    asked, found = subject.spec.device, subject.model.device
    if found != asked:
        return _failed("device", asked, found)
    return _passed("device", found)


def precision(subject: Subject) -> Check:
    """The model ran in the precision that was asked for, where it says in which."""
    asked, found = subject.spec.precision, getattr(subject.model, "precision", None)
    if found is None:
        return Check(name="precision", outcome="not compared", said="the model does not say in which it runs")
    return _passed("precision", found) if found == asked else _failed("precision", asked, str(found))


def versions(found: Mapping[str, str]) -> Check:
    """The backend names at least one package with its version, as text."""
    good = bool(found) and all(isinstance(each, str) and each for pair in found.items() for each in pair)
    text = ", ".join(f"{name} {version}" for name, version in found.items())
    return _passed("versions", text) if good else _failed("versions", "packages with their versions", text or "none")


def outputs(subject: Subject) -> Check:
    """Outputs have the number, types and shapes that the graph has, and finite values."""
    for call in subject.calls:
        for problem in invalid(call.graph, call.outputs):
            return _failed("outputs", problem.expected, f"{problem.output}: {problem.found}")
    return _passed("outputs", f"{len(subject.calls)} calls")


def repeats(subject: Subject) -> Check:
    """The same inputs give the same outputs again."""
    return _compared("repeats", subject, ((c.graph, c.again(subject.model), c.outputs) for c in subject.calls))


def batches(subject: Subject) -> Check:
    """A batch gives for each sample what the sample gives by itself."""
    largest = subject.model.max_batch
    size = BATCH if largest is None else min(BATCH, largest)
    some = list(batched(subject.calls, size)) if size > 1 else []
    if not some:
        return Check(name="batches", outcome="not compared", said="it takes one sample at a time")

    def rows() -> Iterator[tuple[Graph, Outputs, Outputs]]:
        for graph, inputs, calls in some:
            found = list(subject.model.run(inputs, graph.name))
            for row, call in enumerate(calls):
                yield graph, [value[row : row + 1] for value in found], call.outputs

    return _compared("batches", subject, rows(), f" in batches of {size}")


def threads(subject: Subject) -> Check:
    """One thread and two give the same outputs."""
    with _loaded(subject, 1) as one, _loaded(subject, 2) as two:
        return _compared(
            "threads", subject, ((c.graph, c.again(two), c.again(one)) for c in subject.calls), " with 1 and 2 threads"
        )


def cores(subject: Subject) -> Check:
    """A model that was given one thread uses one core."""
    if (os.cpu_count() or 1) < 2 or subject.spec.device == "remote":
        return Check(name="cores", outcome="not compared", said="there is one core, or the work is done elsewhere")
    with _loaded(subject, 1) as model:
        subject.calls[0].again(model)
        start, used = time.perf_counter(), time.process_time()
        while time.perf_counter() - start < CORE_SECONDS:
            for call in subject.calls:
                call.again(model)
        busy = (time.process_time() - used) / (time.perf_counter() - start)
    words = f"{busy:.2f} cores with one thread"
    return _passed("cores", words) if busy <= ONE_CORE else _failed("cores", f"at most {ONE_CORE:g} cores", words)


def concurrency(subject: Subject) -> Check:
    """Several threads of Python get what one gets: from one model if it is concurrent, else from one model each."""
    shared = subject.model.concurrent
    models = [subject.model if shared else subject.load(1) for _ in range(CALLERS if shared else 2)]
    barrier = threading.Barrier(len(models))

    def ask(place: int) -> list[tuple[Graph, Outputs, Outputs]]:
        turned = [*subject.calls[place:], *subject.calls[:place]] * ROUNDS
        barrier.wait(60)
        return [(call.graph, list(call.again(models[place])), call.outputs) for call in turned]

    try:
        with ThreadPoolExecutor(len(models)) as pool:
            found = [pair for pairs in pool.map(ask, range(len(models))) for pair in pairs]
    finally:
        if not shared:
            for model in models:
                close_in_time(model.close, subject.spec.backend_name, CLOSE_SECONDS)
    words = f" in {len(models)} threads with {'one model' if shared else 'a model each'}"
    return _compared("concurrency", subject, found, words)


def memory(subject: Subject) -> Check:
    """Memory and threads do not grow with the number of calls."""
    tasks, done = _tasks(), _call(subject, WARM_CALLS, WARM_SECONDS)
    if (more := _tasks() - tasks) > max(GROWTH_THREADS, done // 4):
        return _failed("memory", f"at most {GROWTH_THREADS} more threads", f"{more} more after {done} calls")
    tasks, sizes, calls = _tasks(), [_resident()], 0
    for _ in range(BLOCKS):
        calls += _call(subject, MOST_CALLS // BLOCKS, MEMORY_SECONDS / BLOCKS)
        sizes.append(_resident())
    grown = sizes[-1] - sizes[0]
    words = f"{grown / MEBIBYTE:+.1f} MiB in {calls:,} calls"
    if (more := _tasks() - tasks) > GROWTH_THREADS:
        return _failed("memory", f"at most {GROWTH_THREADS} more threads", f"{more} more after {calls:,} calls")
    # What a runtime fills once, such as an arena, comes to an end.
    if grown > GROWTH_BYTES and all(later > earlier for earlier, later in pairwise(sizes[2:])):
        return _failed("memory", f"at most {GROWTH_BYTES / MEBIBYTE:+.0f} MiB", words)
    return _passed("memory", words)


def close(subject: Subject) -> Check:
    """A closed model has freed its memory and ended its threads."""
    after, taken = list[tuple[int, int]](), 0
    for _ in range(CYCLES):
        before = _resident()
        model = subject.load(1)
        for call in subject.calls[:2]:
            call.again(model)
        taken = resident_bytes() - before
        close_in_time(model.close, subject.spec.backend_name, CLOSE_SECONDS)
        del model
        after.append((_resident(), _tasks()))
    (first, first_tasks), (last, last_tasks) = after[0], after[-1]
    each = (last - first) / (CYCLES - 1)
    allowed = max(GROWTH_BYTES, taken // 2)
    if each > allowed:
        return _failed(
            "close", f"at most {allowed / MEBIBYTE:.0f} MiB left by a model", f"{each / MEBIBYTE:.1f} MiB each time"
        )
    if (more := last_tasks - first_tasks) > GROWTH_THREADS:
        return _failed("close", "no threads left by a model", f"{more} more after {CYCLES - 1} models")
    return _passed("close", f"{each / MEBIBYTE:+.1f} MiB left by each of {CYCLES - 1} models")


def stdout(file: Path) -> Check:
    """Nothing is written on the standard output, which belongs to the program that uses the backend."""
    content = file.read_bytes()
    if not content:
        file.unlink()
        return _passed("stdout", "nothing")
    first = one_line(fit(content.decode("utf-8", "replace").partition("\n")[0], 200))
    return _failed("stdout", "nothing", f"{len(content):,} bytes in {file.name}: {first}")


#: Those that look at what a loaded model does, in their order.
CHECKS: tuple[Callable[[Subject], Check], ...] = (repeats, batches, threads, cores, concurrency, memory)


def _call(subject: Subject, most: int, seconds: float) -> int:
    """Call again and again, for so long; return how often."""
    end, done = time.monotonic() + seconds, 0
    while done < most and (time.monotonic() < end or done < len(subject.calls)):
        subject.calls[done % len(subject.calls)].again(subject.model)
        done += 1
    return done


@contextmanager
def _loaded(subject: Subject, count: int) -> Iterator[Model]:
    """Load a model with so many threads for the block."""
    model = subject.load(count)
    yield model
    close_in_time(model.close, subject.spec.backend_name, CLOSE_SECONDS)


def _compared(name: str, subject: Subject, pairs: Iterable[tuple[Graph, Outputs, Outputs]], words: str = "") -> Check:
    difference, comparison = differences(pairs, narrow=subject.narrow)
    if difference is not None:
        return _failed(name, difference.expected, f"{difference.output}: {difference.found}{words}")
    return _passed(name, f"within {comparison.largest:.1e} in {comparison.outputs} outputs{words}")


def _passed(name: str, said: str) -> Check:
    return Check(name=name, outcome="passed", said=said)


def _failed(name: str, expected: str, found: str) -> Check:
    return Check(name=name, outcome="failed", said=found, expected=expected, fix=FIX)


def _resident() -> int:
    free_unused()
    return resident_bytes()


def _tasks() -> int:
    """Return the threads of this process, those of the runtime too."""
    return len(list(Path("/proc/self/task").iterdir()))
