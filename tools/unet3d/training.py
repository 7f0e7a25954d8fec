"""Training on generated volumes: windows at random places, and the loop of descent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from pytest_mlperf.datasets.ct_preprocessing import preprocess_image, preprocess_labels
from pytest_mlperf.datasets.phantoms import Split, phantom
from pytest_mlperf.datasets.volumes import SPACING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from unet3d.network import UNet3D


@dataclass(frozen=True)
class TrainingVolume:
    """A preprocessed volume, float32 [D, H, W], and its labels, uint8 of the same shape."""

    image: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to descend."""

    steps: int = 2000
    batch: int = 8
    peak_rate: float = 4e-3
    weight_decay: float = 1e-4
    warm_up: float = 0.1
    class_weights: tuple[float, ...] = (0.4, 1.0, 2.0)
    #: The part of the windows that have a lesion's voxel at a place within.
    with_lesion: float = 0.5


def load_volumes(split: Split, count: int, window: int) -> list[TrainingVolume]:
    """Return generated volumes, preprocessed as the benchmark does."""
    return [_load(split, index, window) for index in range(count)]


def _load(split: Split, index: int, window: int) -> TrainingVolume:
    made = phantom(split, index)
    spacing = np.array(made.spacing, np.float32).tolist()
    image = preprocess_image(made.image.astype(np.float32), spacing, SPACING, window)
    labels = preprocess_labels(made.labels, spacing, SPACING, window)
    return TrainingVolume(torch.from_numpy(image), torch.from_numpy(labels))


def train(network: UNet3D, volumes: Sequence[TrainingVolume], schedule: Schedule, seed: int) -> None:
    """Train a network in place; the same seed, volumes and machine give the same weights."""
    random = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(network.parameters(), schedule.peak_rate, weight_decay=schedule.weight_decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.peak_rate, total_steps=schedule.steps, pct_start=schedule.warm_up
    )
    weights = torch.tensor(schedule.class_weights)
    network.train()
    began, total = time.monotonic(), 0.0
    for step in range(1, schedule.steps + 1):
        windows, labels = _batch(volumes, schedule, network.config.window, random)
        scores = network(windows)
        loss = functional.cross_entropy(scores, labels, weights) + _dice_loss(scores, labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        rates.step()
        total += loss.item()
        if step % 100 == 0:
            print(f"step {step}: loss {total / 100:.4f}, {time.monotonic() - began:.0f} s", flush=True)
            total = 0.0
    network.eval()


def _batch(
    volumes: Sequence[TrainingVolume], schedule: Schedule, window: int, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return windows float32 [n, 1, S, S, S] and labels int64 [n, S, S, S], each mirrored by chance."""
    images, labels = [], []
    for _ in range(schedule.batch):
        volume = volumes[int(random.integers(len(volumes)))]
        place = _place(volume, schedule.with_lesion, window, random)
        mirrored = [axis for axis in range(3) if random.random() < 0.5]
        images.append(volume.image[place].flip(mirrored))
        labels.append(volume.labels[place].flip(mirrored))
    return torch.stack(images)[:, None], torch.stack(labels).long()


def _place(volume: TrainingVolume, with_lesion: float, window: int, random: np.random.Generator) -> tuple[slice, ...]:
    last = np.array(volume.image.shape) - window
    start = random.integers(0, last + 1)
    lesion = volume.labels.numpy() == 2
    if random.random() < with_lesion and lesion.any():
        voxels = np.argwhere(lesion)
        voxel = voxels[int(random.integers(len(voxels)))]
        start = np.clip(voxel - random.integers(0, window, 3), 0, last)
    return tuple(slice(int(at), int(at) + window) for at in start)


def _dice_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Return one minus the mean of the soft Dice coefficients of both classes over the batch."""
    found = scores.softmax(1)[:, 1:]
    truth = functional.one_hot(labels, scores.shape[1]).movedim(-1, 1)[:, 1:].to(found.dtype)
    axes = (0, 2, 3, 4)
    coefficients = (2 * (found * truth).sum(axes) + 1) / (found.sum(axes) + truth.sum(axes) + 1)
    return 1 - coefficients.mean()
