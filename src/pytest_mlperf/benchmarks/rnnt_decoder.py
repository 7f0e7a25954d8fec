"""Greedy decoding of an RNN-T, all samples of a batch side by side, each at its own frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Model

BLANK: Final = 28
START: Final = BLANK
"""What the prediction network reads before the first label: a row of zeros."""

MOST_STEPS: Final = 30
"""The most evaluations of the joint network for a frame, with the one that says blank."""


def decode(
    model: Model,
    encoded: NDArray[np.float32],
    lengths: NDArray[np.int64],
    state: tuple[int, int],
    first: Callable[[int, int], None],
) -> list[list[int]]:
    """Return the labels of each sample.

    A frame is left when the blank is the most probable, or after 30 steps. The prediction network is run after a label
    only: after a blank its input is the same as before.

    Parameters
    ----------
    model
        Has the graphs ``prediction`` and ``joint``.
    encoded
        float32 ``[n, frames, hidden]``.
    lengths
        int64 ``[n]``: the frames that each sample has.
    state
        Layers and hidden values of the prediction network.
    first
        Called with the row and the label of each sample's first label.
    """
    count = len(encoded)
    labels: list[list[int]] = [[] for _ in range(count)]
    frame, steps = np.zeros(count, np.int64), np.zeros(count, np.int64)
    states = (np.zeros((count, *state), np.float32), np.zeros((count, *state), np.float32))
    predicted, *states_now = model.run(_inputs(np.full(count, START, np.int64), *states), "prediction")
    hidden, cell = states_now
    going = np.flatnonzero(lengths > 0)
    while len(going):
        [logits] = model.run({"encoded": encoded[going, frame[going]], "predicted": predicted[going]}, "joint")
        chosen: NDArray[np.int64] = logits.argmax(1)
        said = chosen != BLANK
        speaking, spoken = going[said], chosen[said]
        if len(speaking):
            for row, label in zip(speaking.tolist(), spoken.tolist(), strict=True):
                if not labels[row]:
                    first(row, label)
                labels[row].append(label)
            predicted[speaking], hidden[speaking], cell[speaking] = model.run(
                _inputs(spoken, hidden[speaking], cell[speaking]), "prediction"
            )
        steps[going] += 1
        leaving = going[~said | (steps[going] == MOST_STEPS)]
        frame[leaving] += 1
        steps[leaving] = 0
        going = going[frame[going] < lengths[going]]
    return labels


def _inputs(
    label: NDArray[np.int64], hidden: NDArray[np.float32], cell: NDArray[np.float32]
) -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
    return {"label": label, "hidden": hidden, "cell": cell}
