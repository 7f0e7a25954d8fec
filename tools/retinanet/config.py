"""The sizes of a RetinaNet; changes when another size is wanted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RetinaNetConfig:
    """What distinguishes the tiny from the official network; everything else is the same code.

    Attributes
    ----------
    input_size
        Side of the square input, in pixels.
    classes
        Number of classes; labels are 0..classes-1.
    bottleneck
        Bottleneck blocks with grouped convolutions (ResNeXt) rather than basic blocks (ResNet).
    stem
        Channels of the first convolution.
    stages
        Output channels of the four stages of the backbone.
    blocks
        Blocks of each stage.
    extra_levels
        Levels beyond P5 (P6, P7).
    channels
        Channels of the feature pyramid and of the heads.
    head_depth
        Hidden convolutions of each head.
    anchor_sizes
        Side of the smallest anchor of each level, in pixels of the input.
    candidates
        Boxes that each level may hand to the non-maximum suppression.
    """

    input_size: int
    classes: int
    bottleneck: bool
    stem: int
    stem_kernel: int
    stages: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    extra_levels: int
    channels: int
    head_depth: int
    anchor_sizes: tuple[int, ...]
    candidates: int = 1000
    score_threshold: float = 0.05
    nms_threshold: float = 0.5
    detections: int = 300


OFFICIAL = RetinaNetConfig(
    input_size=800,
    classes=264,
    bottleneck=True,
    stem=64,
    stem_kernel=7,
    stages=(256, 512, 1024, 2048),
    blocks=(3, 4, 6, 3),
    extra_levels=2,
    channels=256,
    head_depth=4,
    anchor_sizes=(32, 64, 128, 256, 512),
)
"""ResNeXt50-32x4d-FPN for OpenImages, as in MLPerf Inference."""

TINY = RetinaNetConfig(
    input_size=192,
    classes=20,
    bottleneck=False,
    stem=16,
    stem_kernel=3,
    # Multiples of 16, the width of the blocks in which onnxruntime convolves.
    stages=(16, 48, 64, 96),
    blocks=(1, 1, 1, 1),
    # The largest digit is about 80 of 192 pixels high: P5's anchors hold it, P6 and P7 would find nothing.
    extra_levels=0,
    channels=48,
    head_depth=2,
    anchor_sizes=(12, 24, 48),
    candidates=300,
)
"""The network of the tiny edition."""
