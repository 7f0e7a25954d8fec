"""The recipe of a data set's first images with its annotations; one image more is another artifact of the same kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from pytest_mlperf.datasets.image_download import fetch_images, first_names, write_list

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.download import Fetched
    from pytest_mlperf.artifacts.fetching import Downloads, Provenance
    from pytest_mlperf.artifacts.recipe import KeyValue
    from pytest_mlperf.artifacts.sources import RemoteFile


@dataclass(frozen=True)
class FirstImages(ABC):
    """The first `count` images of an annotation file, in its order, and the annotations of all.

    These are not cut, so that a sample index means the same image in every part of the data set.
    """

    count: int
    kind: str = field(default="dataset", kw_only=True)

    #: The name in the cache, before the count, and the folder of the images.
    title: ClassVar[str]
    folder: ClassVar[Path]
    mean_image_bytes: ClassVar[int]

    @property
    @abstractmethod
    def annotations(self) -> RemoteFile:
        """The archive with the annotations."""

    @property
    @abstractmethod
    def addresses(self) -> tuple[str, ...]:
        """The addresses below which the images are, the preferred one first."""

    @abstractmethod
    def fetch_annotations(self, directory: Path, downloads: Downloads) -> tuple[Fetched, list[str]]:
        """Write the checked annotations; return the archive, and the names of the images in order.

        Raises
        ------
        DatasetError
            They cannot be trusted.
        """

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"{self.title} {self.count}"

    @property
    def source(self) -> str:
        """The publisher's address."""
        return self.addresses[0]

    def key(self) -> Mapping[str, KeyValue]:
        """Return what determines the images: the annotation file and their number."""
        return {"annotations": identity(self.annotations), "images": self.source, "count": self.count}

    def served_by(self, key: Mapping[str, KeyValue]) -> bool:
        """Return whether an artifact has these images, or more of the same data set."""
        held = key.get("count")
        return isinstance(held, int) and held >= self.count and {**key, "count": self.count} == self.key()

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        """Fill `directory` as MLCommons' scripts do, and write the list of its images.

        Raises
        ------
        DatasetError
            The annotation file cannot be trusted, or has fewer than `count` images.
        FetchError
            An image cannot be had, or what comes is none.
        """
        from pytest_mlperf.artifacts.fetching import Provenance

        archive, names = self.fetch_annotations(directory, downloads)
        names = first_names(names, self.count, self.annotations.name)
        urls = {name: tuple(f"{base}/{quote(name)}" for base in self.addresses) for name in names}
        images = fetch_images(urls, directory / self.folder, downloads, self.name, self.mean_image_bytes)
        write_list(directory, names)
        return Provenance(self.source, (archive, *images))


def identity(file: RemoteFile) -> str:
    """Return what tells a file from others: its digest, or else its address."""
    return file.sha256 or file.md5 or file.urls[0]
