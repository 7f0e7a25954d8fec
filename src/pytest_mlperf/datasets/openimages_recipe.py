"""Recipes for downloading OpenImages. Separate from reading it, so that planning a run does not need numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.datasets.first_images import FirstImages, identity
from pytest_mlperf.datasets.image_download import fetch_images, write_list
from pytest_mlperf.datasets.layout import ANNOTATIONS, CALIBRATION_IMAGES, IMAGES
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.download import Fetched
    from pytest_mlperf.artifacts.fetching import Downloads, Provenance
    from pytest_mlperf.artifacts.recipe import KeyValue

#: MLPerf's validation images have about 7 GB; there is no published size of a part.
MEAN_IMAGE_BYTES = 285_000


@dataclass(frozen=True)
class OpenImagesFiles:
    """Addresses and checksums of the parts of OpenImages.

    Attributes
    ----------
    annotations
        An archive with ``openimages-mlperf.json``.
    calibration_list
        The names of the calibration images, one a line.
    images
        The address below which the images are: ``validation/<ImageID>.jpg`` and ``train/<ImageID>.jpg``.
    """

    annotations: RemoteFile
    calibration_list: RemoteFile
    images: str


OFFICIAL = OpenImagesFiles(
    # The release of mlcommons/inference v2.1; its MD5 is that of MLCommons' automation (get-dataset-openimages).
    annotations=RemoteFile(
        "openimages-mlperf_annotations_2.1.json.zip",
        ("https://github.com/mlcommons/inference/releases/download/v2.1/openimages-mlperf_annotations_2.1.json.zip",),
        md5="817fd8da3aeeb0575f1e2d2926b15e68",
    ),
    calibration_list=RemoteFile(
        "openimages_cal_images_list.txt",
        ("https://github.com/mlcommons/inference/raw/master/calibration/openimages/openimages_cal_images_list.txt",),
        size=10_499,
        sha256="f5c20ee508bf9449ac26e4db6c6035760e31385a3deefb1856ad47dbe5b0d7be",
    ),
    # The bucket that tools/openimages.py of mlcommons/inference reads, unsigned.
    images="https://open-images-dataset.s3.amazonaws.com",
)


@dataclass(frozen=True)
class AnnotationsRecipe:
    """The whole annotation file, without images."""

    files: OpenImagesFiles = OFFICIAL
    kind: str = "annotations"
    name: str = "openimages-mlperf annotations"

    @property
    def source(self) -> str:
        """The publisher's address."""
        return self.files.annotations.urls[0]

    def key(self) -> Mapping[str, KeyValue]:
        """Return the archive's identity."""
        return {"annotations": identity(self.files.annotations)}

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        """Put ``annotations/openimages-mlperf.json`` into `directory`, after checking it.

        Raises
        ------
        DatasetError
            See `pytest_mlperf.datasets.coco.read_annotations`.
        """
        from pytest_mlperf.artifacts.fetching import Provenance

        archive, _ = _fetch_annotations(self.files.annotations, directory, downloads)
        return Provenance(archive.url or self.source, (archive,))


@dataclass(frozen=True)
class OpenImagesRecipe(FirstImages):
    """The first `count` images of the annotation file, and the whole annotation file."""

    files: OpenImagesFiles = OFFICIAL

    title: ClassVar[str] = "openimages validation"
    folder: ClassVar[Path] = IMAGES
    mean_image_bytes: ClassVar[int] = MEAN_IMAGE_BYTES

    @property
    def annotations(self) -> RemoteFile:
        """The archive with the annotations."""
        return self.files.annotations

    @property
    def addresses(self) -> tuple[str, ...]:
        """The address below which the images are."""
        return (f"{self.files.images}/validation",)

    def fetch_annotations(self, directory: Path, downloads: Downloads) -> tuple[Fetched, list[str]]:
        """Write the checked annotation file; see `FirstImages`."""
        return _fetch_annotations(self.annotations, directory, downloads)


@dataclass(frozen=True)
class CalibrationRecipe:
    """The 500 images, of the training part of OpenImages, that a model may be calibrated with."""

    files: OpenImagesFiles = OFFICIAL
    kind: str = "dataset"
    name: str = "openimages calibration"

    @property
    def source(self) -> str:
        """The publisher's address."""
        return f"{self.files.images}/train"

    def key(self) -> Mapping[str, KeyValue]:
        """Return what determines the images: the list of their names."""
        return {"list": identity(self.files.calibration_list), "images": self.source}

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        """Put the images into ``calibration/data``, and the list of their names beside it.

        Raises
        ------
        DatasetError
            The list repeats a name, or has one that is none.
        FetchError
            The list or an image cannot be had, or what comes is none.
        """
        from pytest_mlperf.artifacts.fetching import Provenance

        fetched = downloads.fetch(self.files.calibration_list)
        try:
            names = _names(fetched.path)
        except DatasetError:
            downloads.reject(fetched)
            raise
        urls = {name: (f"{self.source}/{quote(name)}",) for name in names}
        images = fetch_images(urls, directory / CALIBRATION_IMAGES, downloads, self.name, MEAN_IMAGE_BYTES)
        write_list(directory, names)
        return Provenance(self.source, (fetched, *images))


def _fetch_annotations(file: RemoteFile, directory: Path, downloads: Downloads) -> tuple[Fetched, list[str]]:
    """Write the checked annotation file; return the archive and the names of the images, in order."""
    from pytest_mlperf.datasets.coco import read_annotations

    target = directory / ANNOTATIONS
    target.parent.mkdir()
    archive = downloads.fetch_and_unpack(file, target.parent)
    try:
        if not target.is_file():
            raise DatasetError(
                f"{file.name} does not contain the annotations",
                expected=target.name,
                found=", ".join(sorted(p.name for p in target.parent.iterdir())) or "nothing",
                fix="have the mirror serve the archive of the release v2.1 of mlcommons/inference",
            )
        return archive, [image.file_name for image in read_annotations(target).images]
    except DatasetError:
        downloads.reject(archive)
        raise


def _names(path: Path) -> list[str]:
    names = path.read_text("utf-8", errors="replace").split()
    plain = [name for name in names if PurePosixPath(name).name == name and name.endswith(".jpg")]
    if not names or len(set(plain)) != len(names):
        raise DatasetError(
            f"{path.name} is not a list of images",
            expected="distinct names like 000a1249af2bc5f0.jpg",
            found=f"{len(names)} lines, {len(set(plain))} such names",
            fix="have the mirror serve the list of mlcommons/inference",
        )
    return names
