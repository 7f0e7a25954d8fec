"""Training on generated scenes: the scenes as tensors, and the loop of descent."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_mlperf.datasets.digit_scenes import ANNOTATIONS
from pytest_mlperf.datasets.images import preprocess_stretch
from retinanet.loss import loss, match

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from retinanet.model import RetinaNet


@dataclass(frozen=True)
class TrainingScene:
    """A scene as the network sees it.

    Attributes
    ----------
    image
        uint8 [3, S, S].
    boxes
        float32 [n, 4]: xmin, ymin, xmax, ymax in pixels of the input.
    labels
        int64 [n].
    crowds
        float32 [m, 4]: boxes of groups.
    """

    image: Tensor
    boxes: Tensor
    labels: Tensor
    crowds: Tensor


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to descend."""

    epochs: int = 8
    batch: int = 8
    peak_rate: float = 2e-3
    weight_decay: float = 1e-3
    warm_up: float = 0.1
    box_weight: float = 2.0
    largest_gradient: float = 5.0
    steady_epochs: int = 2


def load_scenes(directory: Path, side: int, workers: int) -> list[TrainingScene]:
    """Return a generated training set, stretched to the network's input by MLPerf's recipe."""
    truth = json.loads((directory / ANNOTATIONS).read_text(encoding="utf-8"))
    objects: dict[int, list[dict[str, object]]] = {image["id"]: [] for image in truth["images"]}
    for annotation in truth["annotations"]:
        objects[annotation["image_id"]].append(annotation)
    with ThreadPoolExecutor(workers) as pool:
        loaded = pool.map(lambda image: _load_scene(directory, image, objects[image["id"]], side), truth["images"])
        return list(loaded)


def _load_scene(
    directory: Path, image: dict[str, object], objects: list[dict[str, object]], side: int
) -> TrainingScene:
    picture = preprocess_stretch(directory / "train" / "data" / str(image["file_name"]), side)
    scale = torch.tensor([side / float(str(image[key])) for key in ("width", "height")]).repeat(2)
    corners = torch.tensor([item["bbox"] for item in objects], dtype=torch.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    labels = torch.tensor([item["category_id"] for item in objects], dtype=torch.int64)
    crowd = torch.tensor([bool(item["iscrowd"]) for item in objects], dtype=torch.bool)
    pixels = torch.from_numpy(np.rint(255 * picture).astype(np.uint8))
    boxes = corners * scale
    return TrainingScene(pixels, boxes[~crowd], labels[~crowd], boxes[crowd])


def train(network: RetinaNet, scenes: list[TrainingScene], schedule: Schedule, seed: int) -> None:
    """Train a network in place; the same seed, scenes and machine give the same weights."""
    order = torch.Generator().manual_seed(seed)
    anchors = torch.cat(network.anchors())
    targets = [match(anchors, scene.boxes, scene.labels, scene.crowds) for scene in scenes]
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
            logits, offsets = network(images.to(memory_format=torch.channels_last))
            focal, distance = loss(torch.cat(logits, 1), torch.cat(offsets, 1), [targets[i] for i in batch], anchors)
            optimizer.zero_grad()
            (focal + schedule.box_weight * distance).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), schedule.largest_gradient)
            optimizer.step()
            rates.step()
            sums += torch.stack([focal.detach(), distance.detach()])
        _tell(epoch, sums * schedule.epochs / steps, time.monotonic() - began)
    network.eval()


def _freeze_statistics(network: RetinaNet) -> None:
    """Normalise by the statistics so far, as inference does: those of a batch make boxes tremble."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def _tell(epoch: int, losses: Tensor, seconds: float) -> None:
    focal, distance = losses.tolist()
    print(f"epoch {epoch + 1}: class {focal:.4f}, box {distance:.4f}, {seconds:.0f} s", flush=True)


def _vary_brightness(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images a little brighter or darker, each by its own factor."""
    factors = 0.85 + 0.3 * torch.rand(len(images), 1, 1, 1, generator=generator)
    return (images * factors).clamp(0, 1)
