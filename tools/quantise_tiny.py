"""Make the int8 forms of the tiny models that ship, and say what they cost in accuracy.

Run ``python tools/quantise_tiny.py [BENCHMARK ...]`` with the extra ``train`` installed. ONNX Runtime's static
quantisation chooses the scales from calibration samples, which are disjoint from those that are scored. The table has
each model's metric in float32 and in int8, on all validation samples, computed through the benchmark's own answers and
metric.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from pytest_mlperf.artifacts.layout import default_cache_dir
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.origin import MissingFile, Remote
from pytest_mlperf.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_mlperf.backends.base import Inputs
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.benchmarks.base import Benchmark

DATA = Path(__file__).parents[1] / "src" / "pytest_mlperf" / "data"
THREADS = 2
#: The first version of ONNX's operators in which a tensor has a scale for each channel.
SCALES_BY_CHANNEL = 13


@dataclass(frozen=True)
class Quantisation:
    """How a tiny model is quantised.

    Attributes
    ----------
    benchmark
        One of the benchmarks that use it.
    samples
        The module whose ``calibration()`` yields graph names and inputs.
    operators
        The operators that compute in int8; the others stay in float32.
    keep
        Beginnings of the names of nodes that stay in float32.
    method
        How the range of a tensor is chosen.
    batch
        Samples that are answered at once when the model is scored.
    """

    benchmark: str
    samples: str
    operators: tuple[str, ...] = ("Conv", "Gemm", "MatMul")
    keep: tuple[str, ...] = ()
    method: CalibrationMethod = CalibrationMethod.MinMax
    batch: int = 8


MODELS = (
    Quantisation("resnet50-tiny", "resnet50.calibration"),
    Quantisation("retinanet-tiny", "retinanet.calibration", operators=("Conv",), batch=1),
    Quantisation("yolo-99-tiny", "yolo.calibration", operators=("Conv",)),
    Quantisation("bert-99-tiny", "bert.calibration", operators=("MatMul",), batch=16),
    Quantisation("rnnt-tiny", "rnnt.calibration", operators=("MatMul", "Gemm"), batch=32),
    Quantisation("3d-unet-99-tiny", "unet3d.calibration", operators=("Conv", "ConvTranspose"), batch=4),
)


class Reader(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    """Gives ONNX Runtime the calibration inputs one by one."""

    def __init__(self, inputs: Sequence[Inputs]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> Inputs | None:
        return next(self._inputs, None)


def main() -> None:
    names = {each.benchmark: each for each in MODELS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", nargs="*", help=f"of {', '.join(names)}; default: all")
    parser.add_argument("--score-only", action="store_true", help="score the models that are there")
    parser.add_argument("--cache", type=Path, default=default_cache_dir(os.environ), help="where the data sets go")
    arguments = parser.parse_args()
    if unknown := set(arguments.benchmark) - names.keys():
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    print("| model | metric | float32 | int8 | int8 over float32 | 99 % | 99.9 % |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.benchmark or names:
        print(row(names[name], Store(arguments.cache), make=not arguments.score_only), flush=True)


def row(how: Quantisation, store: Store, *, make: bool) -> str:
    """Quantise a model, and return the table's row."""
    benchmark = Registry().benchmark(how.benchmark)
    exact, small = (next(each for each in benchmark.models if each.precision == p) for p in ("fp32", "int8"))
    if make:
        quantise(how, exact, small)
    values = [score(benchmark, file, store, how.batch) for file in (exact, small)]
    share = values[1] / values[0]
    name = benchmark.metric.name
    reached = " | ".join("reached" if share >= target else "missed" for target in (0.99, 0.999))
    return f"| {how.benchmark} | {name} | {values[0]:.5g} | {values[1]:.5g} | {share:.4f} | {reached} |"


def quantise(how: Quantisation, exact: ModelFile, small: ModelFile) -> None:
    """Write the int8 form of each graph; a graph without calibration inputs is copied."""
    inputs = defaultdict[str, list[Any]](list)
    for graph, feed in import_module(how.samples).calibration():
        inputs[graph].append(feed)
    for graph in exact.graphs:
        source, target = (_graph_file(file, graph.file) for file in (exact, small))
        target.parent.mkdir(exist_ok=True)
        if not inputs[graph.name]:
            target.write_bytes(source.read_bytes())
            continue
        quantise_graph(how, source, target, inputs[graph.name])


def quantise_graph(how: Quantisation, source: Path, target: Path, inputs: Sequence[Inputs]) -> None:
    """Write the int8 form of one graph, calibrated with these inputs."""
    import onnx
    from onnx import version_converter

    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    model = onnx.load(str(prepared))
    if model.opset_import[0].version < SCALES_BY_CHANNEL:
        onnx.save(version_converter.convert_version(model, SCALES_BY_CHANNEL), str(prepared))
    nodes = [node.name for node in model.graph.node]
    try:
        quantize_static(
            str(prepared),
            str(target),
            Reader(inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(how.operators),
            nodes_to_exclude=[name for name in nodes if name.startswith(how.keep)] if how.keep else [],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=how.method,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )
    finally:
        prepared.unlink()


def _graph_file(file: ModelFile, name: str) -> Path:
    if not isinstance(file.source, Path):
        raise SystemExit(f"{file} does not ship")
    return file.source / name if file.directory else file.source


def score(benchmark: Benchmark, file: ModelFile, store: Store, batch: int) -> float:
    """Return the metric's value on all samples."""
    size = benchmark.dataset.size
    source = benchmark.dataset.source(size or 0)
    if size is None:
        raise SystemExit("a tiny data set has a size")
    if isinstance(source, (Remote, MissingFile)):
        raise SystemExit(f"the data set of {benchmark.dataset.name} is not generated")
    directory = source if isinstance(source, Path) else store.get(source).path
    samples = benchmark.dataset.open(directory, size, file.variant)
    model = OnnxRuntime().load(_graph_file(file, ""), file, "cpu", THREADS, {})

    def records() -> Iterator[Record]:
        for start in range(0, size, batch):
            indices = range(start, min(start + batch, size))
            data, offsets = benchmark.answer(model, [samples[i] for i in indices], indices, _ignore)
            content = data.tobytes()
            for place, index in enumerate(indices):
                yield Record(index, content[offsets[place] : offsets[place + 1]])

    values: Mapping[str, float] = benchmark.metric.score(records(), directory)
    return values[benchmark.metric.name]


def _ignore(place: int, token: object) -> None:
    """Ignore a first token."""


if __name__ == "__main__":
    main()
