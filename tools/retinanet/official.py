"""The official network with random weights, alive enough that its speed is that of the real one."""

from __future__ import annotations

import math

import torch

from retinanet.config import OFFICIAL
from retinanet.detector import Detector
from retinanet.model import RetinaNet

# So many anchor scores of a calibration image come to lie above the threshold: enough for 300 detections
# after suppression, about as many candidates as the real model has on a busy photograph.
_CANDIDATES = 4000


def official_size_model(seed: int = 0) -> Detector:
    """Return ResNeXt50-32x4d-FPN with 264 classes for 800x800, of random weights.

    Untrained weights would give no detection at all, or nothing but detections, and the post-processing
    would cost nothing or too much. So the normalisations are calibrated on noise, and the class head's
    scale and bias are set so that an image of noise yields 300 detections.

    Parameters
    ----------
    seed
        Of the weights and of the calibration images.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = RetinaNet(OFFICIAL)
    with torch.no_grad():
        network.train()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the plain mean over the calibration images
        side = OFFICIAL.input_size
        coarse = torch.rand(2, 3, side // 16, side // 16, generator=generator)
        images = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
        network(images)
        network.eval()
        _calibrate_classes(network, images[:1])
    detector = Detector(network)
    detector.eval()
    return detector


def _calibrate_classes(network: RetinaNet, image: torch.Tensor) -> None:
    """Spread the class logits, and shift them so that the wanted number lies above the threshold."""
    last = network.class_head.last
    logits, _ = network(image)
    spread = torch.cat([level.flatten() for level in logits]).std()
    last.weight /= spread
    values = torch.cat([level.flatten() for level in network(image)[0]])
    score = network.config.score_threshold
    cut = values.kthvalue(len(values) - _CANDIDATES).values
    last.bias += math.log(score / (1 - score)) - cut
