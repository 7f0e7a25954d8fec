"""Which address is asked: files, mirrors, none when offline; what is shown and kept of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.download import FetchOptions, fetch, fetch_many
from pytest_mlperf.artifacts.sources import Progress, RemoteFile
from pytest_mlperf.errors import OfflineError
from tests.artifacts.downloads import LARGE, SMALL, failure, remote, sha256
from tests.artifacts.web import (
    QUICK,
    Web,
    cut_after,
    status,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_file_addresses_work_also_offline(tmp_path: Path) -> None:
    source = tmp_path / "a b.bin"
    source.write_bytes(LARGE)
    file = RemoteFile("f", ("file:///not/here", source.as_uri()), sha256=sha256(LARGE))
    got = fetch(file, tmp_path / "d", replace(QUICK, offline=True))
    assert got.url == source.as_uri()
    assert got.path.read_bytes() == LARGE
    assert source.stat().st_nlink == 1


def test_offline_reaches_for_nothing_and_names_what_was_wanted(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    with pytest.raises(OfflineError) as caught:
        fetch(file, tmp_path, replace(QUICK, offline=True))
    for part in ("f (3,145,728 bytes)", f"{web.url}/f"):
        assert part in str(caught.value)
    assert web.requests == []
    with pytest.raises(OfflineError):
        fetch_many([file], tmp_path, replace(QUICK, offline=True, mirror=web.url))
    assert web.requests == []


def test_a_mirror_replaces_scheme_and_host(web: Web, tmp_path: Path) -> None:
    web.files["/base/record/1/f?download=1"] = SMALL
    file = RemoteFile("f", ("https://zenodo.invalid/record/1/f?download=1",), sha256=sha256(SMALL))
    got = fetch(file, tmp_path, replace(QUICK, mirror=f"{web.url}/base/"))
    assert got.url == f"{web.url}/base/record/1/f?download=1"


@pytest.mark.parametrize("name", ["record/1/f?download=1", "record/1/f"])
def test_a_directory_is_a_mirror(tmp_path: Path, name: str) -> None:
    place = tmp_path / "mirror" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(SMALL)
    file = RemoteFile("f", ("https://zenodo.invalid/record/1/f?download=1",), sha256=sha256(SMALL))
    for mirror in (tmp_path / "mirror", str(tmp_path / "mirror"), (tmp_path / "mirror").as_uri()):
        got = fetch(file, tmp_path / "d", replace(QUICK, mirror=mirror, offline=True))
        assert got.path.read_bytes() == SMALL
        got.path.unlink()


def test_no_password_is_shown_or_kept(web: Web, tmp_path: Path) -> None:
    web.files["/f"] = SMALL
    url = web.url.replace("://", "://joe:s3cret@")
    got = fetch(RemoteFile("f", (f"{url}/f",)), tmp_path, QUICK)
    assert got.url == f"{web.url}/f"
    assert web.requests[0].headers["Authorization"].startswith("Basic ")
    assert "s3cret" not in failure(RemoteFile("g", (f"{url}/g",)), tmp_path)


def test_pinned_content_must_not_change(web: Web, tmp_path: Path) -> None:
    from pytest_mlperf.artifacts.sources import Pin

    file = remote(web, known=False)
    pins = {"f": Pin(sha256(SMALL), len(SMALL), "somewhere", "2026-01-02")}
    text = failure(file, tmp_path, options=FetchOptions(pins, tmp_path / "pins.json"))
    assert f"has SHA-256 {sha256(LARGE)}; it had {sha256(SMALL)} when it was fetched on 2026-01-02" in text
    assert f"delete {tmp_path / 'pins.json'}" in text


def test_progress_counts_bytes_and_what_was_there_before(web: Web, tmp_path: Path) -> None:
    told: list[Progress] = []
    file = remote(web)
    web.faults["/f"] = [cut_after(1 << 20, reset=False), *[status(503)] * QUICK.attempts]
    failure(file, tmp_path)
    fetch(file, tmp_path, replace(QUICK, on_progress=told.append))
    last = told[-1]
    assert last == Progress("f", len(LARGE), len(LARGE), 1 << 20, 1, 1)
    assert [one.bytes_done for one in told] == sorted(one.bytes_done for one in told)
