"""What stands in the run's process for the samples and models of the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import RequirementError
from pytest_mlperf.ray_cluster.calls import call_all
from pytest_mlperf.worker.library import SampleLibrary
from pytest_mlperf.worker.tuning import Models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Inputs, Model, Outputs
    from pytest_mlperf.benchmarks.base import FirstToken, Records, Samples
    from pytest_mlperf.implementations.protocol import ExecutionLayout
    from pytest_mlperf.ray_cluster.calls import Actor
    from pytest_mlperf.ray_cluster.worker import Loaded


class NodeSamples(SampleLibrary):
    """Lets every node load and unload what LoadGen says: any of them may be asked for any sample.

    Attributes
    ----------
    costs
        The costs of the samples that were loaded, where the benchmark has them.
    """

    def __init__(self, samples: Samples, actors: Sequence[Actor]) -> None:
        super().__init__(samples, 1)
        self._actors = actors
        self.costs: dict[int, float] = {}

    def load(self, indices: Sequence[int]) -> None:
        """Load samples on the nodes."""
        costs = call_all(self._actors, "load", list(indices))[0]
        if costs is not None:
            self.costs.update(zip(indices, costs, strict=True))

    def unload(self, indices: Sequence[int]) -> None:
        """Release samples on the nodes."""
        call_all(self._actors, "unload", list(indices))

    def batch(self, indices: Sequence[int]) -> Any:
        """Return nothing: the samples are not here."""
        del indices


class NodeModel:
    """The model of one stream on a node; it answers instead of the benchmark.

    Parameters
    ----------
    actor, stream, threads
        The node, and which of its models.
    loaded
        The model's attributes, as the node says.
    """

    concurrent = False

    def __init__(self, actor: Actor, stream: int, threads: int, loaded: Loaded) -> None:
        self.actor = actor
        self._stream = stream
        self._threads = threads
        self.device = loaded.device
        self.max_batch = loaded.max_batch
        self.weight_types: Sequence[str] = loaded.weight_types
        self.notes = loaded.notes
        self._answer = actor.handle.answer.remote

    def answer_elsewhere(self, model: Model, samples: Any, indices: Sequence[int], first: FirstToken) -> Records:
        """Let the node answer, and wait for it; see `Benchmark.answer`."""
        del model, samples, first
        records: Records = self.actor.result(self._answer(self._stream, self._threads, indices))
        return records

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Raise: tensors are not sent."""
        raise NotImplementedError

    def close(self) -> None:
        """Do nothing: the node closes its models."""


class NodeModels(Models):
    """Lets the nodes load models for layouts, and spreads streams over them.

    Parameters
    ----------
    actors, threads
        The nodes, and the threads that each has for inferences.
    ahead
        How many batches of a stream are on their way or at its node at once. Each has a model here, of the same stream.
    """

    def __init__(self, actors: Sequence[Actor], threads: Sequence[int], ahead: int = 1) -> None:
        super().__init__(_refuse)
        self._actors = actors
        self._of_each = threads
        self._ahead = ahead
        self._prepared: dict[tuple[int, int], tuple[int, Loaded]] = {}
        self._kept: list[int] = [0] * len(actors)

    def get(self, streams: int, threads: int) -> list[Model]:
        """Return a model for each of `streams`, with `threads` threads each, spread over all nodes."""
        places = spread(streams, self._of_each)
        started = {}
        for number, count in enumerate(_counted(places, len(self._actors))):
            there, _ = self._prepared.get((number, threads), (0, None))
            if count > there:
                started[number] = count, self._actors[number].start("prepare", count, threads)
        for number, (count, reference) in started.items():
            self._prepared[number, threads] = count, self._actors[number].result(reference)
        models = [
            NodeModel(self._actors[node], stream, threads, self._attributes(node, threads)) for node, stream in places
        ]
        _require_one_kind(models)
        return [model for _ in range(self._ahead) for model in models]

    def keep(self, layout: ExecutionLayout) -> list[Model]:
        """Return the models of a layout; close all others on the nodes."""
        models = self.get(layout.streams, layout.threads)
        self._kept = _counted(spread(layout.streams, self._of_each), len(self._actors))
        call = [
            actor.start("keep", count, layout.threads) for actor, count in zip(self._actors, self._kept, strict=True)
        ]
        for actor, reference in zip(self._actors, call, strict=True):
            actor.result(reference)
        self._prepared = {
            (number, layout.threads): (count, self._attributes(number, layout.threads))
            for number, count in enumerate(self._kept)
            if count
        }
        return models

    def close(self) -> None:
        """Do nothing: each node closes its models at the run's end."""

    def streams_of(self, actor: Actor) -> int:
        """Return how many streams of the kept layout a node has."""
        return self._kept[self._actors.index(actor)]

    def _attributes(self, node: int, threads: int) -> Loaded:
        return self._prepared[node, threads][1]


def spread(streams: int, threads: Sequence[int]) -> list[tuple[int, int]]:
    """Return the node of each stream, and its number there: the next one goes where it has the largest part of a node.

    Parameters
    ----------
    streams
        How many there are.
    threads
        The threads of each node.
    """
    there = [0] * len(threads)
    places = []
    for _ in range(streams):
        node = max(range(len(threads)), key=lambda each: threads[each] / (there[each] + 1))
        places.append((node, there[node]))
        there[node] += 1
    return places


def _counted(places: Sequence[tuple[int, int]], nodes: int) -> list[int]:
    return [sum(node == each for node, _ in places) for each in range(nodes)]


def _require_one_kind(models: Sequence[NodeModel]) -> None:
    first = models[0]
    for other in models[1:]:
        for name in ("device", "max_batch", "weight_types"):
            if getattr(first, name) != getattr(other, name):
                raise RequirementError(
                    f"the nodes of the Ray cluster loaded the model differently: {name}",
                    expected=f"{getattr(first, name)}, as on {first.actor.node}",
                    found=f"{getattr(other, name)} on {other.actor.node}",
                    fix="use nodes with the same hardware and software",
                )


def _refuse(threads: int) -> Model:
    raise NotImplementedError(f"a model of {threads} threads in the run's process")
