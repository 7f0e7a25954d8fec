"""RetinaNet: object detection, the official ResNeXt50 on OpenImages and a tiny edition on scenes of digits."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.benchmarks.base import (
    Benchmark,
    Contract,
    Metric,
    Records,
    Remote,
    Samples,
    Score,
    Tensor,
)
from pytest_mlperf.datasets import openimages_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.benchmarks.base import MissingFile
    from pytest_mlperf.datasets.openimages_recipe import OpenImagesFiles
    from pytest_mlperf.metrics.mean_average_precision import Scorer

#: PostProcessOpenImagesRetinanet in vision/classification_and_detection/python/openimages.py.
SCORE_THRESHOLD = 0.05
#: COCO's twelve figures, in the order of COCOeval.stats.
COCO_STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def detection_contract(size: int) -> Contract:
    """Return the contract of a detector for square images: boxes are x1, y1, x2, y2 in pixels of the input.

    The batch is 1: an image's detections have no batch dimension. Scores descend.
    """
    return Contract(
        inputs=(Tensor("images", "float32", (1, 3, size, size)),),
        outputs=(
            Tensor("boxes", "float32", (None, 4)),
            Tensor("labels", "int64", (None,)),
            Tensor("scores", "float32", (None,)),
        ),
    )


@dataclass(frozen=True)
class RetinaNet(Benchmark):
    """Detection of objects in images stretched to a square, scored as mAP over IoU 0.50:0.95."""

    accuracy_line: ClassVar[str] = "mAP={value:.3f}%"

    size: int

    def open_samples(self, dataset: Path, count: int) -> Samples:
        """Open the first `count` images of an OpenImages-shaped directory."""
        from pytest_mlperf.datasets.openimages import open_samples

        return open_samples(dataset, count, self.size, self.contract.inputs[0].name)

    def encode(self, outputs: Sequence[NDArray[Any]], indices: Sequence[int]) -> Records:
        """Return 7 float32 a detection: sample index, ymin, xmin, ymax, xmax over the size, score, label.

        The reference walks the scores in order and stops at the first below the threshold.
        """
        import numpy as np

        boxes, labels, scores = outputs
        low = scores < SCORE_THRESHOLD
        count = int(low.argmax()) if low.any() else len(scores)
        record = np.empty((count, 7), np.float32)
        record[:, 0] = indices[0]
        record[:, 1:5] = boxes[:count, [1, 0, 3, 2]]
        record[:, 1:5] /= self.size
        record[:, 5] = scores[:count]
        record[:, 6] = labels[:count]
        return Records(record.reshape(-1).view(np.uint8), (0, record.nbytes))

    def score(self, accuracy_log: Path, dataset: Path, scorer: str) -> Score:
        """Compute mAP, as tools/accuracy-openimages.py does."""
        from pytest_mlperf.datasets.layout import ANNOTATIONS
        from pytest_mlperf.metrics.mean_average_precision import score

        found = score(accuracy_log, dataset / ANNOTATIONS, cast("Scorer", scorer))
        details = dict(zip(COCO_STATS, found.stats, strict=True))
        return Score(found.percent, found.images, {**details, "detections": found.detections})


@dataclass(frozen=True)
class OfficialFiles:
    """What the official edition is made of: the model in each of its forms, and OpenImages."""

    models: Mapping[str, RemoteFile] = field(hash=False)
    openimages: OpenImagesFiles


OFFICIAL_FILES = OfficialFiles(
    # Addresses and MD5 are those of MLCommons' automation (get-ml-model-retinanet), Zenodo's record first:
    # armi.in is one person's server.
    models={
        "onnx": RemoteFile(
            "resnext50_32x4d_fpn.onnx",
            (
                "https://zenodo.org/record/6617879/files/resnext50_32x4d_fpn.onnx",
                "https://storage.googleapis.com/resnet50_assets/resnext50_32x4d_fpn.onnx",
                "https://armi.in/files/resnext50_32x4d_fpn.onnx",
            ),
            size=148_688_824,
            md5="4544f4e56e0a4684215831cc937ea45c",
        ),
        "pytorch": RemoteFile(
            "resnext50_32x4d_fpn.pth",
            (
                "https://zenodo.org/record/6617981/files/resnext50_32x4d_fpn.pth",
                "https://armi.in/files/resnext50_32x4d_fpn.pth",
            ),
            md5="a55f6bec3464f605ce8d686da8ac1533",
        ),
    },
    openimages=openimages_recipe.OFFICIAL,
)


@dataclass(frozen=True)
class OfficialRetinaNet(RetinaNet):
    """ResNeXt50-32x4d-FPN on the 264 MLPerf classes of OpenImages."""

    files: OfficialFiles = OFFICIAL_FILES

    def metric(self, samples: int) -> Metric:
        """Return the reference's mAP on the whole data set: 37.55 % (PyTorch, float32)."""
        del samples
        return Metric("mAP", "%", reference=37.55, tolerance=0.99, samples=self.dataset_size)

    def find_model(self, model_format: str, named: Path | None) -> Path | Recipe | Remote | MissingFile:
        """Return the file that the user named, or the recipe of the published one."""
        from pytest_mlperf.artifacts.remote import FileRecipe

        if named is not None:
            return named
        file = self.files.models[model_format]
        size = f"{file.size:,} bytes" if file.size is not None else "some 150 MB"
        weight = file.size or 150_000_000
        recipe = FileRecipe(file, f"{self.name} {model_format} fp32")
        return Remote(recipe, file.name, size, weight, "--model-path FILE")

    def find_dataset(self, named: Path | None, count: int) -> Path | Recipe | Remote | MissingFile:
        """Return the directory that the user named, or the recipe of the first `count` published images."""
        weight = count * openimages_recipe.MEAN_IMAGE_BYTES
        return named or Remote(
            openimages_recipe.OpenImagesRecipe(count, self.files.openimages),
            "the OpenImages validation images with annotations/openimages-mlperf.json",
            f"{count:,} JPEG files, some {_estimate(weight / 1e6)}",
            weight,
            "--dataset-path DIR",
        )


def _estimate(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{max(megabytes, 1):.0f} MB"


class TinyRetinaNet(RetinaNet):
    """A small RetinaNet that ships with the package, on generated scenes of handwritten digits."""

    @cached_property
    def record(self) -> dict[str, Any]:
        """What the training script wrote down beside the model."""
        text = files("pytest_mlperf").joinpath("data", "retinanet-tiny.json").read_text("utf-8")
        record: dict[str, Any] = json.loads(text)
        return record

    def metric(self, samples: int) -> Metric:
        """Return mAP of the trained PyTorch model in float32 on the same scenes.

        Known for each number of scenes up to the whole: accuracy on 50 scenes is held against that on these 50.
        """
        known = self.record["reference_by_count"][:samples]
        if samples > self.dataset_size or known[-1] is None:  # None: these scenes have nothing to be found
            known = self.record["reference_by_count"]
        return Metric("mAP", "%", reference=known[-1], tolerance=0.99, samples=len(known))

    def find_model(self, model_format: str, named: Path | None) -> Path | Recipe | Remote | MissingFile:
        """Return the shipped file, or the one that the user named."""
        del model_format
        with as_file(files("pytest_mlperf").joinpath("data", "retinanet-tiny.onnx")) as shipped:
            return named or shipped

    def find_dataset(self, named: Path | None, count: int) -> Path | Recipe | Remote | MissingFile:
        """Return the recipe of at least `count` scenes, or the directory that the user named."""
        from pytest_mlperf.datasets.scenes_recipe import ScenesRecipe

        return named or ScenesRecipe(max(count, self.dataset_size))


OFFICIAL = OfficialRetinaNet(
    name="retinanet",
    edition="official",
    official_name="retinanet",
    loadgen_model="retinanet",
    scenarios=("Offline", "Server", "SingleStream", "MultiStream"),
    model_formats=("onnx",),
    contract=detection_contract(800),
    dataset_size=24_781,
    size=800,
)

TINY = TinyRetinaNet(
    name="retinanet-tiny",
    edition="tiny",
    official_name="retinanet",
    loadgen_model="retinanet",
    scenarios=("Offline", "Server", "SingleStream", "MultiStream"),
    model_formats=("onnx",),
    contract=detection_contract(192),
    dataset_size=500,
    size=192,
)
