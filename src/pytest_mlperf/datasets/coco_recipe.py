"""The recipe for downloading COCO's images. Separate from reading them, so that planning a run does not need numpy."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.datasets.coco_val import ANNOTATIONS, IMAGES
from pytest_mlperf.datasets.first_images import FirstImages
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.artifacts.download import Fetched
    from pytest_mlperf.artifacts.fetching import Downloads

ANNOTATION_BYTES = 252_907_541
"""The archive of the annotations, which has those of the training images and of other tasks, too."""

MEAN_IMAGE_BYTES = 163_000
"""The archive of all 5,000 images has 815,585,330 bytes."""


@dataclass(frozen=True)
class CocoFiles:
    """Addresses and checksum of the parts of COCO.

    Attributes
    ----------
    annotations
        An archive with ``instances_val2017.json``.
    images
        The addresses below which the images are, the preferred one first.
    """

    annotations: RemoteFile
    images: tuple[str, ...]


# The bucket of images.cocodataset.org; under its own name, which COCO's site gives, it has no certificate.
_BUCKETS = ("https://s3.amazonaws.com/images.cocodataset.org", "http://images.cocodataset.org")

OFFICIAL = CocoFiles(
    # The MD5 is that of MLCommons' automation (get-dataset-coco).
    annotations=RemoteFile(
        "annotations_trainval2017.zip",
        tuple(f"{bucket}/annotations/annotations_trainval2017.zip" for bucket in _BUCKETS),
        size=ANNOTATION_BYTES,
        md5="f4bbac642086de4f52a3fdda2de5fa2c",
    ),
    images=tuple(f"{bucket}/val2017" for bucket in _BUCKETS),
)


@dataclass(frozen=True)
class CocoRecipe(FirstImages):
    """The first `count` of the images that MLPerf may use, and the annotations of all of these.

    The annotations are reduced to MLPerf's images, as ``create_safe_annotations.py`` of mlcommons/inference does, but
    not to the first ones, so that a sample index means the same image in every part of the data set.
    """

    files: CocoFiles = OFFICIAL

    title: ClassVar[str] = "coco val2017"
    folder: ClassVar[Path] = IMAGES
    mean_image_bytes: ClassVar[int] = MEAN_IMAGE_BYTES

    @property
    def annotations(self) -> RemoteFile:
        """The archive with the annotations."""
        return self.files.annotations

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses below which the images are."""
        return self.files.images

    def fetch_annotations(self, directory: Path, downloads: Downloads) -> tuple[Fetched, list[str]]:
        """Write the annotations of the images that MLPerf may use; see `FirstImages`."""
        return _fetch_annotations(self.annotations, directory, downloads)


def _fetch_annotations(file: RemoteFile, directory: Path, downloads: Downloads) -> tuple[Fetched, list[str]]:
    """Write the annotations of MLPerf's images; return the archive that they are from, and the names of the images."""
    from pytest_mlperf.datasets.coco_val import read_permitted

    unpacked, target = directory / "unpacked", directory / ANNOTATIONS
    target.parent.mkdir()
    archive = downloads.fetch_and_unpack(file, unpacked)
    try:
        # The archive has them in a folder; a mirror may have packed them otherwise.
        found = next(iter(sorted(unpacked.rglob(target.name))), None)
        if found is None:
            raise DatasetError(
                f"{file.name} does not contain the annotations",
                expected=target.name,
                found=", ".join(sorted(p.name for p in unpacked.rglob("*.json"))) or "nothing",
                fix="have the mirror serve COCO's archive",
            )
        images = read_permitted(found).images
    except DatasetError:
        downloads.reject(archive)
        raise
    content = _reduced(json.loads(found.read_bytes()), {image.id for image in images})
    target.write_text(json.dumps(content), "utf-8")
    shutil.rmtree(unpacked)
    return archive, [image.file_name for image in images]


def _reduced(content: dict[str, Any], images: set[int]) -> dict[str, Any]:
    """Return the content of a checked annotation file for some images only."""
    return {
        **content,
        "images": [image for image in content["images"] if image["id"] in images],
        "annotations": [item for item in content["annotations"] if item["image_id"] in images],
    }
