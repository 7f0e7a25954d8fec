"""What no archive of a data set has is refused before it is written."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.archives import Limits, unpack
from pytest_mlperf.errors import ArchiveError, CacheError
from tests.artifacts.archives import content_of, entry, packed, refused, tar, tar_of, zip_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


GIB = 1 << 30


def old_gnu_sparse() -> bytes:
    """Return a tar of 2 KiB whose only member becomes 8 GiB, as GNU tar wrote it first."""
    info = entry("holes", kind=tarfile.GNUTYPE_SPARSE)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    # At 386 four pairs of offset and length, of which the last says where the file ends; at 483 the real size.
    block[386:410] = b"%011o\0%011o\0" % (8 * GIB - 1, 0)
    block[483:495] = b"%011o\0" % (8 * GIB - 1)
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


def pax_sparse(records: dict[str, str], content: bytes = b"") -> bytes:
    info = entry("holes", content)
    info.pax_headers = records
    return info.tobuf(tarfile.PAX_FORMAT) + content.ljust(-len(content) // 512 * -512, b"\0") + bytes(1024)


SIZE = str(8 * GIB)
SPARSE = {
    "old": old_gnu_sparse(),
    "pax 0.0": pax_sparse(
        {"GNU.sparse.size": SIZE, "GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "0"}
    ),
    "pax 0.1": pax_sparse({"GNU.sparse.size": SIZE, "GNU.sparse.map": "0,0", "GNU.sparse.numblocks": "1"}),
    "pax 1.0": pax_sparse(
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": SIZE}, b"1\n0\n0\n".ljust(512, b"\0")
    ),
    "pax of another version": pax_sparse({"GNU.sparse.major": "2", "GNU.sparse.realsize": "0"}),
}


@pytest.mark.parametrize("form", SPARSE)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["tar", "tar.gz"])
def test_a_sparse_member_is_refused_before_its_holes_are_written(
    tmp_path: Path, form: str, pack: Callable[[bytes], bytes]
) -> None:
    refused(pack(SPARSE[form]), tmp_path, "'holes', which is sparse")


@pytest.mark.parametrize(
    "name",
    ["d/" * 1500 + "f", "d/" * 101, "n" * 256, "/".join(["n" * 250] * 9), "é" * 128],
    ids=["1500 deep", "101 deep", "a name too long", "a path too long", "too long in bytes"],
)
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_a_path_that_file_systems_do_not_have_is_refused(tmp_path: Path, form: str, name: str) -> None:
    refused(packed(form, {name: b""}), tmp_path, "refused to unpack archive\n.*a path of .* bytes with .* parts")


def test_a_path_as_deep_and_as_long_as_is_allowed_comes_out(tmp_path: Path) -> None:
    files = {"d/" * 99 + "f": b"deep", "n" * 255: b"long"}
    for form in ("zip", "tar"):
        (tmp_path / form).write_bytes(packed(form, files))
        unpack(tmp_path / form, tmp_path / "content" / form)
        assert content_of(tmp_path / "content" / form) == files


def test_a_directory_in_which_the_path_becomes_too_long_is_an_error_of_ours(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 200] * 12)
    deep.mkdir(parents=True)
    (tmp_path / "t").write_bytes(tar_of({"/".join(["n" * 200] * 10): b""}))
    with pytest.raises(ArchiveError, match="whose path becomes too long"):
        unpack(tmp_path / "t", deep / "content")
    assert list(deep.iterdir()) == []


def test_a_link_whose_target_is_no_path_is_refused(tmp_path: Path) -> None:
    refused(tar((entry("link", kind=tarfile.SYMTYPE, target="x/" * 4000), b"")), tmp_path, "which lies outside")
    zipped = zip_of({"link": b"x/" * 4000}, {"link": stat.S_IFLNK | 0o777})
    refused(zipped, tmp_path, "which lies outside")


def test_directories_that_come_with_a_path_count_as_members(tmp_path: Path) -> None:
    refused(tar_of({f"{n}/" * 50 + "f": b"" for n in range(3)}), tmp_path, "more than 100 members", Limits(members=100))


def headers(kind: bytes, size: int, times: int) -> bytes:
    """Return a tar that begins with extended headers of so many bytes."""
    info = entry("header", kind=kind)
    info.size = size
    padded = info.tobuf() + bytes(-size // 512 * -512)
    return padded * times + tar_of({"a": b""})


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, kind: bytes) -> None:
    refused(headers(kind, 2 << 20, 1), tmp_path, "a header or a member of 2,097,152 bytes")


def test_thousands_of_headers_before_one_member_are_an_error_of_ours(tmp_path: Path) -> None:
    refused(headers(tarfile.GNUTYPE_LONGNAME, 0, 3000), tmp_path, "cannot unpack")


def test_a_member_of_negative_size_is_refused(tmp_path: Path) -> None:
    info = entry("a")
    block = bytearray(info.tobuf())
    block[124:136] = (-512).to_bytes(12, "big", signed=True)
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    refused(bytes(block) + bytes(1024), tmp_path, "a header or a member of -512 bytes")
    refused(pax_sparse({"size": "-512"}), tmp_path, "a member of -512 bytes|cannot unpack")


def test_a_zip_whose_members_share_their_content_is_refused(tmp_path: Path) -> None:
    made = bytearray(zip_of({"a": os.urandom(5000), "b": b"1"}))
    second = made.rindex(b"PK\x01\x02")
    made[second + 42 : second + 46] = bytes(4)  # where b begins: where a does
    refused(bytes(made), tmp_path, "overlaps another member")


def test_a_zip_larger_than_the_disk_is_told_before_its_first_member_is_written(
    tmp_path: Path, make_disk: Callable[[str], Path]
) -> None:
    (tmp_path / "z").write_bytes(zip_of({"a": os.urandom(700_000), "b": os.urandom(700_000)}))
    disk = make_disk("1m")
    with pytest.raises(CacheError, match="no room to unpack z\nexpected: 1,400,000 bytes free"):
        unpack(tmp_path / "z", disk / "content")
    assert list(disk.iterdir()) == []


def test_a_tar_whose_last_member_is_a_zip_is_a_tar(tmp_path: Path) -> None:
    files = {"a": b"1", "b.whl": zip_of({"x": b"2"})}
    (tmp_path / "t").write_bytes(tar_of(files)[: 512 * 6])
    unpack(tmp_path / "t", tmp_path / "content")
    assert content_of(tmp_path / "content") == files


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["tar", "tar.gz"])
def test_an_empty_tar_becomes_an_empty_directory(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "t").write_bytes(pack(tar()))
    unpack(tmp_path / "t", tmp_path / "content")
    assert list((tmp_path / "content").iterdir()) == []
