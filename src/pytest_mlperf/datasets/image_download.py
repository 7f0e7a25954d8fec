"""Downloads the images of a data set; used by the recipes of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.errors import DatasetError, FetchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.artifacts.download import Fetched
    from pytest_mlperf.artifacts.fetching import Downloads

LIST = "images.txt"
"""The file with the names of an artifact's images, one per line, in the order of the sample indices."""

_JPEG_START = b"\xff\xd8\xff"


def fetch_images(
    urls: Mapping[str, tuple[str, ...]], folder: Path, downloads: Downloads, title: str, typical_size: int
) -> list[Fetched]:
    """Fetch images into `folder`, except those fetched by an earlier attempt.

    Parameters
    ----------
    urls
        The addresses of each image by its name, in the order of the samples.
    folder
        Where they go.
    downloads, title, typical_size
        As for `Downloads.fetch_many`.

    Raises
    ------
    FetchError
        An image cannot be had, or what comes is none.
    """
    from pytest_mlperf.artifacts.fetching import place
    from pytest_mlperf.artifacts.sources import RemoteFile

    files = [RemoteFile(f"images/{name}", addresses) for name, addresses in urls.items()]
    images = downloads.fetch_many(files, title, typical_size)
    strange = list(_not_jpeg(images))
    for image in strange:  # a page that asks for a password, say
        downloads.reject(image)
    if strange:
        raise FetchError(
            f"{len(strange):,} of {len(images):,} files are not JPEG images",
            expected="files that start with FF D8 FF",
            found=f"other files, the first: {strange[0].name} from {strange[0].url or folder}",
            fix="open the address in a browser to see what it returns; fetched images are kept for the next attempt",
        )
    for name, image in zip(urls, images, strict=True):
        place(image.path, folder / name)
    return images


def first_names(names: Sequence[str], count: int, annotations: str) -> list[str]:
    """Return the first `count` names of an annotation file.

    Raises
    ------
    DatasetError
        There are fewer.
    """
    if len(names) < count:
        raise DatasetError(
            f"{annotations} has too few images",
            expected=f"{count:,}",
            found=f"{len(names):,}",
            fix=f"use at most {len(names)} with --dataset-size",
        )
    return list(names[:count])


def write_list(directory: Path, names: Sequence[str]) -> None:
    """Write the names of the images into `LIST`."""
    (directory / LIST).write_text("".join(f"{name}\n" for name in names), "utf-8")


def _not_jpeg(images: Sequence[Fetched]) -> Iterator[Fetched]:
    for image in images:
        with image.path.open("rb") as file:
            if file.read(len(_JPEG_START)) != _JPEG_START:
                yield image
