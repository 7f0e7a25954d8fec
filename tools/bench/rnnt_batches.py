"""RNN-T in batches against one utterance at a time, in turn, on the shipped tiny model or one of the official width.

Run ``python tools/bench/rnnt_batches.py [--official] [--batch 32] [--utterances 96] [--rounds 3]``. Both ways compute
the features and must give the same labels. ``--official`` makes a network of the official width with random weights.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.rnnt import OFFICIAL, TINY
from pytest_mlperf.benchmarks.rnnt_graphs import AFTER, BEFORE, EMBED, JOINT, PREDICTION, write_graphs
from pytest_mlperf.datasets.digit_speech import speak
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.rnnt import Rnnt


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        benchmark = OFFICIAL if arguments.official else TINY
        directory = shipped("rnnt-tiny")
        if arguments.official:
            directory = Path(name)
            write_graphs(official_weights(), directory)
        model = OnnxRuntime().load(directory, benchmark.models[0], "cpu", 1, {})
        spoken = [speak("calibration", index).samples for index in range(arguments.utterances)]
        waveforms = [samples.astype(np.float32) / np.float32(32768) for samples in spoken]
        waveforms.sort(key=benchmark.cost)
        times: dict[int, list[float]] = {1: [], arguments.batch: []}
        answers: dict[int, list[bytes]] = {}
        for _ in range(arguments.rounds):
            for batch, taken in times.items():
                start = time.perf_counter()
                answers[batch] = answer(benchmark, model, waveforms, batch)
                taken.append(time.perf_counter() - start)
    same = sum(a == b for a, b in zip(answers[1], answers[arguments.batch], strict=True))
    ratios = [one / many for one, many in zip(times[1], times[arguments.batch], strict=True)]
    for batch, taken in times.items():
        print(f"batch {batch:3}: {len(waveforms) / min(taken):8.1f} utterances/s")
    print(f"ratio, median of {len(ratios)}: {statistics.median(ratios):.2f}; equal answers: {same} of {len(waveforms)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official", action="store_true", help="official width, random weights")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--utterances", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def answer(benchmark: Rnnt, model: Any, waveforms: list[NDArray[np.float32]], batch: int) -> list[bytes]:
    """Return the answers of all waveforms, in batches."""
    answers = []
    for start in range(0, len(waveforms), batch):
        part = waveforms[start : start + batch]
        records = benchmark.answer(model, part, range(len(part)), lambda *_: None)
        ends = zip(records.offsets, records.offsets[1:], strict=False)
        answers += [records.data[first:last].tobytes() for first, last in ends]
    return answers


def official_weights() -> dict[str, NDArray[np.float32]]:
    """Return random weights of the official sizes; the blank is probable, as in speech."""
    random = np.random.default_rng(0)
    weights = {EMBED: random.standard_normal((28, 320), np.float32)}

    def add(name: str, *shape: int) -> None:
        weights[name] = random.standard_normal(shape, np.float32) / np.float32(shape[-1] ** 0.5)

    for name, inputs, hidden, layers in ((BEFORE, 240, 1024, 2), (AFTER, 2048, 1024, 3), (PREDICTION, 320, 320, 2)):
        for layer in range(layers):
            add(f"{name}.weight_ih_l{layer}", 4 * hidden, hidden if layer else inputs)
            add(f"{name}.weight_hh_l{layer}", 4 * hidden, hidden)
            for kind in ("ih", "hh"):
                weights[f"{name}.bias_{kind}_l{layer}"] = np.zeros(4 * hidden, np.float32)
    for name, rows, columns in ((JOINT[0], 512, 1344), (JOINT[1], 29, 512)):
        add(f"{name}.weight", rows, columns)
        weights[f"{name}.bias"] = np.zeros(rows, np.float32)
    weights[f"{JOINT[1]}.bias"][28] = 0.5
    return weights


if __name__ == "__main__":
    main()
