"""Calls of the actors, and what a user is told where one fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import MLPerfError, RunError
from pytest_mlperf.printable import fit, said
from pytest_mlperf.ray_cluster.connection import import_ray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.ray_cluster.connection import Node


@dataclass(frozen=True)
class Actor:
    """A node with its actor."""

    node: Node
    handle: Any

    def start(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method and return Ray's reference of its result."""
        return getattr(self.handle, method).remote(*arguments, **named)

    def result(self, reference: Any) -> Any:
        """Wait for a result.

        Raises
        ------
        MLPerfError
            That of the actor, with the node's name; RunError if it is none for users, or if the actor is gone.
        """
        ray = import_ray()
        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise _failed(self.node, error) from error
        except ray.exceptions.RayError as error:
            raise _gone(self.node, error) from error

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method and wait for its result; see `result`."""
        return self.result(self.start(method, *arguments, **named))


def call_all(actors: Sequence[Actor], method: str, *arguments: Any) -> list[Any]:
    """Call a method of all actors at once, and wait for their results; see `Actor.result`."""
    started = [actor.start(method, *arguments) for actor in actors]
    return [actor.result(reference) for actor, reference in zip(actors, started, strict=True)]


def _failed(node: Node, error: Any) -> MLPerfError:
    cause = error.cause
    if isinstance(cause, MLPerfError):
        return type(cause)(f"{cause.what}, on {node}", expected=cause.expected, found=cause.found, fix=cause.fix)
    return RunError(
        f"the run failed on {node}: {said(cause)}",
        expected="answers",
        found=fit("\n".join(str(error).strip().splitlines()[-12:])),
        fix="see the run's worker.log, and Ray's logs on that node: /tmp/ray/session_latest/logs",
    )


def _gone(node: Node, error: BaseException) -> RunError:
    return RunError(
        f"the Ray actor on {node} is gone, and its answers with it",
        expected="all nodes until the run ends",
        found=fit(" ".join(str(error).split())),
        fix="see why the node or the actor ended (its memory, its network, /tmp/ray/session_latest/logs there; "
        "`ray status` lists the nodes), start it again with `ray start --address=HOST:PORT`, and run again; "
        "a run on the nodes that are left would be another system",
    )
