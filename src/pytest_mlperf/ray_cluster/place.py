"""The nodes of a Ray cluster as the place where a run's samples are and its models answer."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_mlperf.datasets.data_content import data_content
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.ray_cluster import used
from pytest_mlperf.ray_cluster.calls import Actor, call_all
from pytest_mlperf.ray_cluster.connection import ADDRESS, Connection, Node, import_ray, on_node
from pytest_mlperf.ray_cluster.front import NodeModels, NodeSamples
from pytest_mlperf.ray_cluster.report import require_alike, this_machine
from pytest_mlperf.worker.place import Place, has_costs
from pytest_mlperf.worker.remote import NETWORK_SUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_mlperf.backends.base import Backend, Model
    from pytest_mlperf.benchmarks.base import Benchmark, Samples
    from pytest_mlperf.implementations.protocol import Check, ExecutionLayout, RunSpec, WorkerResult
    from pytest_mlperf.ray_cluster.worker import Opened
    from pytest_mlperf.worker.library import SampleLibrary

#: How long a cluster that was started for a run may take to end when the run has failed.
END_SECONDS = 10.0
#: Batches of a stream in Offline: one that it answers, and the next one.
AHEAD = 2
#: Actors start in a few seconds; those that take longer wait for CPUs.
AT_ONCE_SECONDS = 20.0


class RayPlace(Place):
    """The nodes of a Ray cluster, with one actor each; the cluster is that of RAY_ADDRESS, else one of this run's own.

    Parameters
    ----------
    spec
        The run.
    """

    #: The next cluster may have other nodes.
    keeps_layouts = False
    is_here = False

    def __init__(self, spec: RunSpec) -> None:
        super().__init__(spec)
        # Where no latency counts, the next batch of a stream is sent while it is busy: no node waits for the network.
        self._ahead = AHEAD if spec.scenario == "Offline" else 1
        self._connection: Connection | None = None
        self._actors: list[Actor] = []
        self._models: NodeModels | None = None

    def open(self, backend: Backend, enter: Callable[[str], None]) -> dict[str, str]:
        """Connect to the cluster, make the actors, and let them open the data set and the backend.

        Raises
        ------
        RequirementError
            There is no such cluster, or the nodes are not alike; or the run is timed in turns with another model.
        """
        spec = self.spec
        if spec.old is not None:
            raise RequirementError(
                "two models are timed in turns in one process",
                expected="--mlperf-compare-model without --implementation ray",
                found="both",
                fix="compare the models with --implementation python, or leave --mlperf-compare-model out",
            )
        enter("connecting to the Ray cluster")
        self._connection = Connection(os.environ.get(ADDRESS, ""))
        nodes = self._connection.nodes(spec)
        # In one order for all runs: so no two of them have a part of the nodes each, and wait for the rest.
        in_order = sorted(nodes, key=lambda node: node.identifier)
        self._actors = self._at_once(in_order)
        for node in in_order[len(self._actors) :]:
            enter(f"waiting for the CPUs of {node.report.host}")
            self._actors.append(Actor(node, self._actor_of(node)))
            self._actors[-1].call("wait")
        held = {this_machine()}
        for actor in self._actors:
            if actor.node.report.machine not in held:
                enter(f"waiting for the device of {actor.node.report.host}")
                held.add(actor.node.report.machine)
                actor.call("hold", alone=spec.mode == "performance")
        self._actors.sort(key=lambda actor: nodes.index(actor.node))
        enter("opening the data set on the nodes")
        self._open(backend)
        self.sut_name = f"{NETWORK_SUT}: Ray, {spec.backend_name}" if len(nodes) > 1 else ""
        return {"ray": import_ray().__version__}

    def threads(self) -> tuple[int, ...]:
        """Return the CPUs of each node, or as many of them as --num-threads says."""
        return tuple(self._threads(actor.node) for actor in self._actors)

    def library(self, samples: Samples) -> SampleLibrary:
        """Return what lets the nodes load samples."""
        return NodeSamples(samples, self._actors)

    def models(self, load: Callable[[int], Model]) -> NodeModels:
        """Return what lets the nodes load models."""
        del load
        self._models = NodeModels(self._actors, self.threads(), self._ahead)
        return self._models

    def cost(self, benchmark: Benchmark, library: SampleLibrary) -> Callable[[int], float] | None:
        """Return a function for the cost that the nodes found."""
        assert isinstance(library, NodeSamples)  # noqa: S101 - for the type checker
        return library.costs.__getitem__ if has_costs(benchmark) else None

    def compare(self, here: Callable[[], Check], layout: ExecutionLayout) -> Check:
        """Compare the model of the first node with ONNX Runtime there."""
        del here
        check: Check = self._actors[0].call("compare", layout.threads, layout.batch)
        return check

    def ended(self, result: WorkerResult) -> WorkerResult:
        """Return the result with the nodes, and leave the cluster."""
        assert self._connection is not None  # noqa: S101 - for the type checker
        assert self._models is not None  # noqa: S101 - for the type checker
        done = call_all(self._actors, "close")
        nodes = [
            used.of(actor.node, found, self._threads(actor.node), self._models.streams_of(actor))
            for actor, found in zip(self._actors, done, strict=True)
        ]
        started, software = self._connection.started, self._connection.software
        self._connection.close()
        return used.with_nodes(result, nodes, software, started=started)

    def abandon(self) -> None:
        """End a cluster that was started for the run, in time; another one sees by itself that this process ended."""
        if self._connection is not None and self._connection.started:
            thread = threading.Thread(target=self._connection.close, daemon=True)
            thread.start()
            thread.join(END_SECONDS)

    def _at_once(self, nodes: Sequence[Node]) -> list[Actor]:
        """Return the actors of the first nodes whose CPUs are free now: of all of them, unless another run has some."""
        ray = import_ray()
        actors = [Actor(node, self._actor_of(node)) for node in nodes]
        waiting = [actor.start("wait") for actor in actors]
        _, busy = ray.wait(waiting, num_returns=len(waiting), timeout=AT_ONCE_SECONDS)
        free = next((number for number, each in enumerate(waiting) if each in busy), len(waiting))
        for actor in actors[free:]:
            ray.kill(actor.handle)
        for actor, reference in zip(actors[:free], waiting, strict=False):
            actor.result(reference)
        return actors[:free]

    def _actor_of(self, node: Node) -> Any:
        """Make the actor of a node, which has all of its CPUs: so the runs on a cluster come one after the other."""
        from pytest_mlperf.ray_cluster.worker import NodeWorker

        threads = self._threads(node)
        options = (
            import_ray()
            .remote(NodeWorker)
            .options(
                num_cpus=node.cpus,
                # The streams, and what is asked beside them.
                max_concurrency=self._ahead * threads + 2,
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy=on_node(node.identifier),
            )
        )
        return options.remote(msgspec.json.encode(self.spec), threads)

    def _threads(self, node: Node) -> int:
        return min(node.cpus, self.spec.num_threads or node.cpus)

    def _open(self, backend: Backend) -> None:
        """Let the nodes open data set and backend, and see that they are those of this process."""
        spec = self.spec
        names = [str(actor.node) for actor in self._actors]
        opened: dict[str, Opened] = dict(zip(names, call_all(self._actors, "open"), strict=True))
        mine = {str(name): str(version) for name, version in backend.versions().items()}
        require_alike(
            mine,
            {name: found.versions for name, found in opened.items()},
            f"the nodes of the Ray cluster have other packages of {spec.backend_name}",
            "install the same versions on all nodes",
        )
        if len(opened) > 1:
            here = data_content(resolve_name(spec.benchmark).dataset, Path(spec.dataset), spec.sample_count)
            require_alike(
                {"SHA-256": here.sha256},
                {name: {"SHA-256": found.dataset_sha256} for name, found in opened.items()},
                f"the nodes of the Ray cluster have another data set at {spec.dataset}",
                "copy the data set to all nodes, or name a shared directory with --mlperf-cache or --dataset-path",
            )
