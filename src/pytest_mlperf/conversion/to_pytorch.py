"""Makes PyTorch files from ONNX files, in an interpreter with torch and onnx.

    python -m pytest_mlperf.conversion.to_pytorch job.json

A graph becomes an exported program. RNN-T's three become one state dict, with the names of the published checkpoint. A
file is kept only if it gives the recorded outputs for the recorded inputs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from pytest_mlperf.backends.onnx_to_pytorch import ConversionError, convert
from pytest_mlperf.backends.pytorch_files import read_state
from pytest_mlperf.backends.pytorch_networks.known import network_for
from pytest_mlperf.conversion.steps import REFUSED
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: A difference that the order of sums can make, relative to the largest value.
TOLERANCE = 1e-4


def main(job_file: str) -> int:
    """Make the files of a job; see `pytest_mlperf.benchmarks.pytorch_files`."""
    job = json.loads(Path(job_file).read_text("utf-8"))
    try:
        modules = _rnnt(job) if job["state"] else {graph["name"]: _program(job, graph) for graph in job["graphs"]}
        for graph in job["graphs"]:
            _compare(graph, modules[graph["name"]], _arrays(graph))
    except Exception as error:  # whatever the tracer raises is about this graph
        plain = str(error) if isinstance(error, (ConversionError, ModelError)) else f"{type(error).__name__}: {error}"
        print(" ".join(plain.split())[:500])  # noqa: T201 - its output is read
        return REFUSED
    return 0


def _program(job: Mapping[str, Any], graph: Mapping[str, Any]) -> Callable[..., Any]:
    """Write a graph's exported program, and return it as it is read again."""
    arrays = _arrays(graph)
    example = {name: arrays[f"{graph['example']}/{name}"] for name, _ in graph["inputs"]}
    exported = convert(Path(graph["source"]), dict(graph["inputs"]), graph["outputs"], example)
    target = Path(job["directory"], graph["target"])
    torch.export.save(exported, target)
    module: Callable[..., Any] = torch.export.load(target).module()
    return module


def _rnnt(job: Mapping[str, Any]) -> dict[str, Any]:
    """Write the weights of RNN-T's graphs as one state dict, and return its networks as they are read again."""
    found: dict[str, Any] = {}
    for graph in job["graphs"]:
        for each in onnx.load(graph["source"]).graph.initializer:
            value = numpy_helper.to_array(each)
            if value.dtype == np.float32:
                found.update(_weights(each.name, value))
    target = Path(job["directory"], job["state"])
    state = {name: torch.from_numpy(np.array(value, order="C")) for name, value in found.items()}
    torch.save({"state_dict": state}, target)
    return {name: module.eval() for name, module in network_for(target, read_state(target)).items()}


def _weights(name: str, value: Any) -> dict[str, Any]:
    """Return the checkpoint's weights from a constant of `pytest_mlperf.benchmarks.rnnt_graphs`."""
    layer, _, kind = name.rpartition(".")
    if kind in ("W", "R"):
        prefix, _, number = layer.rpartition(".")
        return {f"{prefix}.weight_{'ih' if kind == 'W' else 'hh'}_l{number}": _gates(value[0])}
    if kind == "B":
        prefix, _, number = layer.rpartition(".")
        inputs, hidden = np.split(value[0], 2)
        return {f"{prefix}.bias_ih_l{number}": _gates(inputs), f"{prefix}.bias_hh_l{number}": _gates(hidden)}
    if name == "prediction.embed.weight":
        return {name: value[:-1]}  # the last row, zeros, is the start
    return {name: value.T if name.startswith("joint.") and kind == "weight" else value}


def _gates(value: Any) -> Any:
    """Return rows in PyTorch's order of gates, i, f, g, o; ONNX's is i, o, f, c."""
    i, o, f, c = np.split(value, 4)
    return np.concatenate([i, f, c, o])


def _arrays(graph: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs and outputs of some batches: ``<number>/<name>``."""
    with np.load(graph["records"], allow_pickle=False) as file:
        return dict(file)


def _compare(graph: Mapping[str, Any], module: Callable[..., Any], records: Mapping[str, Any]) -> None:
    """Raise if a program's outputs are not those that were recorded."""
    for number in sorted({name.partition("/")[0] for name in records}, key=int):
        arguments = [torch.from_numpy(np.ascontiguousarray(records[f"{number}/{name}"])) for name, _ in graph["inputs"]]
        with torch.inference_mode():
            made = module(*arguments)
        made = (made,) if isinstance(made, torch.Tensor) else made
        for name, value in zip(graph["outputs"], made, strict=True):
            _require_same(f"{name} of batch {number}", value.numpy(), records[f"{number}/{name}"])


def _require_same(what: str, found: Any, wanted: Any) -> None:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise ConversionError(f"{what} is {found.dtype}{list(found.shape)}, not {wanted.dtype}{list(wanted.shape)}")
    if found.dtype.kind != "f":
        if (found != wanted).any():
            raise ConversionError(f"{what}: {int((found != wanted).sum())} of {found.size} values differ")
    elif found.size:
        off = float(np.abs(found - wanted).max()) / max(1.0, float(np.abs(wanted).max()))
        if not off <= TOLERANCE:
            raise ConversionError(f"{what} differs by {off:.2g} of its largest value")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
