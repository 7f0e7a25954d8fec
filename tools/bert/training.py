"""Trains a small BERT on questions that are made as they are needed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import torch
from torch import nn

from bert.texts import squad, training
from pytest_mlperf.datasets.squad_features import Feature, ask, features
from pytest_mlperf.datasets.squad_file import SquadFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bert.network import Bert
    from pytest_mlperf.datasets.squad_lengths import Lengths
    from pytest_mlperf.datasets.wordpiece import WordPieces

#: Paragraphs that are made at once, and then mixed.
_AT_ONCE = 512


class Example(NamedTuple):
    """A sample, and the places of the answer's first and last piece in it; 0 where it is not in the window."""

    feature: Feature
    start: int
    end: int


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    The rate falls over `planned` steps, of which at most the first `steps` are taken. Training ends before when the
    running mean of the loss is below `until`: after how many steps the network finds out that words of the question are
    words of the text depends on rounding, so a number of steps alone would not give the same quality again.
    """

    steps: int
    planned: int
    until: float = 0.0
    batch: int = 32
    rate: float = 1e-3
    warmup: int = 200


def prepare(network: Bert) -> None:
    """Set the weights before training, so that attention prefers near places and pieces that are alike.

    Places are waves in the dimensions of the first head, pieces are random in those of the others, and all heads
    compare what they are given. A network this small would need long to find out by itself that the words of a question
    are those of the text.
    """
    count, width = network.places.weight.shape
    first = width // network.layers[0].attention.heads
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.05 if name.startswith(("pieces", "segments")) else 0.02)
        rate = torch.exp(torch.arange(0, first, 2) * (-math.log(200.0) / first))
        angle = torch.arange(count)[:, None] * rate
        network.places.weight[:, :first] = torch.stack([angle.sin(), angle.cos()], -1).flatten(1) * 0.07
        network.places.weight[:, first:] *= 0.1
        network.pieces.weight[:, :first] *= 0.2
        for layer, likeness in zip(network.layers, (0.9, 0.6, 0.4), strict=True):
            attention = layer.attention
            for linear in (attention.query, attention.key):
                linear.weight += likeness * torch.eye(width)
            for linear in (attention.value, attention.output):
                linear.weight += 0.3 * torch.randn(width, width) / math.sqrt(width)


def train(network: Bert, pieces: WordPieces, lengths: Lengths, schedule: Schedule, seed: int) -> None:
    """Train in place."""
    decayed = [each for each in network.parameters() if each.ndim == 2]
    others = [each for each in network.parameters() if each.ndim != 2]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=schedule.rate, betas=(0.9, 0.98))
    batches = _batches(examples(pieces, lengths, seed), schedule.batch, seed)
    average = 6.0
    network.train()
    for step, batch in enumerate(islice(batches, schedule.steps)):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * _rate(step, schedule)
        start, end = network(*map(torch.from_numpy, padded([each.feature for each in batch])))
        loss = nn.functional.cross_entropy(start, torch.tensor([each.start for each in batch]))
        loss = loss + nn.functional.cross_entropy(end, torch.tensor([each.end for each in batch]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average += 0.02 * (loss.item() - average)
        if step % 100 == 99:
            print(f"step {step + 1}: loss {average:.3f}", flush=True)
        if average < schedule.until:
            break
    network.eval()


def _rate(step: int, schedule: Schedule) -> float:
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / (schedule.planned - schedule.warmup)
    return 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * done))


def padded(samples: Sequence[Feature]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return ids, mask and segments of a batch, as long as the longest."""
    ids, mask, segments = (np.zeros((len(samples), max(map(len, samples))), np.int64) for _ in range(3))
    for row, sample in enumerate(samples):
        ids[row, : len(sample)] = sample.ids
        mask[row, : len(sample)] = 1
        segments[row, sample.first : len(sample)] = 1
    return ids, mask, segments


def _batches(source: Iterator[Example], size: int, seed: int) -> Iterator[list[Example]]:
    """Yield batches of about equal lengths, in no order."""
    random = np.random.default_rng(seed)
    while True:
        pool = sorted(islice(source, size * 32), key=lambda each: len(each.feature))
        for number in random.permutation(32):
            yield pool[number * size : (number + 1) * size]


def examples(pieces: WordPieces, lengths: Lengths, seed: int) -> Iterator[Example]:
    """Yield samples of the training split without end; of those without the answer only some."""
    random = np.random.default_rng(seed)
    source = training(seed)
    while True:
        content = msgspec.convert(squad(list(islice(source, _AT_ONCE))), SquadFile)
        found = [each for each in labelled(content, pieces, lengths) if each.start or random.integers(3) == 0]
        for number in random.permutation(len(found)):
            yield found[number]


def labelled(content: SquadFile, pieces: WordPieces, lengths: Lengths) -> Iterator[Example]:
    """Yield the samples of a file with the places of their answers."""
    contexts = [paragraph.context for paragraph in content.paragraphs() for _ in paragraph.qas]
    for context, asked in zip(contexts, ask(content, pieces, lengths), strict=True):
        answer = asked.question.answers[0]
        first_word = len(context[: answer.answer_start].split())
        wanted = pieces.split(answer.text).tokens
        tokens, place = asked.text.tokens, asked.text.word_of.index(first_word)
        while tokens[place : place + len(wanted)] != wanted:
            place += 1
        for feature in features(asked, pieces):
            window = asked.windows[feature.window]
            start, end = place - window.start, place + len(wanted) - 1 - window.start
            inside = start >= 0 and end < window.length
            yield Example(feature, *((start + feature.first, end + feature.first) if inside else (0, 0)))
