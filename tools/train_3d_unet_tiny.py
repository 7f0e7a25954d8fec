"""Make the tiny 3D-UNet that ships: volumes, training, ONNX, reference values.

Run ``python tools/train_3d_unet_tiny.py`` with the extra ``train`` installed.
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
from unet3d.export import export
from unet3d.network import TINY, UNet3D
from unet3d.scoring import answer, by_count
from unet3d.training import Schedule, load_volumes, train

from pytest_mlperf.datasets.phantom_files import files, generate

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA = Path(__file__).parents[1] / "src" / "pytest_mlperf" / "data"
NAME = "3d-unet-tiny"
VALIDATION_VOLUMES = 43
#: Voxels whose class ONNX Runtime and PyTorch may disagree on, because rounding decides between equal scores.
TOLERANCE = 1e-5


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    network = UNet3D(TINY)
    train(network, load_volumes("train", arguments.volumes, TINY.window), Schedule(arguments.steps), arguments.seed)
    model = arguments.output / f"{NAME}.onnx"
    export(network, model)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        generate(directory, "validation", VALIDATION_VOLUMES)
        values = reference(network, model, directory)
    write_digests(model.with_suffix(".sha256"))
    write_record(arguments, model, values)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DATA, help="where the .onnx and the .json go")
    parser.add_argument("--volumes", type=int, default=200, help="training volumes")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def reference(network: UNet3D, model: Path, directory: Path) -> list[float]:
    """Return PyTorch's mean Dice on the first 1, 2, 3 ... volumes; stop if the ONNX file finds anything else."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def in_torch(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            scores: NDArray[np.float32] = network(torch.from_numpy(windows)).numpy()
        return scores

    def in_onnx(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = session.run(None, {"input": windows})[0]
        return scores

    found = answer(in_torch, directory, VALIDATION_VOLUMES)
    for one, other in zip(found, answer(in_onnx, directory, VALIDATION_VOLUMES), strict=True):
        differing = np.mean(np.frombuffer(one.data, np.uint8) != np.frombuffer(other.data, np.uint8))
        if differing > TOLERANCE:
            raise SystemExit(f"volume {one.qsl_idx}: ONNX has another class than PyTorch in {differing:.2%} of voxels")
    return by_count(found, directory)


def write_digests(target: Path) -> None:
    """Write the digests of the volumes that the reference is of, as sha256sum does."""
    named = [item for index in range(VALIDATION_VOLUMES) for item in files("validation", index).items()]
    write_tiny_digests(named, target)


def write_record(arguments: argparse.Namespace, model: Path, values: list[float]) -> None:
    """Write what the benchmark needs to know of the model: its reference on the whole and on each part."""
    rounded = [round(value, 8) for value in values]
    write_tiny_record(
        model,
        "DICE",
        rounded,
        samples=VALIDATION_VOLUMES,
        window=TINY.window,
        seed=arguments.seed,
        command=(
            f"python tools/train_3d_unet_tiny.py --volumes {arguments.volumes} --steps {arguments.steps}"
            f" --seed {arguments.seed} --threads {arguments.threads}"
        ),
    )


if __name__ == "__main__":
    main()
