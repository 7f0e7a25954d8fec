"""The training of the tiny RNN-T on spoken numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from pytest_mlperf.benchmarks.rnnt_features import features
from pytest_mlperf.datasets.digit_speech import speak
from rnnt.loss import transducer_loss
from rnnt.model import BLANK, LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pytest_mlperf.datasets.digit_speech import Split
    from rnnt.model import RNNT

ALPHABET = " abcdefghijklmnopqrstuvwxyz'"
_BATCH = 32
# The encoder also learns to say the labels alone: without it the alignment takes many epochs to be found.
_ALONE = 0.5


@dataclass(frozen=True)
class Utterance:
    """Features, float32 ``[frames, 240]``, and labels, int64."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """How long, and how fast at most."""

    epochs: int
    rate: float = 4e-3


def load(split: Split, count: int) -> list[Utterance]:
    """Return the first spoken numbers of a split."""
    spoken = (speak(split, index) for index in range(count))
    return [
        Utterance(
            features(each.samples.astype(np.float32) / np.float32(32768)),
            np.array([ALPHABET.index(letter) for letter in each.words], np.int64),
        )
        for each in spoken
    ]


def train(network: RNNT, utterances: list[Utterance], schedule: Schedule, seed: int) -> None:
    """Train a network in place."""
    alone = nn.Linear(network.encoder.post_rnn.lstm.hidden_size, LABELS + 1)
    parameters = [*network.parameters(), *alone.parameters()]
    steps = schedule.epochs * (len(utterances) // _BATCH)
    optimizer = torch.optim.AdamW(parameters, schedule.rate, weight_decay=1e-3)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.rate, total_steps=steps, pct_start=0.2)
    generator = np.random.default_rng(seed)
    network.train()
    for epoch in range(schedule.epochs):
        losses = []
        for batch in _batches(utterances, generator):
            optimizer.zero_grad()
            loss = _loss(network, alone, *batch)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
            rates.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}", flush=True)
    network.eval()


def _loss(network: RNNT, alone: nn.Linear, inputs: Tensor, lengths: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    encoded = network.encoder(inputs, lengths)
    times = (lengths + 1) // 2
    logits = network.joint(encoded, network.prediction(labels))
    transducer = transducer_loss(logits, labels, times, counts, BLANK)
    logs = alone(encoded).log_softmax(-1).transpose(0, 1)
    connectionist = nn.functional.ctc_loss(logs, labels, times, counts, BLANK, zero_infinity=True)
    return transducer + _ALONE * connectionist


def _batches(utterances: list[Utterance], generator: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
    """Yield an epoch's batches, each of similar lengths, in random order."""
    noisy = [len(each.features) + generator.random() * 8 for each in utterances]
    order = np.argsort(noisy)
    starts = np.arange(len(order) // _BATCH) * _BATCH
    for start in generator.permutation(starts):
        yield _collated([utterances[index] for index in order[start : start + _BATCH]], generator)


def _collated(batch: list[Utterance], generator: np.random.Generator) -> tuple[Tensor, ...]:
    lengths = [len(each.features) for each in batch]
    counts = [len(each.labels) for each in batch]
    inputs = np.zeros((len(batch), max(lengths), batch[0].features.shape[1]), np.float32)
    labels = np.zeros((len(batch), max(counts)), np.int64)
    for row, each in enumerate(batch):
        inputs[row, : lengths[row]] = each.features
        labels[row, : counts[row]] = each.labels
    inputs += 0.2 * generator.standard_normal(inputs.shape, np.float32)
    return torch.from_numpy(inputs), torch.tensor(lengths), torch.from_numpy(labels), torch.tensor(counts)
