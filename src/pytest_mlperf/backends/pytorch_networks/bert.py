"""BERT for questions, with the names of the weights of the published state dict."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

#: bert_config.json of the reference: 64 values for each attention head.
HEAD = 64
EPSILON = 1e-12
MASKED = -10_000.0


class Embeddings(nn.Module):
    """The sum of what a piece, its place and its segment are, normalised."""

    def __init__(self, pieces: int, places: int, segments: int, width: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(pieces, width)
        self.position_embeddings = nn.Embedding(places, width)
        self.token_type_embeddings = nn.Embedding(segments, width)
        self.LayerNorm = nn.LayerNorm(width, EPSILON)

    def forward(self, ids: Tensor, segments: Tensor) -> Tensor:
        """Return [n, length, width]."""
        places = self.position_embeddings.weight[: ids.shape[1]]
        summed: Tensor = self.LayerNorm(self.word_embeddings(ids) + places + self.token_type_embeddings(segments))
        return summed


class Projections(nn.Module):
    """Queries, keys and values of an attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, value: Tensor, mask: Tensor) -> Tensor:
        """Return what each place gathers from the others."""

        def heads(values: Tensor) -> Tensor:
            return values.view(*values.shape[:2], -1, HEAD).transpose(1, 2)

        made = functional.scaled_dot_product_attention(
            heads(self.query(value)), heads(self.key(value)), heads(self.value(value)), attn_mask=mask
        )
        return made.transpose(1, 2).reshape(value.shape)


class Output(nn.Module):
    """A linear layer, added to what there was, normalised."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(before, width)
        self.LayerNorm = nn.LayerNorm(width, EPSILON)

    def forward(self, value: Tensor, beside: Tensor) -> Tensor:
        """Return the sum."""
        summed: Tensor = self.LayerNorm(self.dense(value) + beside)
        return summed


class Layer(nn.Module):
    """Attention, and two linear layers; the names are those of the weights."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": Projections(width), "output": Output(width, width)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = Output(inner, width)

    def forward(self, value: Tensor, mask: Tensor) -> Tensor:
        """Return the values of the next layer."""
        value = self.attention["output"](self.attention["self"](value, mask), value)
        after: Tensor = self.output(functional.gelu(self.intermediate["dense"](value)), value)
        return after


class Bert(nn.Module):
    """Pieces, mask and segments to the logits of the answer's start and end."""

    def __init__(self, pieces: int, places: int, segments: int, width: int, inner: int, layers: int) -> None:
        super().__init__()
        encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(width, inner) for _ in range(layers))})
        self.bert = nn.ModuleDict({"embeddings": Embeddings(pieces, places, segments, width), "encoder": encoder})
        self.qa_outputs = nn.Linear(width, 2)

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Return both logits of each place."""
        value = self.bert["embeddings"](ids, segments)
        added = ((1 - mask) * MASKED).to(value.dtype)[:, None, None, :]
        for layer in self.bert["encoder"]["layer"]:
            value = layer(value, added)
        start, end = self.qa_outputs(value).unbind(-1)
        return start, end


def bert(state: Mapping[str, Tensor]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return the network, of the sizes of the weights."""
    place = "bert.embeddings.{}_embeddings.weight"
    pieces, width = state[place.format("word")].shape
    numbers = [re.match(r"bert\.encoder\.layer\.(\d{1,3})\.", name) for name in state]
    network = Bert(
        pieces,
        len(state[place.format("position")]),
        len(state[place.format("token_type")]),
        width,
        len(state["bert.encoder.layer.0.intermediate.dense.bias"]),
        1 + max(int(number[1]) for number in numbers if number is not None),
    )
    return network, {"": network}
