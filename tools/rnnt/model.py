"""RNN-T with the official network's structure and the names of its checkpoint, in any size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pytest_mlperf.benchmarks.rnnt_features import FEATURES

#: 28 characters, and the blank.
LABELS, BLANK = 28, 28
STACKED = 2


@dataclass(frozen=True)
class Config:
    """The sizes of an RNN-T: hidden values and layers of each part."""

    encoder: int
    before: int
    after: int
    prediction: int
    prediction_layers: int
    joint: int


#: The network of the tiny edition.
TINY = Config(encoder=128, before=1, after=1, prediction=64, prediction_layers=1, joint=96)


class Layers(nn.Module):
    """LSTM layers under the name that the checkpoint has for them."""

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, layers, batch_first=True)


class Encoder(nn.Module):
    """LSTM layers for each feature frame, then for each pair of them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.pre_rnn = Layers(FEATURES, config.encoder, config.before)
        self.post_rnn = Layers(STACKED * config.encoder, config.encoder, config.after)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return ``[n, ceil(frames / 2), hidden]`` for features ``[n, frames, 240]``."""
        frames, _ = self.pre_rnn.lstm(features)
        inside = torch.arange(frames.shape[1]) < lengths[:, None]
        frames = nn.functional.pad(frames * inside[..., None], (0, 0, 0, frames.shape[1] % STACKED))
        encoded, _ = self.post_rnn.lstm(frames.reshape(len(frames), -1, STACKED * frames.shape[2]))
        return encoded


class Prediction(nn.Module):
    """The network that reads the labels so far; before the first one it reads zeros."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed = nn.Embedding(LABELS, config.prediction)
        self.dec_rnn = Layers(config.prediction, config.prediction, config.prediction_layers)

    def forward(self, labels: Tensor) -> Tensor:
        """Return ``[n, labels + 1, hidden]`` for labels ``[n, labels]``."""
        embedded = nn.functional.pad(self.embed(labels), (0, 0, 1, 0))
        predicted, _ = self.dec_rnn.lstm(embedded)
        return predicted


class Joint(nn.Module):
    """The network that says the next label from both; the Dropout of training has no weights."""

    def __init__(self, config: Config, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(config.encoder + config.prediction, config.joint),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(config.joint, LABELS + 1),
        )

    def forward(self, encoded: Tensor, predicted: Tensor) -> Tensor:
        """Return logits ``[n, times, labels + 1, 29]``, without making the pairs of both inputs."""
        first = self.net[0]
        width = encoded.shape[-1]
        from_encoder = encoded @ first.weight[:, :width].T + first.bias
        from_prediction = predicted @ first.weight[:, width:].T
        return self.net[1:](from_encoder[:, :, None] + from_prediction[:, None])


class RNNT(nn.Module):
    """All three parts."""

    def __init__(self, config: Config, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.prediction = Prediction(config)
        self.joint = Joint(config, dropout)
