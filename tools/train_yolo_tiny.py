"""Make the tiny YOLO that ships: scenes, training, ONNX, reference value.

Run ``python tools/train_yolo_tiny.py`` with the extra ``train`` installed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch
from tiny_record import write_digests as write_tiny_digests
from tiny_record import write_record as write_tiny_record
from yolo.config import TINY
from yolo.export import export
from yolo.network import Detector
from yolo.scoring import by_count, record
from yolo.training import Schedule, load_scenes, train

from pytest_mlperf.benchmarks.yolo import TINY_99 as BENCHMARK
from pytest_mlperf.datasets.digit_scenes import generate
from pytest_mlperf.datasets.openimages import used_files

if TYPE_CHECKING:
    from pytest_mlperf.metrics.accuracy_log import Record

DATA = Path(__file__).parents[1] / "src" / "pytest_mlperf" / "data"
VALIDATION_SCENES = 500
# Differences of rounding between PyTorch's and onnxruntime's convolutions.
BOX_TOLERANCE, SCORE_TOLERANCE = 0.05, 1e-4


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    network = Detector(TINY)
    trained(network, arguments)
    network.to(memory_format=torch.contiguous_format).eval()
    model = arguments.output / "yolo-tiny.onnx"
    export(network, model)
    with tempfile.TemporaryDirectory() as directory:
        scenes = Path(directory)
        generate(scenes, "validation", VALIDATION_SCENES, workers=arguments.threads)
        values = by_count(find(network, model, scenes), scenes)
        write_digests(scenes, model.with_suffix(".sha256"))
    write_record(arguments, model, values)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DATA, help="where the .onnx and the .json go")
    parser.add_argument("--weights", type=Path, help="file to keep the weights in; if it is there, nothing is trained")
    parser.add_argument("--scenes", type=int, default=10_000, help="training scenes")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def trained(network: Detector, arguments: argparse.Namespace) -> None:
    """Train the network, or load the weights of an earlier training."""
    weights: Path | None = arguments.weights
    if weights is not None and weights.exists():
        network.load_state_dict(torch.load(weights, weights_only=True))
        return
    train(network, load_scenes(network, arguments.scenes), Schedule(arguments.epochs), arguments.seed)
    if weights is not None:
        torch.save(network.state_dict(), weights)


def find(network: Detector, model: Path, scenes: Path) -> list[Record]:
    """Return the records of PyTorch's outputs for the validation scenes; stop if ONNX Runtime's differ."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    samples = BENCHMARK.dataset.open(scenes, VALIDATION_SCENES, "")
    records = []
    for index in range(VALIDATION_SCENES):
        images = samples[index]["images"][None]
        with torch.inference_mode():
            raw = network(torch.from_numpy(images)).numpy()
        (other,) = session.run(["output0"], {"images": images})
        far = np.abs(raw - other).max(axis=(0, 2))
        if far[:4].max() > BOX_TOLERANCE or far[4:].max() > SCORE_TOLERANCE:
            raise SystemExit(f"scene {index}: ONNX differs by {far[:4].max()} pixels, {far[4:].max()} in the score")
        records.append(record(raw, samples[index], index))
    return records


def write_digests(scenes: Path, target: Path) -> None:
    """Write the digests of the scenes that the reference is of, as sha256sum does."""
    names = used_files(scenes, VALIDATION_SCENES)
    write_tiny_digests(((name, (scenes / name).read_bytes()) for name in names), target)


def write_record(arguments: argparse.Namespace, model: Path, values: list[float | None]) -> None:
    """Write what the benchmark needs to know of the model: its reference on the whole and on each part."""
    percent = [None if value is None else round(value, 6) for value in values]
    write_tiny_record(
        model,
        "mAP",
        percent,
        samples=VALIDATION_SCENES,
        input_size=TINY.input_size,
        seed=arguments.seed,
        command=(
            f"python tools/train_yolo_tiny.py --scenes {arguments.scenes} --epochs {arguments.epochs}"
            f" --seed {arguments.seed} --threads {arguments.threads}"
        ),
    )


if __name__ == "__main__":
    main()
