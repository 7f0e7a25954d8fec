"""Preprocessed images in files: shards of 16-bit fixed point, mapped into memory.

Preprocessing is optional: decoding while LoadGen loads samples is as fast (docs/performance.md). A pixel is stored
as its level times 257, which keeps a float32 within 0.002 grey levels in half the space.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np

from pytest_mlperf.artifacts.disk import remove_abandoned, replacing, write_atomic
from pytest_mlperf.datasets.images import preprocess_stretch
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VERSION: Final = 1
"""Version of the preprocessing and of the files; increase it when either changes, so that files are made again."""

INDEX: Final = "preprocessed.json"
SHARD_IMAGES: Final = 64
FULL: Final = 65_535

OnShard = Callable[[int, int], None]


class AnnotatedImage(NamedTuple):
    """An image's file, and its width and height in pixels as the annotations have it; None for any."""

    path: Path
    size: tuple[int, int] | None = None


class Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One shard: its file name, the SHA-256 of its source images in order, and the number of images."""

    name: str
    images_sha256: str
    count: int


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The index of the directory: uint16 ``[count, 3, size, size]`` in each shard, in sample order."""

    version: int
    size: int
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class _Job:
    images: tuple[AnnotatedImage, ...]
    file: Path
    size: int


def write_shards(
    images: Sequence[AnnotatedImage], directory: Path, size: int, processes: int | None, on_shard: OnShard
) -> None:
    """Preprocess images into `directory`, in parallel; finished shards of the same images are kept.

    Parameters
    ----------
    images
        The images in sample order.
    directory
        The directory for the shards and their index.
    size
        The side of the model's input, in pixels.
    processes
        The number of processes; by default one per core.
    on_shard
        Called after each shard with the number of finished images and of all images.

    Raises
    ------
    DatasetError
        An image is missing or broken, or has another size than the annotated one; finished shards are kept.
    """
    directory.mkdir(parents=True, exist_ok=True)
    jobs = [
        _Job(tuple(images[start : start + SHARD_IMAGES]), directory / f"shard-{start // SHARD_IMAGES:05d}.u16", size)
        for start in range(0, len(images), SHARD_IMAGES)
    ]
    for job in jobs:  # one that is finished by now is not written again; a shard has hundreds of megabytes
        remove_abandoned(job.file)
    shards: dict[str, Shard] = {}
    done = 0
    with ProcessPoolExecutor(processes or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(_make, job) for job in jobs]
        try:
            for future in as_completed(pending):
                shard = future.result()
                shards[shard.name] = shard
                done += shard.count
                on_shard(done, len(images))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    ordered = tuple(shards[job.file.name] for job in jobs)
    write_atomic(directory / INDEX, msgspec.json.encode(Index(VERSION, size, ordered)))


class PreprocessedSamples:
    """The first `count` images of a directory of shards, mapped into memory.

    Raises
    ------
    DatasetError
        The index cannot be read or has another version or size, or a shard is missing or cut off.
    """

    def __init__(self, directory: Path, count: int, size: int, input_name: str) -> None:
        index = read_index(directory)
        if index.size != size:
            raise DatasetError(
                f"the preprocessed images in {directory} have another size",
                expected=f"{size}x{size}",
                found=f"{index.size}x{index.size}",
                fix="preprocess the data set for this benchmark",
            )
        there = sum(shard.count for shard in index.shards)
        if there < count:
            raise DatasetError(
                f"{directory} has too few preprocessed images",
                expected=f"{count:,}",
                found=f"{there:,}",
                fix=f"preprocess more, or use at most {there} with --dataset-size",
            )
        self._count, self._input_name = count, input_name
        self._shards = [_map(directory / shard.name, shard.count, size) for shard in index.shards]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Mapping[str, NDArray[Any]]:
        """Return one image: float32 ``[3, size, size]``, RGB, 0 to 1."""
        pixels = self._shards[index // SHARD_IMAGES][index % SHARD_IMAGES]
        return {self._input_name: pixels.astype(np.float32) * np.float32(1 / FULL)}


def used_shards(directory: Path, count: int) -> list[str]:
    """Return the file names of the shards that have the first `count` images."""
    return [shard.name for shard in read_index(directory).shards[: -(-count // SHARD_IMAGES)]]


def read_index(directory: Path) -> Index:
    """Read a directory's index, strictly."""
    path = directory / INDEX
    try:
        index = msgspec.json.decode(path.read_bytes(), type=Index)
    except (OSError, msgspec.MsgspecError) as error:
        raise _unreadable(path, "an index of preprocessed images", str(error)) from error
    if index.version != VERSION:
        raise _unreadable(path, f"version {VERSION}", f"version {index.version}")
    return index


def _make(job: _Job) -> Shard:
    digest = _digest([image.path for image in job.images])
    shard = Shard(job.file.name, digest, len(job.images))
    shape = (len(job.images), 3, job.size, job.size)
    note = job.file.with_suffix(".json")
    expected = msgspec.json.encode(Index(VERSION, job.size, (shard,)))
    if _has(note, expected) and job.file.is_file() and job.file.stat().st_size == 2 * int(np.prod(shape)):
        return shard
    note.unlink(missing_ok=True)
    scratch = np.empty(shape[1:], np.float32)
    with replacing(job.file) as beside, beside.open("wb") as file:
        for image in job.images:
            preprocess_stretch(image.path, job.size, out=scratch, annotated=image.size)
            np.rint(scratch * np.float32(FULL), out=scratch)
            file.write(np.minimum(scratch, FULL).astype(np.uint16).tobytes())
    write_atomic(note, expected)
    return shard


def _digest(images: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    try:
        for image in images:
            content = image.read_bytes()
            digest.update(len(content).to_bytes(8, "little"))
            digest.update(content)
    except OSError as error:
        raise DatasetError(
            f"cannot read the image {error.filename}",
            expected="an image file",
            found=error.strerror or str(error),
            fix="fetch the missing image",
        ) from error
    return digest.hexdigest()


def _has(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _map(path: Path, count: int, size: int) -> NDArray[np.uint16]:
    try:
        return np.memmap(path, np.uint16, "r", shape=(count, 3, size, size))
    except (OSError, ValueError) as error:
        raise _unreadable(path, f"{2 * count * 3 * size * size:,} bytes", str(error)) from error


def _unreadable(path: Path, expected: str, found: str) -> DatasetError:
    return DatasetError(
        f"{path} cannot be used",
        expected=expected,
        found=found,
        fix="preprocess the data set again; finished shards are kept",
    )
