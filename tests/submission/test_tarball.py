"""A tarball has the division at its top, is the same for the same files, and holds files and directories only."""

from __future__ import annotations

import gzip
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from pytest_mlperf.artifacts.archives import unpack
from pytest_mlperf.errors import OutputError, SubmissionError
from pytest_mlperf.submission.tarball import default_name, pack
from pytest_mlperf.submission.tree import write_submission
from tests.submission.conftest import MakePlan, files_of


def test_what_is_packed_comes_out_again(make_plan: MakePlan, tmp_path: Path) -> None:
    written = write_submission(make_plan(), tmp_path / "sub")
    file = pack(written.directory, tmp_path / "open.tar.gz")
    unpack(file, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(written.directory)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["open"]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    def a_tree(root: Path, names: list[str], time: int) -> Path:
        for name in names:
            path = root / "open/Community" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"content of {name}")
            path.chmod(0o600 if time else 0o664)
            os.utime(path, (time, time))
        return root

    names = ["b/x.txt", "a/y.txt", "B.txt", "ä.txt", "a.txt", "deep/" * 40 + "z.txt"]
    one = pack(a_tree(tmp_path / "one", names, 0), tmp_path / "1.tar.gz")
    two = pack(a_tree(tmp_path / "two", names[::-1], 1_700_000_000), tmp_path / "another name.tar.gz")
    assert one.read_bytes() == two.read_bytes()


def test_nothing_of_the_machine_is_in_it(make_plan: MakePlan, tmp_path: Path) -> None:
    file = pack(write_submission(make_plan(), tmp_path / "sub").directory, tmp_path / "open.tar.gz")
    with tarfile.open(file) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted(
        (member.name for member in members), key=lambda name: name.split("/")
    )
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    assert {member.mode for member in members} == {0o755, 0o644}
    assert file.read_bytes()[3:8] == bytes(5)  # no name in gzip's header, and time 0


def test_another_tar_reads_it(make_plan: MakePlan, tmp_path: Path) -> None:
    file = pack(write_submission(make_plan(), tmp_path / "sub").directory, tmp_path / "open.tar.gz")
    listed = subprocess.run(["tar", "-tzf", str(file)], capture_output=True, text=True, check=True).stdout
    assert "open/Community/model_mapping.json" in listed.splitlines()


@pytest.mark.parametrize("kind", ["link", "broken link", "directory link", "pipe", "control character", "no text"])
def test_hostile_members_are_refused_and_nothing_is_left(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "sub/open/Community"
    place.mkdir(parents=True)
    (place / "README.md").write_text("fine")
    bad = place / "bad"
    if kind == "pipe":
        os.mkfifo(bad)
    elif kind == "control character":
        (place / "a\nb").write_text("x")
    elif kind == "no text":
        Path(os.fsdecode(os.fsencode(place) + b"/\xff")).write_text("x")
    else:
        bad.symlink_to({"link": "README.md", "broken link": "nowhere", "directory link": "/etc"}[kind])
    with pytest.raises(SubmissionError, match=r"cannot be part of a submission\nexpected: files and directories"):
        pack(tmp_path / "sub", tmp_path / "open.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["sub"]


def test_only_divisions_are_packed(tmp_path: Path) -> None:
    for name in ("open/a.txt", "closed/b.txt", "notes/c.txt"):
        (tmp_path / "sub" / name).parent.mkdir(parents=True)
        (tmp_path / "sub" / name).write_text(name)
    with tarfile.open(pack(tmp_path / "sub", tmp_path / "all.tar.gz")) as archive:
        assert archive.getnames() == ["closed", "closed/b.txt", "open", "open/a.txt"]
    with tarfile.open(pack(tmp_path / "sub", tmp_path / "open.tar.gz", ("open",))) as archive:
        assert archive.getnames() == ["open", "open/a.txt"]
    assert default_name(tmp_path / "sub") == "sub.tar.gz"
    with pytest.raises(SubmissionError, match="nothing to pack"):
        pack(tmp_path / "sub/notes", tmp_path / "none.tar.gz")


def test_a_tarball_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "sub/open").mkdir(parents=True)
    (tmp_path / "there.tar.gz").mkdir()
    with pytest.raises(OutputError, match="cannot pack"):
        pack(tmp_path / "sub", tmp_path / "there.tar.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sub", "there.tar.gz"]


def test_the_content_is_compressed(tmp_path: Path) -> None:
    log = tmp_path / "sub/open/log.txt"
    log.parent.mkdir(parents=True)
    log.write_text(':::MLLOG {"key": "effective_min_duration_ms", "value": 600000}\n' * 20_000)
    file = pack(tmp_path / "sub", tmp_path / "open.tar.gz")
    assert file.stat().st_size < log.stat().st_size / 50
    assert len(gzip.decompress(file.read_bytes())) > log.stat().st_size
