"""The recipe for downloading COCO's images. Separate from reading them, so that planning a run does not need numpy."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.datasets.coco_val import ANNOTATIONS, IMAGES
from pytest_mlperf.datasets.image_download import fetch_images, first_names, write_list
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.download import Fetched
    from pytest_mlperf.artifacts.fetching import Downloads, Provenance
    from pytest_mlperf.artifacts.recipe import KeyValue

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
class CocoRecipe:
    """The first `count` of the images that MLPerf may use, and the annotations of all of these.

    The annotations are reduced to MLPerf's images, as ``create_safe_annotations.py`` of mlcommons/inference does, but
    not to the first ones, so that a sample index means the same image in every part of the data set.
    """

    count: int
    files: CocoFiles = OFFICIAL
    kind: str = "dataset"

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"coco val2017 {self.count}"

    @property
    def source(self) -> str:
        """The publisher's address."""
        return self.files.images[0]

    def key(self) -> Mapping[str, KeyValue]:
        """Return what determines the images: the annotation file and their number."""
        file = self.files.annotations
        identity = file.sha256 or file.md5 or file.urls[0]
        return {"annotations": identity, "images": self.source, "count": self.count}

    def served_by(self, key: Mapping[str, KeyValue]) -> bool:
        """Return whether an artifact has these images, or more of the same data set."""
        held = key.get("count")
        return isinstance(held, int) and held >= self.count and {**key, "count": self.count} == self.key()

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        """Fill `directory` as MLCommons' download does, and write the list of its images.

        Raises
        ------
        DatasetError
            The annotation file cannot be trusted, or has fewer than `count` images.
        FetchError
            An image cannot be had, or what comes is none.
        """
        from pytest_mlperf.artifacts.fetching import Provenance

        archive, names = _fetch_annotations(self.files.annotations, directory, downloads)
        names = first_names(names, self.count, self.files.annotations.name)
        urls = {name: tuple(f"{base}/{quote(name)}" for base in self.files.images) for name in names}
        images = fetch_images(urls, directory / IMAGES, downloads, self.name, MEAN_IMAGE_BYTES)
        write_list(directory, names)
        return Provenance(self.source, (archive, *images))


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
