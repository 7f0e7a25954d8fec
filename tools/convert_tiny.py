"""Make the .tflite files that ship: the tiny ResNet-50 in float32 and int8, the heads of the tiny RetinaNet in int8.

Run ``python tools/convert_tiny.py`` with the extra ``train`` installed. The tools run in environments of the cache. The
scales are chosen from the same samples as those of the int8 ONNX files, which are disjoint from those that are scored
(tools/quantise_tiny.py).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf import conversion
from pytest_mlperf.artifacts.layout import default_cache_dir
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.benchmarks.first_samples import first_inputs
from pytest_mlperf.benchmarks.resnet50 import TINY as RESNET50
from pytest_mlperf.benchmarks.retinanet import TINY as RETINANET
from pytest_mlperf.benchmarks.retinanet_decoder import decoder_for
from pytest_mlperf.benchmarks.retinanet_heads import cut_at_heads
from pytest_mlperf.conversion.recipe import TFLITE
from pytest_mlperf.environments.provide import tool_environment
from pytest_mlperf.environments.venv import executable
from pytest_mlperf.origin import Tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

HERE = Path(__file__).parent
DATA = HERE.parent / "src" / "pytest_mlperf" / "data"
QUANTISER = Tool(("ai-edge-quantizer==0.10.0",), python=">=3.11")


@dataclass(frozen=True)
class Job:
    """A model: its ONNX file, real inputs, calibration samples, operators in int8, and the files that ship."""

    model: Path
    inputs: Mapping[str, NDArray[Any]]
    calibration: str
    operators: tuple[str, ...]
    exact: Path
    small: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=default_cache_dir(os.environ), help="where the environments go")
    store = Store(parser.parse_args().cache)
    converter, quantiser = (python(tool, store) for tool in (TFLITE.tool, QUANTISER))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        heads = place / "heads.onnx"
        cut_at_heads(DATA / "retinanet-tiny.onnx", heads, decoder_for(RETINANET.size))
        for job in jobs(place, heads):
            make(job, place, converter, quantiser)


def jobs(place: Path, heads: Path) -> tuple[Job, ...]:
    resnet50, retinanet = first_inputs(RESNET50), first_inputs(RETINANET)
    exact, small = DATA / "resnet50-tiny.tflite", DATA / "resnet50-tiny-int8.tflite"
    small_heads = DATA / "retinanet-tiny-heads-int8.tflite"
    classifier = Job(
        DATA / "resnet50-tiny.onnx", resnet50, "resnet50.calibration", ("CONV_2D", "FULLY_CONNECTED"), exact, small
    )
    detector = Job(heads, retinanet, "retinanet.calibration", ("CONV_2D",), place / "heads.tflite", small_heads)
    return classifier, detector


def make(job: Job, place: Path, converter: str, quantiser: str) -> None:
    inputs, samples = place / "inputs.npz", place / "samples.npz"
    save(inputs, job.inputs)
    feeds = [feed for _, feed in import_module(job.calibration).calibration()]
    save(samples, {plain(name): np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]})
    script = Path(*conversion.__path__) / TFLITE.script
    subprocess.run([converter, "-I", script, job.model, inputs, job.exact], check=True)
    files = [job.exact, samples, job.small]
    subprocess.run([quantiser, "-I", HERE / "quantise_tflite.py", *files, *job.operators], check=True)
    job.small.chmod(0o644)
    print(*(f"{each.name} {each.stat().st_size}" for each in (job.exact, job.small)), flush=True)


def python(tool: Tool, store: Store) -> str:
    return str(executable(store.get(tool_environment(tool.requirements, tool.python)).path))


def plain(name: str) -> str:
    """Return the name of an input in the .tflite file: see ``plain_name`` in the script."""
    return name.replace(":", "__")


def save(place: Path, values: Mapping[str, NDArray[Any]]) -> None:
    arrays: dict[str, Any] = dict(values)
    np.savez(place, **arrays)


if __name__ == "__main__":
    main()
