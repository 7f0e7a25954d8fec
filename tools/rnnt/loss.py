"""The loss of RNN-T: the probability of the labels, summed over all ways to align them with the frames."""

from __future__ import annotations

import torch
from torch import Tensor


def transducer_loss(logits: Tensor, labels: Tensor, times: Tensor, counts: Tensor, blank: int) -> Tensor:
    """Return the mean negative log likelihood of the labels.

    Parameters
    ----------
    logits
        float32 ``[n, times, labels + 1, classes]``.
    labels
        int64 ``[n, labels]``, padded with any label.
    times, counts
        int64 ``[n]``: the frames and the labels of each sample.
    blank
        The class that goes on to the next frame.
    """
    logs = logits.log_softmax(-1)
    stay = logs[..., blank]
    index = labels[:, None, :, None].expand(-1, logs.shape[1], -1, -1)
    emit = torch.nn.functional.pad(logs[:, :, :-1].gather(3, index)[..., 0].cumsum(2), (1, 0))
    # Along the labels, alpha[u] = logaddexp(before[u], alpha[u - 1] + emit[u - 1]): a cumulative sum in disguise.
    alpha = emit[:, 0]
    rows = [alpha]
    for time in range(1, logs.shape[1]):
        before = alpha + stay[:, time - 1]
        alpha = emit[:, time] + torch.logcumsumexp(before - emit[:, time], 1)
        rows.append(alpha)
    batch = torch.arange(len(labels))
    last = torch.stack(rows, 1)[batch, times - 1, counts] + stay[batch, times - 1, counts]
    return -last.mean()
