"""What of a model's shapes is fixed: some runtimes compile a graph for the lengths of its inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlperf.backends.model_file import Graph, ModelFile


def varying(model: ModelFile) -> str:
    """Return what in a model file has no fixed shape, its batch aside; empty if nothing has, or it is not known."""
    if len(model.graphs) > 1:
        return "it has several graphs"
    return next(filter(None, map(_varying, model.graphs)), "")


def shapes_for(graph: Graph, batch: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a graph's inputs for a batch, by their names in the file; only a batch may be open."""
    return {
        tensor.in_file: (batch, *(length for length in tensor.shape[1:] if length is not None))
        for tensor in graph.inputs
    }


def own_batch(graph: Graph) -> int | None:
    """Return the batch that a graph is fixed to; None if it takes any."""
    fixed = [tensor.shape[0] for tensor in graph.inputs if tensor.shape and tensor.shape[0] is not None]
    return min(fixed) if fixed else None


def _varying(graph: Graph) -> str:
    if lengths := [tensor.name for tensor in graph.inputs if None in tensor.shape[1:]]:
        return f"the length of {', '.join(lengths)} varies"
    # A graph for one sample whose output has any length: what it detects.
    if own_batch(graph) is not None and (counts := [one.name for one in graph.outputs if one.shape[:1] == (None,)]):
        return f"how many {', '.join(counts)} there are depends on the sample"
    return ""
