"""Make the tiny RetinaNet that ships: scenes, training, ONNX, reference value.

Run ``python tools/train_retinanet_tiny.py`` with the extra ``train`` installed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from retinanet.config import TINY
from retinanet.detector import Detector
from retinanet.export import export
from retinanet.model import RetinaNet
from retinanet.scoring import Detections, by_count
from retinanet.training import Schedule, load_scenes, train
from tiny_record import write_digests as write_tiny_digests
from tiny_record import write_record as write_tiny_record

from pytest_mlperf.datasets.digit_scenes import ANNOTATIONS, file_name, generate
from pytest_mlperf.datasets.images import preprocess_stretch

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
    network = RetinaNet(TINY)
    with tempfile.TemporaryDirectory() as directory:
        scenes = Path(directory)
        generate(scenes / "train", "train", arguments.scenes, workers=arguments.threads)
        generate(scenes / "validation", "validation", VALIDATION_SCENES, workers=arguments.threads)
        train(
            network,
            load_scenes(scenes / "train", TINY.input_size, arguments.threads),
            Schedule(arguments.epochs),
            arguments.seed,
        )
        detector = Detector(network.to(memory_format=torch.contiguous_format)).eval()
        model = arguments.output / "retinanet-tiny.onnx"
        export(detector, model)
        found = find(detector, model, scenes / "validation")
        values = by_count(scenes / "validation" / ANNOTATIONS, found, TINY.input_size)
        write_digests(scenes / "validation", model.with_suffix(".sha256"))
    write_record(arguments, model, values)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DATA, help="where the .onnx and the .json go")
    parser.add_argument("--scenes", type=int, default=10000, help="training scenes")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def find(detector: torch.nn.Module, model: Path, directory: Path) -> list[Detections]:
    """Return PyTorch's detections in the validation scenes; stop if the ONNX file finds anything else."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    found = []
    for index in range(VALIDATION_SCENES):
        path = directory / "validation" / "data" / file_name(index)
        images = preprocess_stretch(path, TINY.input_size)[None]
        with torch.inference_mode():
            boxes, scores, labels = (value.numpy() for value in detector(torch.from_numpy(images)))
        found.append(Detections(boxes, scores, labels))
        _compare(found[-1], Detections(*session.run(None, {"images": images})), index)
    return found


def _compare(torch_found: Detections, onnx_found: Detections, index: int) -> None:
    """Stop if a confident detection of PyTorch is not one of ONNX; at the thresholds rounding decides."""
    for box, score, label in zip(torch_found.boxes, torch_found.scores, torch_found.labels, strict=True):
        if score < 0.1:
            continue
        same = (
            (onnx_found.labels == label)
            & (np.abs(onnx_found.scores - score) < SCORE_TOLERANCE)
            & (np.abs(onnx_found.boxes - box).max(1, initial=0) < BOX_TOLERANCE)
        )
        if not same.any():
            raise SystemExit(f"scene {index}: ONNX has no detection like PyTorch's {label} {score} {box}")


def write_digests(directory: Path, target: Path) -> None:
    """Write the digests of the scenes that the reference is of, as sha256sum does."""
    names = [ANNOTATIONS, *(f"validation/data/{file_name(index)}" for index in range(VALIDATION_SCENES))]
    write_tiny_digests(((name, (directory / name).read_bytes()) for name in names), target)


def write_record(arguments: argparse.Namespace, model: Path, values: list[float | None]) -> None:
    """Write what the benchmark needs to know of the model: its reference on the whole and on each part."""
    percent = [None if value is None else round(100 * value, 6) for value in values]
    write_tiny_record(
        model,
        "mAP",
        percent,
        samples=VALIDATION_SCENES,
        input_size=TINY.input_size,
        seed=arguments.seed,
        command=(
            f"python tools/train_retinanet_tiny.py --scenes {arguments.scenes} --epochs {arguments.epochs}"
            f" --seed {arguments.seed} --threads {arguments.threads}"
        ),
    )


if __name__ == "__main__":
    main()
