"""Greedy decoding in PyTorch, and the word errors of the first 1, 2, 3 … utterances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_mlperf.metrics.accuracy_log import Record
from pytest_mlperf.metrics.word_error_rate import WordErrorRate
from rnnt.model import BLANK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnt.model import RNNT

MOST_STEPS = 30


def decode(network: RNNT, features: torch.Tensor) -> list[int]:
    """Return the labels of one utterance, ``[frames, 240]``, decoded as the reference does it."""
    with torch.inference_mode():
        return _decode(network, features)


def _decode(network: RNNT, features: torch.Tensor) -> list[int]:
    encoded = network.encoder(features[None], torch.tensor([len(features)]))[0]
    labels: list[int] = []
    predicted, state = network.prediction.dec_rnn.lstm(torch.zeros(1, 1, network.prediction.embed.embedding_dim))
    for frame in encoded:
        for _ in range(MOST_STEPS):
            label = int(network.joint(frame[None, None], predicted).argmax())
            if label == BLANK:
                break
            labels.append(label)
            embedded = network.prediction.embed(torch.tensor([[label]]))
            predicted, state = network.prediction.dec_rnn.lstm(embedded, state)
    return labels


def by_count(found: Sequence[Sequence[int]], references: Sequence[str]) -> list[float]:
    """Return the accuracy in percent of the first 1, 2, 3 … utterances, through the benchmark's metric."""
    records = [Record(index, np.array(labels, "<i8").tobytes()) for index, labels in enumerate(found)]
    metric = WordErrorRate()
    return [metric.score_against(records[:count], references)["word accuracy"] for count in range(1, len(records) + 1)]
