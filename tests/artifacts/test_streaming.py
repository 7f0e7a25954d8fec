from __future__ import annotations

import gzip
import hashlib
import io
import random
import time
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.artifacts.streaming import fetch_and_unpack
from pytest_mlperf.errors import ArchiveError, FetchError
from tests.artifacts.packing import packed
from tests.artifacts.web import QUICK, Web, cut_after

if TYPE_CHECKING:
    from pathlib import Path

FILES = {f"images/{n}.bin": random.Random(n).randbytes(100_000) for n in range(30)}


ARCHIVE = packed(FILES)


def remote(web: Web, content: bytes = ARCHIVE, name: str = "a.tar.gz") -> RemoteFile:
    web.files[f"/{name}"] = content
    return RemoteFile(name, (f"{web.url}/{name}",), sha256=hashlib.sha256(content).hexdigest())


def content_of(directory: Path) -> dict[str, bytes]:
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*.bin")}


def test_files_are_unpacked_while_the_archive_comes(web: Web, tmp_path: Path) -> None:
    web.piece_s = 0.02
    seen: list[int] = []

    def look(_: object) -> None:
        seen.append(len(list(tmp_path.glob(".into.*/images/*.bin"))))

    network = replace(QUICK, on_progress=look)
    fetch_and_unpack(remote(web), tmp_path / "d", tmp_path / "into", network)
    assert content_of(tmp_path / "into") == FILES
    assert any(0 < count < len(FILES) for count in seen)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_connection_does_no_harm(web: Web, tmp_path: Path, ranges: bool) -> None:
    web.ranges = ranges
    file = remote(web)
    web.faults["/a.tar.gz"] = [cut_after(1 << 20, reset=False), cut_after(5000, reset=False)]
    fetch_and_unpack(file, tmp_path / "d", tmp_path / "into", QUICK)
    assert content_of(tmp_path / "into") == FILES


def test_an_archive_that_is_here_already_is_unpacked(web: Web, tmp_path: Path) -> None:
    fetch_and_unpack(remote(web), tmp_path / "d", tmp_path / "first", QUICK)
    fetch_and_unpack(remote(web), tmp_path / "d", tmp_path / "second", QUICK)
    assert content_of(tmp_path / "second") == FILES
    assert len(web.requests) == 1


def test_nothing_is_unpacked_from_a_wrong_archive_and_the_next_mirror_is(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    web.files["/wrong"] = packed({"images/0.bin": b"wrong"})
    wrong = replace(file, urls=(f"{web.url}/wrong",))
    with pytest.raises(FetchError, match="has SHA-256"):
        fetch_and_unpack(wrong, tmp_path / "d", tmp_path / "into", QUICK)
    assert not (tmp_path / "into").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    both = replace(file, urls=(*wrong.urls, *file.urls))
    fetch_and_unpack(both, tmp_path / "d", tmp_path / "into", QUICK)
    assert content_of(tmp_path / "into") == FILES


def test_a_failed_fetch_ends_the_unpacking(web: Web, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match="HTTP 404"):
        fetch_and_unpack(RemoteFile("a", (f"{web.url}/a",)), tmp_path / "d", tmp_path / "into", QUICK)
    assert time.monotonic() - started < 5
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_zip_is_unpacked_when_it_is_whole(web: Web, tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    fetch_and_unpack(remote(web, made.getvalue(), "a.zip"), tmp_path / "d", tmp_path / "into", QUICK)
    assert content_of(tmp_path / "into") == FILES


def test_a_bad_archive_with_the_right_checksum_is_still_refused(web: Web, tmp_path: Path) -> None:
    file = remote(web, gzip.compress(gzip.decompress(ARCHIVE)[: 1 << 20]))
    with pytest.raises(ArchiveError, match=r"cannot unpack a\.tar\.gz"):
        fetch_and_unpack(file, tmp_path / "d", tmp_path / "into", QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
