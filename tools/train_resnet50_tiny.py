"""Make the tiny ResNet-50 that ships: pictures, training, ONNX, reference value.

Run ``python tools/train_resnet50_tiny.py`` with the extra ``train`` installed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch
from resnet50.export import CLASS, INPUT, SCORES, export
from resnet50.network import SIZE, Classifier, ResNet
from resnet50.training import Schedule, load_pictures, train
from tiny_record import write_digests as write_tiny_digests
from tiny_record import write_record as write_tiny_record

from pytest_mlperf.benchmarks.base import Records
from pytest_mlperf.datasets.digit_pictures import file_name, generate
from pytest_mlperf.datasets.imagenet import ImageNetSamples, read_labels
from pytest_mlperf.datasets.imagenet_layout import VAL_MAP
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.top_1 import score_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA = Path(__file__).parents[1] / "src" / "pytest_mlperf" / "data"
VALIDATION_PICTURES = 4000
BATCH = 100
# Differences of rounding between PyTorch's and onnxruntime's convolutions.
SCORE_TOLERANCE = 1e-4


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    network = ResNet()
    train(network, *load_pictures(arguments.pictures, arguments.threads), Schedule(arguments.epochs), arguments.seed)
    model = arguments.output / "resnet50-tiny.onnx"
    export(Classifier(network), model)
    with tempfile.TemporaryDirectory() as directory:
        pictures = Path(directory)
        generate(pictures, VALIDATION_PICTURES, workers=arguments.threads)
        values = by_count(classify(Classifier(network).eval(), model, pictures), read_labels(pictures))
        write_digests(pictures, model.with_suffix(".sha256"))
    write_record(arguments, model, values)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DATA, help="where the .onnx, the .json and the .sha256 go")
    parser.add_argument("--pictures", type=int, default=20000, help="training pictures")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def classify(classifier: Classifier, model: Path, directory: Path) -> NDArray[np.int64]:
    """Return PyTorch's classes of the validation pictures; stop if the ONNX file finds anything else."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    samples = ImageNetSamples(directory, VALIDATION_PICTURES, SIZE, INPUT, "")
    found = []
    for start in range(0, VALIDATION_PICTURES, BATCH):
        images = np.stack([samples[index][INPUT] for index in range(start, start + BATCH)])
        with torch.inference_mode():
            classes, scores = (value.numpy() for value in classifier(torch.from_numpy(images)))
        onnx_classes, onnx_scores = session.run([CLASS, SCORES], {INPUT: images})
        difference = float(np.abs(onnx_scores - scores).max())
        if difference > SCORE_TOLERANCE or (onnx_classes != classes).any():
            raise SystemExit(f"pictures from {start}: ONNX differs from PyTorch by {difference} in a score")
        found.append(classes)
    return np.concatenate(found)


def by_count(classes: NDArray[np.int64], labels: list[int]) -> list[float]:
    """Return the accuracy of the first 1, 2, 3 ... pictures in percent, by the benchmark's records and metric."""
    data, offsets = Records.rows((classes - 1).astype(np.float32))
    records = [Record(index, bytes(data[offsets[index] : offsets[index + 1]])) for index in range(len(classes))]
    good = np.cumsum([score_labels([record], labels)["good"] for record in records])
    whole = score_labels(records, labels)
    values = [float(100.0 * part / count) for count, part in enumerate(good, 1)]
    if values[-1] != whole["acc"]:
        raise SystemExit(f"the parts say {values[-1]}, the whole {whole['acc']}")
    return values


def write_digests(directory: Path, target: Path) -> None:
    """Write the digests of the pictures that the reference is of, as sha256sum does."""
    names = [VAL_MAP, *map(file_name, range(VALIDATION_PICTURES))]
    write_tiny_digests(((name, (directory / name).read_bytes()) for name in names), target)


def write_record(arguments: argparse.Namespace, model: Path, values: list[float]) -> None:
    """Write what the benchmark needs to know of the model: its reference on the whole and on each part."""
    percent = [round(value, 6) for value in values]
    write_tiny_record(
        model,
        "acc",
        percent,
        samples=VALIDATION_PICTURES,
        input_size=SIZE,
        seed=arguments.seed,
        command=(
            f"python tools/train_resnet50_tiny.py --pictures {arguments.pictures} --epochs {arguments.epochs}"
            f" --seed {arguments.seed} --threads {arguments.threads}"
        ),
    )


if __name__ == "__main__":
    main()
