"""The sizes of the tiny detector; changes when another size is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlperf.benchmarks.yolo import TINY_99 as BENCHMARK


@dataclass(frozen=True)
class DetectorConfig:
    """The sizes of the network.

    Attributes
    ----------
    input_size
        Side of the square input, in pixels.
    category_ids
        The annotation file's category of each class of the network.
    stem
        Channels of the first convolution.
    stages
        Output channels of the stages with strides 4, 8, 16 and 32.
    channels
        Channels of the feature pyramid and of the heads.
    head_depth
        Hidden convolutions of each head.
    strides
        Of the levels at which objects are found.
    ranges
        Of each level, the smallest and the largest object that it is trained to find: the longer side, in pixels
        of the input. They overlap, so that an object between two levels is found by both.
    """

    input_size: int
    category_ids: tuple[int, ...]
    stem: int = 16
    # Multiples of 16, the width of the blocks in which onnxruntime convolves.
    stages: tuple[int, int, int, int] = (16, 48, 64, 96)
    channels: int = 48
    head_depth: int = 1
    strides: tuple[int, int] = (8, 16)
    ranges: tuple[tuple[float, float], ...] = ((0, 32), (24, 1e9))


TINY = DetectorConfig(BENCHMARK.size, BENCHMARK.category_ids)
