"""Which of COCO's images MLPerf may use: those whose licence permits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

PERMITTED: Final = (
    "creativecommons.org/licenses/by/",
    "creativecommons.org/licenses/by-sa/",
    "creativecommons.org/licenses/by-nd",
    "flickr.com/commons/usage",
    "www.usa.gov",
)
"""A licence is permitted if its address contains one of these (filter_coco_safe_images.py of mlcommons/inference)."""

_FIX = "use COCO's instances_val2017.json, or what create_safe_annotations.py of mlcommons/inference makes of it"


class _Licence(msgspec.Struct, gc=False):
    id: int
    url: str | None = None


class _Image(msgspec.Struct, gc=False):
    id: int
    license: int


class _File(msgspec.Struct):
    licenses: list[_Licence]
    images: list[_Image]


def permitted_images(path: Path) -> frozenset[int]:
    """Return the ids of the images in an annotation file that MLPerf may use.

    A licence that the file does not describe permits nothing.

    Raises
    ------
    DatasetError
        The file cannot be read, does not state the licence of each image, or has no image with a permitted one.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise DatasetError(f"annotation file {path} cannot be read: {error.strerror}", fix=_FIX) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DatasetError(
            f"annotation file {path} does not state the licences of its images",
            expected="licenses, and the license of each image: only images of some licences are in the data set",
            found=str(error),
            fix=_FIX,
        ) from error
    usable = {licence.id for licence in file.licenses if is_permitted(licence.url or "")}
    images = frozenset(image.id for image in file.images if image.license in usable)
    if not images:
        raise DatasetError(
            f"annotation file {path} has no image that MLPerf may use",
            expected="images under CC BY, CC BY-SA, CC BY-ND, Flickr commons, or of the US government",
            found=f"{len(file.images):,} images, all under other licences",
            fix=_FIX,
        )
    return images


def is_permitted(address: str) -> bool:
    """Return whether MLPerf may use images under the licence at an address."""
    return any(part in address.lower() for part in PERMITTED)
