"""BERT with a head for spans, small or large: what the official model is, without its weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Size:
    """The size of a BERT: layers, width, heads, inner width, the vocabulary's length, the most places."""

    layers: int
    width: int
    heads: int
    inner: int
    vocabulary: int
    places: int


class Attention(nn.Module):
    """Self-attention of several heads, with the sum and the normalisation behind it."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        self.query = nn.Linear(size.width, size.width)
        self.key = nn.Linear(size.width, size.width)
        self.value = nn.Linear(size.width, size.width)
        self.output = nn.Linear(size.width, size.width)
        self.norm = nn.LayerNorm(size.width, eps=1e-12)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """Return ``[n, places, width]``; `bias` is added to the scores, ``[n, 1, 1, places]``."""
        query, key, value = (self._split(each(hidden)) for each in (self.query, self.key, self.value))
        scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5) + bias
        found = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        return self.norm(hidden + self.output(found))

    def _split(self, values: Tensor) -> Tensor:
        return values.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """Attention, and two linear functions of each place."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.attention = Attention(size)
        self.inner = nn.Linear(size.width, size.inner)
        self.outer = nn.Linear(size.inner, size.width)
        self.norm = nn.LayerNorm(size.width, eps=1e-12)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """Return ``[n, places, width]``."""
        hidden = self.attention(hidden, bias)
        return self.norm(hidden + self.outer(nn.functional.gelu(self.inner(hidden))))


class Bert(nn.Module):
    """Pieces to the logits of where an answer starts and ends."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.pieces = nn.Embedding(size.vocabulary, size.width)
        self.places = nn.Embedding(size.places, size.width)
        self.segments = nn.Embedding(2, size.width)
        self.norm = nn.LayerNorm(size.width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.layers))
        self.spans = nn.Linear(size.width, 2)

    def forward(self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return two ``[n, places]``, of three int64 of this shape."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        hidden = self.norm(self.pieces(input_ids) + self.places(places)[None] + self.segments(segment_ids))
        bias = ((1 - input_mask).to(hidden.dtype) * -10_000.0)[:, None, None, :]
        for layer in self.layers:
            hidden = layer(hidden, bias)
        spans = self.spans(hidden)
        return spans[..., 0], spans[..., 1]
