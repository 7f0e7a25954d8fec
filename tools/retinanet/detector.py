"""The whole detector of one image, as MLPerf's graph has it: network, decoding, suppression."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from retinanet.anchors import decode, iou

if TYPE_CHECKING:
    from retinanet.model import RetinaNet


class NonMaximumSuppression(torch.autograd.Function):
    """Greedy suppression of overlapping boxes; in ONNX, the operator of that name."""

    @staticmethod
    def forward(ctx: Any, boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:  # noqa: ARG004
        """Return the indices of the boxes that stay, best first.

        Parameters
        ----------
        boxes
            [n, 4], xmin, ymin, xmax, ymax.
        scores
            [n].
        threshold
            Intersection over union above which the lesser box goes.
        """
        order = scores.argsort(descending=True, stable=True)
        clashes = torch.triu(iou(boxes[order], boxes[order]) > threshold, diagonal=1)
        stays = torch.ones(len(order), dtype=torch.bool)
        for number in range(len(order)):
            if stays[number]:
                stays &= ~clashes[number]
        return order[stays]

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, threshold: float) -> Any:
        zero, one = (g.op("Constant", value_t=torch.tensor([axis])) for axis in (0, 1))
        selected = g.op(
            "NonMaxSuppression",
            g.op("Unsqueeze", boxes, zero),
            g.op("Unsqueeze", g.op("Unsqueeze", scores, zero), zero),
            g.op("Constant", value_t=torch.tensor([2**31 - 1])),
            g.op("Constant", value_t=torch.tensor([threshold])),
        )
        column = g.op("Gather", selected, g.op("Constant", value_t=torch.tensor([2])), axis_i=1)
        return g.op("Squeeze", column, one)


class Detector(nn.Module):
    """A RetinaNet with its post-processing: one image in, its detections out."""

    def __init__(self, network: RetinaNet) -> None:
        super().__init__()
        self.network = network
        self.levels = len(network.config.anchor_sizes)
        for level, anchors in enumerate(network.anchors()):
            self.register_buffer(f"anchors{level}", anchors)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the detections of one image, best first.

        Parameters
        ----------
        images
            float32 [1, 3, S, S], RGB in 0..1.

        Returns
        -------
        tuple
            Boxes float32 [n, 4] as xmin, ymin, xmax, ymax in pixels of the input, scores float32 [n],
            labels int64 [n]; n is at most 300.
        """
        config = self.network.config
        logits, offsets = self.network(images)
        parts = [self._candidates(level, logits[level], offsets[level]) for level in range(self.levels)]
        boxes, scores, labels = (torch.cat(values) for values in zip(*parts, strict=True))
        # Boxes of different classes are moved apart, so that one suppression serves all classes.
        apart = boxes + (labels.to(boxes.dtype) * (config.input_size + 1))[:, None]
        keep = NonMaximumSuppression.apply(apart, scores, config.nms_threshold)[: config.detections]
        return boxes[keep], scores[keep], labels[keep]

    def _candidates(self, level: int, logits: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the boxes, scores and labels of a level's best anchors above the threshold."""
        config = self.network.config
        threshold = config.score_threshold
        flat = logits.flatten()
        above = torch.nonzero(flat > math.log(threshold / (1 - threshold))).squeeze(1)
        values = flat[above]
        count = _smaller(config.candidates, values)
        best, order = values.topk(count)
        chosen = above[order]
        anchor = torch.div(chosen, config.classes, rounding_mode="floor")
        anchors = getattr(self, f"anchors{level}")
        boxes = decode(offsets[0][anchor], anchors[anchor]).clamp(0, config.input_size)
        return boxes, best.sigmoid(), chosen % config.classes


def _smaller(limit: int, values: Tensor) -> Any:
    """Return ``min(limit, len(values))``, traceable as a value that depends on the input."""
    if torch.onnx.is_in_onnx_export():
        length = torch.ops.aten._shape_as_tensor(values)
        return torch.minimum(length, torch.tensor([limit]))[0]
    return min(limit, values.shape[0])
