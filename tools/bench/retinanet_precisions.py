"""RetinaNet in heads form: ONNX Runtime in float32 against OpenVINO in fp32, bf16 and int8.

First export a model of the official size with random weights (extra ``train``):

    python tools/bench/export_full_size.py retinanet-full.onnx
    python tools/bench/retinanet_precisions.py --model retinanet-full.onnx

Without --model it is the tiny edition's. Run it with an interpreter that has openvino and onnx. The int8 file is made
as tools/quantise_tiny.py makes it. Each runs in its better layout, one inference with all threads or one
single-threaded inference a core; all take turns, and the ratios are of the best rates. The aim for the best one is 3.5
times ONNX Runtime on a CPU with AMX, and 1.6 times on one without. The first row is the way of the reference harness:
the whole model in ONNX Runtime, and as many Python threads as cores, which share one session of as many threads. Over
that, the aim is 6 times with AMX and 2.5 without.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bare_loop import batches_per_second
from PIL import Image

from pytest_mlperf.backends.model_file import ModelFile
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.backends.openvino import OpenVino
from pytest_mlperf.benchmarks.retinanet import TINY, heads_graph, whole_graph
from pytest_mlperf.benchmarks.retinanet_decoder import OFFICIAL
from pytest_mlperf.benchmarks.retinanet_decoder import TINY as TINY_DECODER
from pytest_mlperf.benchmarks.retinanet_heads import cut_at_heads
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.machine.cores import available_cores
from pytest_mlperf.scenarios.base import splits

sys.path.insert(0, str(Path(__file__).parents[1]))

from quantise_tiny import Quantisation, quantise_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Backend, Inputs
    from pytest_mlperf.backends.model_file import Graph

#: The exported stand-in has the tiny edition's post-processing at the official size.
STAND_IN = replace(OFFICIAL, ranked_by="logit", class_gap=801.0)
CALIBRATION = 4
AIMS, AIMS_OVER_REFERENCE = {True: 3.5, False: 1.6}, {True: 6.0, False: 2.5}


@dataclass(frozen=True)
class Way:
    """A backend, the precision that it computes in, and whether it is given the quantised file."""

    name: str
    backend: Backend
    precision: str
    quantised: bool = False


WAYS = (
    Way("onnxruntime fp32", OnnxRuntime(), "fp32"),
    Way("onnxruntime int8", OnnxRuntime(), "int8", quantised=True),
    Way("openvino fp32", OpenVino(), "fp32"),
    Way("openvino bf16", OpenVino(), "bf16"),
    Way("openvino int8", OpenVino(), "int8", quantised=True),
)


def pictures(count: int, size: int) -> list[Inputs]:
    """Return images of noise of coarse structure."""
    random = np.random.default_rng(0)
    found: list[Inputs] = []
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
        image = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255
        found.append({"images": np.ascontiguousarray(image.transpose(2, 0, 1)[None])})
    return found


class Runner:
    """A way, loaded in every layout, and its best rate so far."""

    def __init__(self, way: Way, path: Path, graph: Graph, layouts: Sequence[tuple[int, int]]) -> None:
        self.name, self.best = way.name, 0.0
        file = ModelFile("onnx", way.precision, path, (graph,))
        self._layouts = [
            (streams, threads, way.backend.load(path, file, "cpu", threads, {})) for streams, threads in layouts
        ]

    def measure(self, inputs: Sequence[Inputs], images: int) -> None:
        """Run images in every layout."""
        for streams, threads, model in self._layouts:
            rate = batches_per_second([model] * streams, inputs, images)
            if rate > self.best:
                self.best, self.layout = rate, f"{streams}x{threads}"


def runners(heads: Path, small: Path, size: int) -> list[Runner]:
    """Load every way that this CPU has."""
    loaded = (runner(way, small if way.quantised else heads, size) for way in WAYS)
    return [each for each in loaded if each is not None]


def runner(way: Way, path: Path, size: int) -> Runner | None:
    """Load a way; None if this CPU does not have its precision."""
    try:
        return Runner(way, path, heads_graph(size, 1), splits(available_cores()))
    except RequirementError as error:
        print(f"{way.name}: {error.what}")
        return None


def has_amx() -> bool:
    return " amx_tile " in Path("/proc/cpuinfo").read_text("ascii", "replace")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--images", type=int, help="inferences in each layout, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    decoder: Any = TINY_DECODER if arguments.model is None else STAND_IN
    model: object = arguments.model or TINY.model_file("onnx", "fp32", "").source
    if not isinstance(model, Path):
        raise TypeError("the tiny model ships with the package")
    size, images = decoder.input_size, arguments.images or (100 if arguments.model is None else 6)
    with tempfile.TemporaryDirectory() as name:
        heads, small = Path(name, "heads.onnx"), Path(name, "heads-int8.onnx")
        cut_at_heads(model, heads, decoder)
        inputs = pictures(CALIBRATION, size)
        quantise_graph(Quantisation("", "", operators=("Conv",)), heads, small, inputs)
        cores = available_cores()
        reference = Runner(Way("reference's way", OnnxRuntime(), "fp32"), model, whole_graph(size), [(cores, cores)])
        ready = [reference, *runners(heads, small, size)]
        for number in range(arguments.rounds):
            for each in ready:
                each.measure(inputs, images)
                print(f"round {number + 1}: {each.name} {each.best:.3f} images/s so far", flush=True)
    for each in ready:
        over = each.best / ready[1].best, each.best / reference.best
        print(
            f"{each.name:18} {each.best:9.3f} images/s ({each.layout})  {over[0]:.2f} times onnxruntime fp32, "
            f"{over[1]:.2f} times the reference's way"
        )
    best = max(each.best for each in ready)
    print(
        f"best {best / ready[1].best:.2f} and {best / reference.best:.2f} (aims here, "
        f"{'with' if has_amx() else 'without'} AMX: at least {AIMS[has_amx()]} and {AIMS_OVER_REFERENCE[has_amx()]})"
    )


if __name__ == "__main__":
    main()
