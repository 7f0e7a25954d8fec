"""A digest is that of the content alone, and whatever happens to a hashed file afterwards is seen."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.content import Content, listing_sha256, names_below, read_content, read_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with files in two levels."""
    place = tmp_path / "there"
    (place / "variables").mkdir(parents=True)
    for name, content in (("graph.pb", b"graph"), ("variables/1.bin", b"one"), ("variables/2.bin", b"two")):
        (place / name).write_bytes(content)
    return place


def test_the_digest_is_that_of_sha256sums_lines_whatever_the_directory_is_called(directory: Path) -> None:
    copy = shutil.copytree(directory, directory.with_name("a copy"))
    command = "find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    listed = subprocess.run(command, shell=True, cwd=copy, capture_output=True, text=True, check=True)  # noqa: S602
    assert read_directory(directory).sha256 == read_directory(copy).sha256 == listed.stdout.split()[0]


def test_the_digest_of_one_file_is_its_own(directory: Path) -> None:
    (directory / "graph.pb").rename(directory / "renamed.pb")
    assert read_content(directory, ["renamed.pb"]).sha256 == hashlib.sha256(b"graph").hexdigest()


def test_another_name_in_a_directory_is_another_digest_and_no_name_passes_for_two(directory: Path) -> None:
    before = read_directory(directory).sha256
    (directory / "variables" / "1.bin").rename(directory / "variables" / "3.bin")
    assert read_directory(directory).sha256 != before
    one, two, three = ("1" * 64, "2" * 64, "3" * 64)
    assert listing_sha256([("a", one), ("b", two), ("c", three)]) != listing_sha256(
        [(f"a\n{two}  b", one), ("c", three)]
    )


def replace(file: Path) -> None:
    """Put another file of the same size in its place."""
    beside = file.with_name("beside")
    beside.write_bytes(file.read_bytes()[::-1])
    beside.replace(file)


def overwrite(file: Path) -> None:
    """Write other bytes into it, and give it the time that it had."""
    status = file.stat()
    file.write_bytes(file.read_bytes()[::-1])
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def write_and_put_back(file: Path) -> None:
    """Write other bytes into it, then the old ones, and give it the time that it had."""
    status, content = file.stat(), file.read_bytes()
    file.write_bytes(content[::-1])
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def link_elsewhere(file: Path) -> None:
    """Put a link to another file in its place."""
    file.unlink()
    file.symlink_to(file.with_name("2.bin"))


@pytest.mark.parametrize("change", [replace, overwrite, write_and_put_back, link_elsewhere, os.unlink])
def test_a_file_that_is_no_longer_the_one_that_was_hashed_is_named(
    directory: Path, change: Callable[[Path], None]
) -> None:
    names = names_below(directory)
    content = read_content(directory, names)
    assert content.change() is None
    file = directory / "variables" / "1.bin"
    change(file)
    found = content.change()
    assert found is not None
    assert found.path == str(file)
    assert found.expected == f"SHA-256 {hashlib.sha256(b'one').hexdigest()}"
    assert found.found not in (found.expected, "")


def test_a_new_file_in_a_directory_is_a_change_and_beside_named_files_is_none(directory: Path) -> None:
    whole, some = read_directory(directory), read_content(directory, ["graph.pb"])
    (directory / "variables" / "new.bin").write_bytes(b"")
    assert some.change() is None
    found = whole.change()
    assert found == (str(directory / "variables" / "new.bin"), "no such file", "a new file")


def test_what_lies_behind_links_counts(directory: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    before = read_directory(directory).sha256
    (directory / "variables").rename(moved)
    (directory / "variables").symlink_to(moved)
    content = read_directory(directory)
    assert content.sha256 == before
    replace(moved / "2.bin")
    assert content.change() is not None


def test_reading_ends_at_a_loop_a_pipe_and_what_is_not_there(directory: Path) -> None:
    (directory / "variables" / "up").symlink_to(directory)
    with pytest.raises(OSError, match="Too many levels"):
        read_directory(directory)
    (directory / "variables" / "up").unlink()
    os.mkfifo(directory / "pipe")
    with pytest.raises(OSError, match="not a file"):
        read_directory(directory)
    with pytest.raises(FileNotFoundError):
        read_content(directory, ["nothing"])


def test_many_files_are_hashed_in_their_order(tmp_path: Path) -> None:
    names = [f"{number:03}" for number in range(200)]
    for name in names:
        (tmp_path / name).write_text(name)
    content = read_content(tmp_path, reversed(names))
    assert [file.name for file in content.files] == names[::-1]
    assert content.sha256 == read_directory(tmp_path).sha256
    assert Content(()).change() is None
