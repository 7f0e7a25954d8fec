from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mlperf.artifacts.archives import Limits, unpack
from pytest_mlperf.errors import ArchiveError, CacheError
from tests.artifacts.archives import BEYOND, FILES, PACKERS, content_of, entry, packed, refused, tar, tar_of, zip_of

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("form", ["zip", *PACKERS])
@pytest.mark.parametrize("there", [True, False])
def test_what_was_packed_comes_out(tmp_path: Path, form: str, there: bool) -> None:
    (tmp_path / "named.anyhow").write_bytes(packed(form, FILES))
    if there:
        (tmp_path / "content").mkdir()
    unpack(tmp_path / "named.anyhow", tmp_path / "content")
    assert content_of(tmp_path / "content") == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["content", "named.anyhow"]


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress)])
def test_a_single_compressed_file_loses_its_ending(tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / f"boxes.json.{ending}").write_bytes(pack(b"{}" * 9999))
    unpack(tmp_path / f"boxes.json.{ending}", tmp_path / "content")
    assert content_of(tmp_path / "content") == {"boxes.json": b"{}" * 9999}


NAMES = st.lists(st.text("abc.é ", min_size=1, max_size=8), min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(NAMES, st.binary(max_size=2000), max_size=6)


def is_tree(files: dict[str, bytes]) -> bool:
    names = [name.split("/") for name in files]
    dots = any(part in (".", "..") for name in names for part in name)
    return not dots and not any(a != b and b[: len(a)] == a for a in names for b in names)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES.filter(is_tree), st.sampled_from(["zip", *PACKERS]))
def test_any_tree_comes_out_as_it_went_in(tmp_path: Path, files: dict[str, bytes], form: str) -> None:
    place = Path(tempfile.mkdtemp(dir=tmp_path))
    (place / "archive").write_bytes(packed(form, files))
    unpack(place / "archive", place / "content")
    assert content_of(place / "content") == files


PAIR = {"a": random.Random(2).randbytes(3000), "b": bytes(3000)}
WHOLE = {form: packed(form, PAIR) for form in ["zip", *PACKERS]}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(WHOLE)), st.floats(0, 1, exclude_max=True))
def test_a_truncated_archive_never_passes(tmp_path: Path, form: str, part: float) -> None:
    data = WHOLE[form]
    if form == "tar":
        data = data[: 2 * 512 + 2 * 3072]  # what follows is the mark at the end and padding
    refused(data[: int(len(data) * part)], tmp_path, "cannot unpack archive")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["zip", "tar.gz", "tar.xz", "tar.bz2"]), st.data())
def test_a_flipped_bit_is_an_error_of_ours_or_changes_no_content(
    tmp_path: Path, form: str, data: st.DataObject
) -> None:
    damaged = bytearray(WHOLE[form])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    place = Path(tempfile.mkdtemp(dir=tmp_path))
    (place / "archive").write_bytes(bytes(damaged))
    try:
        unpack(place / "archive", place / "content")
    except (ArchiveError, CacheError):
        assert [path.name for path in place.iterdir()] == ["archive"]
    else:
        # A zip's names are in no checksum.
        assert sorted(content_of(place / "content").values()) == sorted(PAIR.values())


def test_a_tar_with_garbage_between_two_members_is_no_end(tmp_path: Path) -> None:
    data = bytearray(tar_of({"a": b"1", "b": b"2"}))
    data[1024:1536] = b"\xff" * 512
    refused(bytes(data), tmp_path, "the mark at the end is missing")


def test_an_unknown_format_is_no_archive(tmp_path: Path) -> None:
    refused(b"<html>not found</html>" * 99, tmp_path, "expected: a zip, tar, gzip, xz or bzip2 file")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "a/b/../../../evil"])
@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_a_member_outside_is_refused(tmp_path: Path, form: str, name: str) -> None:
    refused(packed(form, {"good": b"1", name: b"2"}), tmp_path, "which lies outside")


@pytest.mark.parametrize("target", ["../..", "/etc/passwd", "../../in/archive", "deep/../../../in", ""])
def test_a_symbolic_link_out_is_refused(tmp_path: Path, target: str) -> None:
    link = entry("sub/link", kind=tarfile.SYMTYPE, target=target)
    refused(tar((entry("sub/f", b"1"), b"1"), (link, b"")), tmp_path, "which lies outside")
    zipped = zip_of({"sub/link": target.encode()}, {"sub/link": stat.S_IFLNK | 0o777})
    refused(zipped, tmp_path, "which lies outside")


def test_links_that_lead_out_only_together_are_refused(tmp_path: Path) -> None:
    # Each stays inside by its text; but a/b/up is the top, so a/b/up/.. is beyond it.
    members = [
        (entry("a/b/up", kind=tarfile.SYMTYPE, target="../.."), b""),
        (entry("out", kind=tarfile.SYMTYPE, target="a/b/up/../in"), b""),
    ]
    refused(tar(*members), tmp_path, "which lies outside")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    members = [
        (entry("x", kind=tarfile.SYMTYPE, target="."), b""),
        (entry("x/evil", b"2"), b"2"),
    ]
    refused(tar(*members), tmp_path, "twice")


@pytest.mark.parametrize("target", ["../in/archive", "/etc/passwd", "none"])
def test_a_hard_link_out_is_refused(tmp_path: Path, target: str) -> None:
    refused(tar((entry("link", kind=tarfile.LNKTYPE, target=target), b"")), tmp_path, "which lies outside|not in it")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    refused(tar((entry("device", kind=kind), b"")), tmp_path, "a device or a pipe")


def test_a_pipe_in_a_zip_is_refused(tmp_path: Path) -> None:
    refused(zip_of({"p": b""}, {"p": stat.S_IFIFO | 0o644}), tmp_path, "a device or a pipe")


def test_a_member_twice_is_refused(tmp_path: Path) -> None:
    refused(tar((entry("a", b"1"), b"1"), (entry("./a", b"2"), b"2")), tmp_path, "twice")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    refused(made.getvalue(), tmp_path, "twice")


def test_links_inside_and_the_right_to_execute_are_kept(tmp_path: Path) -> None:
    program = entry("bin/run", b"#!/bin/sh\n")
    program.mode = 0o4755
    data = tar(
        (entry("bin", kind=tarfile.DIRTYPE), b""),
        (program, b"#!/bin/sh\n"),
        (entry("latest", kind=tarfile.SYMTYPE, target="bin/run"), b""),
        (entry("same", kind=tarfile.LNKTYPE, target="bin/run"), b""),
    )
    (tmp_path / "t").write_bytes(data)
    unpack(tmp_path / "t", tmp_path / "content")
    content = tmp_path / "content"
    assert (content / "latest").readlink().as_posix() == "bin/run"
    assert (content / "same").read_bytes() == b"#!/bin/sh\n"
    assert stat.S_IMODE((content / "bin/run").stat().st_mode) == 0o755


@pytest.mark.parametrize("form", ["zip", *PACKERS])
def test_too_much_is_refused(tmp_path: Path, form: str) -> None:
    data = packed(form, {"a": os.urandom(6000), "b": os.urandom(6000)})
    refused(data, tmp_path, "more than 10,000 bytes", Limits(size=10_000))
    refused(data, tmp_path, "more than 1 members", Limits(members=1))


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    zeros = bytes(200 << 20)
    refused(zip_of({"zeros": zeros}), tmp_path, "a bomb")
    refused(gzip.compress(zeros), tmp_path, "a bomb", name="zeros.gz")
    bomb = gzip.compress(tar((entry("zeros", zeros), zeros)))
    refused(bomb, tmp_path, "a bomb")


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_of({"a": bytes(100_000)}))
    honest = (100_000).to_bytes(4, "little")
    assert data.count(honest) == 2
    refused(bytes(data.replace(honest, (10).to_bytes(4, "little"))), tmp_path, "cannot unpack")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_of({"a": b"secret"}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    refused(bytes(data), tmp_path, "which is encrypted")


def test_a_member_larger_than_the_disk_is_told_before_it_is_written(tmp_path: Path) -> None:
    info = entry("huge")
    info.size = BEYOND
    data = info.tobuf() + bytes(512)
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(CacheError, match=r"no room to unpack t\nexpected: 1,099,511,627,776 bytes free"):
        unpack(tmp_path / "t", tmp_path / "content", Limits(size=2 * BEYOND))
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
