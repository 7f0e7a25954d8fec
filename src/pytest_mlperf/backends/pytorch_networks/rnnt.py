"""RNN-T: encoder, prediction network and joint network, with the names of the published checkpoint's weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Two frames are stacked between the encoder's parts; 28 labels are embedded, and the start is none of them.
STACKED, LABELS = 2, 28


class Recurrent(nn.Module):
    """LSTM layers under the name that their weights have."""

    def __init__(self, inputs: int, hidden: int, layers: int, *, batch_first: bool = True) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, layers, batch_first=batch_first)


class Encoder(nn.Module):
    """Features and lengths to what was heard: one row for two frames."""

    def __init__(self, features: int, hidden: int, before: int, after: int) -> None:
        super().__init__()
        self.pre_rnn = Recurrent(features, hidden, before)
        self.post_rnn = Recurrent(STACKED * hidden, hidden, after)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return [n, ceil(frames / 2), hidden]; behind a sample's length the first part's output is 0."""
        value, _ = self.pre_rnn.lstm(features)
        frames = torch.arange(value.shape[1], device=value.device)
        value = torch.where((frames < lengths[:, None])[..., None], value, 0.0)
        value = functional.pad(value, (0, 0, 0, value.shape[1] % STACKED))
        encoded: Tensor = self.post_rnn.lstm(value.reshape(len(value), -1, STACKED * value.shape[2]))[0]
        return encoded


class Prediction(nn.Module):
    """The last label and a state to what is expected, and the next state."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(LABELS, width)
        self.dec_rnn = Recurrent(width, width, layers)

    def forward(self, label: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return [n, width], and both states [n, layers, width]; the label 28, the start, is a row of zeros."""
        known = label < LABELS
        embedded = self.embed(torch.where(known, label, 0)) * known[:, None]
        state = hidden.transpose(0, 1).contiguous(), cell.transpose(0, 1).contiguous()
        made, (hidden, cell) = self.dec_rnn.lstm(embedded[:, None], state)
        return made[:, 0], hidden.transpose(0, 1), cell.transpose(0, 1)


class Joint(nn.Module):
    """What was heard and what is expected to the scores of labels."""

    def __init__(self, before: int, inner: int) -> None:
        super().__init__()
        # Numbers are those of the checkpoint, where the third one is for training.
        self.net = nn.Sequential(nn.Linear(before, inner), nn.ReLU(), nn.Identity(), nn.Linear(inner, LABELS + 1))

    def forward(self, encoded: Tensor, predicted: Tensor) -> Tensor:
        """Return [n, 29]."""
        scores: Tensor = self.net(torch.cat([encoded, predicted], 1))
        return scores


def rnnt(state: Mapping[str, Tensor]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return the network and its three graphs, of the sizes of the weights."""
    first = state["encoder.pre_rnn.lstm.weight_ih_l0"]
    width = state["prediction.embed.weight"].shape[1]
    inner, before = state["joint.net.0.weight"].shape
    hidden = len(first) // 4
    encoder = Encoder(first.shape[1], hidden, _layers(state, "encoder.pre_rnn"), _layers(state, "encoder.post_rnn"))
    graphs: dict[str, nn.Module] = {
        "encoder": encoder,
        "prediction": Prediction(width, _layers(state, "prediction.dec_rnn")),
        "joint": Joint(before, inner),
    }
    return nn.ModuleDict(graphs), graphs


def _layers(state: Mapping[str, Tensor], name: str) -> int:
    numbers = [re.fullmatch(re.escape(name) + r"\.lstm\.weight_ih_l(\d{1,3})", key) for key in state]
    return max((int(number[1]) + 1 for number in numbers if number is not None), default=1)
