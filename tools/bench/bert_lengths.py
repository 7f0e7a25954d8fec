"""BERT in Offline through the plugin, at the real lengths of its windows, against one padded window a call.

    python tools/bench/bert_lengths.py

The model has the official width, heads and vocabulary, random weights, and by default 4 of the 24 layers: the time of a
window goes with the layers, the ratio does not. Lengths are drawn as those of SQuAD's windows are spread: the logarithm
is normal, with a mean of 180 pieces with the question and a deviation of 0.40, and none is longer than 384. The ways
take turns, and have all cores. The second one is that of the reference harness: a thread for each window, of which as
many run as there are cores, while the thread that starts them waits for a free place without ever sleeping.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from plugin_run import ONNXRUNTIME, run

sys.path.insert(0, str(Path(__file__).parents[1]))

from bert.export import export
from bert.network import Bert, Size

from pytest_mlperf.backends.onnxruntime import OnnxRuntime
from pytest_mlperf.benchmarks.bert import LENGTHS, OFFICIAL_99
from pytest_mlperf.datasets.vocabulary_form import UNCASED
from pytest_mlperf.machine.cores import available_cores

if TYPE_CHECKING:
    from pytest_mlperf.datasets.squad_features import Feature

MEAN, DEVIATION, LONGEST = 180, 0.40, 384
#: [CLS], a question of ten pieces, two [SEP].
AROUND = 13


def write_model(path: Path, layers: int) -> None:
    """Write a BERT of the official width that takes any length."""
    torch.manual_seed(0)
    size = Size(layers=layers, width=1024, heads=16, inner=4096, vocabulary=UNCASED.lines, places=512)
    export(Bert(size), path, 16)


def write_dataset(directory: Path, count: int) -> None:
    """Write one question a paragraph, so long that its only window has the drawn length."""
    random = np.random.default_rng(0)
    shift = np.log(MEAN) - DEVIATION**2 / 2
    lengths = np.exp(random.normal(shift, DEVIATION, count)).astype(int).clip(AROUND + 8, LONGEST)
    lines = [f"[unused{number}]" for number in range(UNCASED.lines)]
    for piece, number in UNCASED.special:
        lines[number] = piece
    lines[1000] = "w"
    (directory / "vocab.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    paragraphs = [
        {
            "context": " ".join(["w"] * (int(length) - AROUND)),
            "qas": [{"id": str(number), "question": "w " * 10, "answers": [{"text": "w", "answer_start": 0}]}],
        }
        for number, length in enumerate(lengths)
    ]
    content = {"version": "1.1", "data": [{"title": "lengths", "paragraphs": paragraphs}]}
    (directory / "dev-v1.1.json").write_text(json.dumps(content), encoding="utf-8")


def padded_rate(model: Path, samples: list[Feature], count: int, threads: int) -> float:
    """Return the windows a second of a bare loop with one window of 384 places a call."""
    row = OFFICIAL_99.model_file("onnx", "fp32", "")
    loaded = OnnxRuntime().load(model, row, "cpu", threads, {})
    batches = [OFFICIAL_99.collate([sample]) for sample in samples[:count]]
    loaded.run(batches[0])
    start = time.perf_counter()
    for batch in batches:
        loaded.run(batch)
    return len(batches) / (time.perf_counter() - start)


def waiting_rate(model: Path, samples: list[Feature], count: int, threads: int) -> float:
    """Return the windows a second where one thread for each window is started by one that waits busily."""
    row = OFFICIAL_99.model_file("onnx", "fp32", "")
    loaded = OnnxRuntime().load(model, row, "cpu", threads, {})
    batches = [OFFICIAL_99.collate([sample]) for sample in samples[:count]]
    loaded.run(batches[0])
    before, workers = threading.active_count(), []
    start = time.perf_counter()
    for batch in batches:
        workers.append(threading.Thread(target=loaded.run, args=(batch,)))
        workers[-1].start()
        while threading.active_count() - before >= threads:
            pass
    for worker in workers:
        worker.join()
    return len(batches) / (time.perf_counter() - start)


def plugin_rate(model: Path, data: Path, count: int) -> float:
    """Return the windows a second that LoadGen measured."""
    log, _ = run(
        benchmark="pytest_mlperf.benchmarks.bert:OFFICIAL_99",
        backend=ONNXRUNTIME,
        scenario="Offline",
        model=str(model),
        dataset=str(data),
        sample_count=count,
        test_query_count=count,
        variant=LENGTHS,
    )
    return log.number("result_samples_per_second") or 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--samples", type=int, default=64, help="windows of a run through the plugin")
    parser.add_argument("--padded", type=int, default=16, help="windows of a bare loop")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ratios, waiting = [], []
    with tempfile.TemporaryDirectory() as name:
        model, data = Path(name) / "bert.onnx", Path(name)
        write_model(model, options.layers)
        write_dataset(data, options.samples)
        opened = OFFICIAL_99.dataset.open(data, options.samples, "")
        samples = [opened[index] for index in range(options.samples)]
        mean = statistics.mean(map(len, samples))
        print(f"{options.samples} windows, {mean:.0f} pieces on average, {available_cores()} threads; windows/s")
        for _ in range(options.rounds):
            padded = padded_rate(model, samples, options.padded, available_cores())
            plugin = plugin_rate(model, data, options.samples)
            ratios.append(plugin / padded)
            waiting.append(plugin / waiting_rate(model, samples, options.padded, available_cores()))
            print(
                f"  padded {padded:.2f}   plugin {plugin:.2f}   ratio {ratios[-1]:.2f}, "
                f"with busy waiting {waiting[-1]:.2f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.2f} (aim: at least 1.8)")
    print(f"median ratio where the reference waits busily {statistics.median(waiting):.2f} (aim: at least 4)")


if __name__ == "__main__":
    main()
