"""Training on generated scenes: the scenes as tensors, and the loop of descent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from pytest_mlperf.datasets.digit_painting import render
from pytest_mlperf.datasets.digit_scenes import jpeg
from pytest_mlperf.datasets.letterbox import Letterbox, letterbox
from yolo.loss import Targets, loss, match

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_mlperf.datasets.digit_painting import Scene
    from yolo.network import Detector


@dataclass(frozen=True)
class TrainingScene:
    """A scene as the network sees it: uint8 [3, S, S], and what it is to find there."""

    image: Tensor
    targets: Targets


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to descend."""

    epochs: int = 6
    batch: int = 16
    peak_rate: float = 3e-3
    weight_decay: float = 1e-3
    warm_up: float = 0.1
    box_weight: float = 2.0
    largest_gradient: float = 5.0
    steady_epochs: int = 1


def load_scenes(network: Detector, count: int) -> list[TrainingScene]:
    """Return the first training scenes, through JPEG and letterboxed as the benchmark does."""
    return [_load_scene(network, render("train", index)) for index in range(count)]


def _load_scene(network: Detector, scene: Scene) -> TrainingScene:
    config = network.config
    square = letterbox(_through_jpeg(scene), config.input_size)
    box = Letterbox(scene.image.shape[0], scene.image.shape[1], config.input_size)
    top, left = box.corner
    corners = torch.tensor([item.box for item in scene.objects], dtype=torch.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    boxes = corners * box.gain + torch.tensor([left, top, left, top])
    labels = torch.tensor([config.category_ids.index(item.category) for item in scene.objects], dtype=torch.int64)
    crowd = torch.tensor([item.crowd for item in scene.objects], dtype=torch.bool)
    targets = match(config, network.points, network.strides, boxes[~crowd], labels[~crowd], boxes[crowd])
    return TrainingScene(torch.from_numpy(square.transpose(2, 0, 1).copy()), targets)


def _through_jpeg(scene: Scene) -> NDArray[np.uint8]:
    return np.asarray(Image.open(BytesIO(jpeg(scene.image))))


def train(network: Detector, scenes: list[TrainingScene], schedule: Schedule, seed: int) -> None:
    """Train a network in place; the same seed, scenes and machine give the same weights."""
    order = torch.Generator().manual_seed(seed)
    steps = schedule.epochs * (len(scenes) // schedule.batch)
    optimizer = torch.optim.AdamW(network.parameters(), schedule.peak_rate, weight_decay=schedule.weight_decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.peak_rate, total_steps=steps, pct_start=schedule.warm_up
    )
    network.train().to(memory_format=torch.channels_last)
    began = time.monotonic()
    for epoch in range(schedule.epochs):
        if epoch == schedule.epochs - schedule.steady_epochs:
            _freeze_statistics(network)
        sums = torch.zeros(2)
        batches = torch.randperm(len(scenes), generator=order)[: steps // schedule.epochs * schedule.batch]
        for batch in batches.view(-1, schedule.batch).tolist():
            images = _vary_brightness(torch.stack([scenes[i].image for i in batch]).float() / 255, order)
            logits, distances = network.raw(images.to(memory_format=torch.channels_last))
            classes, boxes = loss(logits, distances, [scenes[i].targets for i in batch], network.points)
            optimizer.zero_grad()
            (classes + schedule.box_weight * boxes).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), schedule.largest_gradient)
            optimizer.step()
            rates.step()
            sums += torch.stack([classes.detach(), boxes.detach()])
        _tell(epoch, sums * schedule.epochs / steps, time.monotonic() - began)
    network.eval()


def _freeze_statistics(network: Detector) -> None:
    """Normalise by the statistics so far, as inference does: those of a batch make boxes tremble."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def _tell(epoch: int, losses: Tensor, seconds: float) -> None:
    classes, boxes = losses.tolist()
    print(f"epoch {epoch + 1}: class {classes:.4f}, box {boxes:.4f}, {seconds:.0f} s", flush=True)


def _vary_brightness(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images a little brighter or darker, each by its own factor."""
    factors = 0.85 + 0.3 * torch.rand(len(images), 1, 1, 1, generator=generator)
    return (images * factors).clamp(0, 1)
