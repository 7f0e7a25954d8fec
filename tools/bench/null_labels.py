"""A benchmark of ResNet-50's form with images of three numbers, and a backend that costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.benchmarks.resnet50 import TINY, class_graph
from pytest_mlperf.datasets.classification import IMAGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import ModelFile


class Pixels:
    """Images of one pixel."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        return {IMAGE: np.full((3, 1, 1), index, np.float32)}


@dataclass(frozen=True)
class PixelDataset:
    """As many images as asked for."""

    name: str = "pixels"
    size: int | None = 1000
    requirements: tuple[str, ...] = ()

    def source(self, count: int) -> Path:
        raise NotImplementedError

    def open(self, directory: Path, count: int, variant: str) -> Pixels:
        del directory, variant
        return Pixels(count)


LABELS = replace(
    TINY, dataset=PixelDataset(), models=tuple(replace(file, graphs=(class_graph(1),)) for file in TINY.models)
)


class NullModel:
    """Every sample is of class 1."""

    device = "cpu"
    max_batch = None
    concurrent = True
    weight_types = ()

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        del graph
        return (np.ones(len(inputs[IMAGE]), np.int64),)

    def close(self) -> None:
        pass


class NullRuntime:
    """Costs nothing."""

    devices: tuple[str, ...] = ("cpu",)
    formats: tuple[str, ...] = ("onnx",)
    requirements: tuple[str, ...] = ()

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> NullModel:
        del file, model, device, threads, options
        return NullModel()

    def versions(self) -> Mapping[str, str]:
        return {}
