"""Make the tiny BERT that ships: texts, vocabulary, training, ONNX, reference value.

Run ``python tools/train_bert_tiny.py`` with the extra ``train`` installed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from bert.export import INPUTS, OUTPUTS, export
from bert.network import Bert
from bert.scoring import by_count
from bert.tiny import QUESTIONS_FILE, SIZE, VOCABULARY_FILE, write_data
from bert.training import Schedule, padded, prepare, train
from tiny_record import write_digests as write_tiny_digests
from tiny_record import write_record as write_tiny_record

from pytest_mlperf.datasets.squad_features import Feature, ask, features
from pytest_mlperf.datasets.squad_file import read_squad
from pytest_mlperf.datasets.squad_lengths import TINY as LENGTHS
from pytest_mlperf.datasets.wordpiece import WordPieces
from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.span_f1 import SpanF1

DATA = Path(__file__).parents[1] / "src" / "pytest_mlperf" / "data"
# Differences of rounding between PyTorch and ONNX Runtime.
TOLERANCE = 1e-3


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    data = arguments.output / "bert-tiny"
    write_data(data)
    pieces = WordPieces(data / VOCABULARY_FILE)
    network = Bert(SIZE)
    if arguments.weights is None:
        prepare(network)
        train(network, pieces, LENGTHS, Schedule(arguments.steps, arguments.planned, arguments.until), arguments.seed)
    else:
        network.load_state_dict(torch.load(arguments.weights, weights_only=True))
    network.eval()
    model = arguments.output / "bert-tiny.onnx"
    export(network, model, LENGTHS.sequence)
    squad = read_squad(data / QUESTIONS_FILE)
    samples = [each for asked in ask(squad, pieces, LENGTHS) for each in features(asked, pieces)]
    answers = answer(network, model, samples)
    write_digests(data, model.with_suffix(".sha256"))
    write_record(arguments, model, data, answers)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DATA, help="where the model, its record and its data go")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--until", type=float, default=0.6, help="the mean loss at which training ends")
    parser.add_argument("--planned", type=int, default=4000, help="steps over which the rate would fall to its least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--weights", type=Path, help="weights that were trained before: only export and score them")
    return parser.parse_args()


def answer(network: Bert, model: Path, samples: list[Feature]) -> list[Record]:
    """Return PyTorch's logits for each sample; stop if the ONNX file has any others."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    records = []
    for index, sample in enumerate(samples):
        batch = padded([sample])
        with torch.inference_mode():
            logits = torch.stack(network(*map(torch.from_numpy, batch)), -1).numpy()
        other = np.stack(session.run(list(OUTPUTS), dict(zip(INPUTS, batch, strict=True))), -1)
        if (off := float(np.abs(other - logits).max())) > TOLERANCE:
            raise SystemExit(f"sample {index}: ONNX differs from PyTorch by {off:.2g}")
        records.append(Record(index, logits.astype(np.float32).tobytes()))
    return records


def write_digests(data: Path, target: Path) -> None:
    """Write the digests of the questions and of the vocabulary, as sha256sum does."""
    names = (QUESTIONS_FILE, VOCABULARY_FILE)
    write_tiny_digests(((name, (data / name).read_bytes()) for name in names), target)


def write_record(arguments: argparse.Namespace, model: Path, data: Path, answers: list[Record]) -> None:
    """Write what the benchmark needs to know of the model: its reference on the whole and on each part."""
    metric = SpanF1(LENGTHS)
    values = [round(value, 6) for value in by_count(answers, data, metric)]
    whole = metric.score(answers, data)
    write_tiny_record(
        model,
        metric.name,
        values,
        exact_match=round(whole["exact_match"], 6),
        samples=len(answers),
        questions=whole["questions"],
        seed=arguments.seed,
        command=(
            f"python tools/train_bert_tiny.py --steps {arguments.steps} --until {arguments.until}"
            f" --planned {arguments.planned} --seed {arguments.seed} --threads {arguments.threads}"
        ),
    )


if __name__ == "__main__":
    main()
