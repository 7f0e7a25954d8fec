"""Training on painted digits: the pictures as the network sees them, and the loop of descent."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from pytest_mlperf.datasets.digit_pictures import jpeg, paint
from pytest_mlperf.datasets.imagenet_preprocessing import vgg
from resnet50.network import SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from resnet50.network import ResNet


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to descend."""

    epochs: int
    batch: int = 64
    peak_rate: float = 4e-3
    weight_decay: float = 5e-2
    warm_up: float = 0.15
    smoothing: float = 0.05


def training_picture(index: int) -> tuple[NDArray[np.float32], int]:
    """Return the input float32 [3, S, S] of a training picture, through a JPEG and the preprocessing; and its label."""
    picture = paint("train", index)
    with Image.open(BytesIO(jpeg(picture.image))) as image:
        return vgg(np.asarray(image), SIZE), picture.label


def load_pictures(count: int, workers: int) -> tuple[Tensor, Tensor]:
    """Return the first training pictures: float32 inputs [n, 3, S, S], and int64 classes [n], whose labels begin at 1.

    Class 0 is the background, as in MLPerf's ResNet-50.
    """
    inputs = np.empty((count, 3, SIZE, SIZE), np.float32)
    classes = np.empty(count, np.int64)

    def load(index: int) -> None:
        inputs[index], label = training_picture(index)
        classes[index] = label + 1

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(load, range(count)))
    return torch.from_numpy(inputs), torch.from_numpy(classes)


def train(network: ResNet, inputs: Tensor, classes: Tensor, schedule: Schedule, seed: int) -> None:
    """Train a network in place; the same seed, pictures and machine give the same weights."""
    order = torch.Generator().manual_seed(seed)
    steps = len(inputs) // schedule.batch
    optimizer = torch.optim.AdamW(network.parameters(), schedule.peak_rate, weight_decay=schedule.weight_decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.peak_rate, total_steps=schedule.epochs * steps, pct_start=schedule.warm_up
    )
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=schedule.smoothing)
    network.train().to(memory_format=torch.channels_last)
    began = time.monotonic()
    for epoch in range(schedule.epochs):
        total = 0.0
        for batch in torch.randperm(len(inputs), generator=order)[: steps * schedule.batch].view(steps, -1):
            images = _moved(inputs[batch], order).to(memory_format=torch.channels_last)
            loss = loss_of(network(images), classes[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    network.eval().to(memory_format=torch.contiguous_format)


def _moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images moved together by up to one pixel, so that no pixel's place is learned."""
    down, across = torch.randint(-1, 2, (2,), generator=generator).tolist()
    return images.roll((down, across), (2, 3))
