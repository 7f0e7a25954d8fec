"""Make the tiny RNN-T that ships: spoken numbers, training, ONNX, reference value.

Run ``python tools/train_rnnt_tiny.py`` with the extra ``train`` installed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from rnnt.model import RNNT, TINY
from rnnt.scoring import by_count, decode
from rnnt.training import Schedule, load, train
from tiny_record import write_digests as write_tiny_digests
from tiny_record import write_record as write_tiny_record

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks import rnnt as benchmark
from pytest_mlperf.benchmarks.rnnt_features import features
from pytest_mlperf.benchmarks.rnnt_graphs import write_graphs
from pytest_mlperf.datasets.spoken_numbers import LISTS, file_name, generate
from pytest_mlperf.datasets.utterances import transcripts
from pytest_mlperf.datasets.waveforms import Waveforms

DATA = Path(__file__).parents[1] / "src" / "pytest_mlperf" / "data"
NAME = "rnnt-tiny"
UTTERANCES = 400
# Differences of rounding between PyTorch's and onnxruntime's layers.
TOLERANCE = 1e-4


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    network = RNNT(TINY)
    if arguments.weights is None:
        train(network, load("train", arguments.utterances), Schedule(arguments.epochs), arguments.seed)
    else:
        network.load_state_dict(torch.load(arguments.weights, weights_only=True))
    network.eval()
    model = arguments.output / NAME
    model.mkdir(parents=True, exist_ok=True)
    write_graphs({name: value.numpy() for name, value in network.state_dict().items()}, model)
    with tempfile.TemporaryDirectory() as directory:
        numbers = Path(directory)
        generate(numbers, "validation", UTTERANCES)
        values = by_count(find(network, model, numbers), transcripts(numbers, UTTERANCES))
        write_digests(numbers, arguments.output / f"{NAME}.sha256")
    write_record(arguments, model, values)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DATA, help="where the graphs and the .json go")
    parser.add_argument("--utterances", type=int, default=2500, help="training utterances")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--weights", type=Path, help="a state dict to export, instead of training")
    return parser.parse_args()


def find(network: RNNT, model: Path, directory: Path) -> list[list[int]]:
    """Return PyTorch's labels of the validation utterances; stop if the ONNX graphs say anything else."""
    file = benchmark.TINY.models[0]
    session = OnnxRuntime().load(model, file, "cpu", 1, {})
    found = []
    for index, waveform in enumerate(map(Waveforms(directory, UTTERANCES).__getitem__, range(UTTERANCES))):
        values = torch.from_numpy(features(waveform))
        found.append(decode(network, values))
        lengths = np.array([len(values)])
        [encoded] = session.run({"features": values[None].numpy(), "lengths": lengths}, "encoder")
        with torch.inference_mode():
            expected = network.encoder(values[None], torch.from_numpy(lengths)).numpy()
        data = benchmark.TINY.answer(session, [waveform], [index], lambda *_: None).data
        if np.abs(encoded - expected).max() > TOLERANCE or np.frombuffer(data, np.int64).tolist() != found[-1]:
            raise SystemExit(f"utterance {index}: ONNX says something else than PyTorch")
    return found


def write_digests(directory: Path, target: Path) -> None:
    """Write the digests of the utterances that the reference is of, as sha256sum does."""
    names = [*LISTS, *map(file_name, range(UTTERANCES))]
    write_tiny_digests(((name, (directory / name).read_bytes()) for name in names), target)


def write_record(arguments: argparse.Namespace, model: Path, values: list[float]) -> None:
    """Write what the benchmark needs to know of the model: its reference on the whole and on each part."""
    percent = [round(value, 6) for value in values]
    write_tiny_record(
        model,
        "word accuracy",
        percent,
        samples=UTTERANCES,
        seed=arguments.seed,
        command=(
            f"python tools/train_rnnt_tiny.py --utterances {arguments.utterances} --epochs {arguments.epochs}"
            f" --seed {arguments.seed} --threads {arguments.threads}"
        ),
    )


if __name__ == "__main__":
    main()
