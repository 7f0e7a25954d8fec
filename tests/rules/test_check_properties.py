"""Laws of the checker: it changes nothing, the disk's order does not matter, and what cannot be read never passes."""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.round import find_round
from tests.rules.submissions import BASES, submission
from tests.rules.test_check import judged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.rules.submissions import Submission

    Copy = Callable[[str], Submission]

_WORDS = {"README.md", "user.conf"}


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("base", BASES)
def test_checking_changes_nothing_and_says_the_same_again(base: str, bases: Mapping[str, Path]) -> None:
    before = snapshot(bases[base])
    it = submission(base, bases[base])
    first, second = judged(it, "strict"), judged(it, "strict")
    assert first == second
    assert snapshot(bases[base]) == before


@pytest.mark.parametrize("base", BASES)
def test_the_order_of_names_on_the_disk_does_not_matter(
    base: str, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = copy_of(base)
    for name in ("system.json", "b c", ".d"):
        (it.submitter / "systems" / name).write_text("{}")
    expected = judged(it, "strict")
    listed = os.scandir

    class Shuffled:
        def __init__(self, place: str) -> None:
            with listed(place) as found:
                self.entries = list(found)
            random.shuffle(self.entries)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Shuffled)
    for _ in range(3):
        assert judged(it, "strict") == expected


def inputs(root: Path) -> list[Path]:
    """Return every file that a run, a verification or a person has left for a result to be judged by."""
    return [
        path.relative_to(root)
        for path in sorted(root.rglob("*"))
        if path.is_file() and {"results", "measurements", "compliance", "systems"} & set(path.parts)
    ]


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(max(path.stat().st_size, 16)))


def encode(path: Path) -> None:
    path.write_bytes(path.read_bytes().decode().encode("utf-16"))


def replace_with_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").write_text("x")


def replace_with_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def undetectable(path: Path, damage: Callable[[Path], None]) -> bool:
    """Say whether nobody can tell the damage: half of a text that people write is a text still.

    TEST01's own responses are compared by a script whose verdict is what is judged.
    """
    return (damage is cut and path.name in _WORDS) or ("TEST01" in path.parts and path.parent.name == "accuracy")


@pytest.mark.parametrize("damage", [remove, empty, cut, garble, encode, replace_with_a_directory, replace_with_a_pipe])
@pytest.mark.parametrize("base", ["v6.1_open", "v5.1_closed"])
def test_a_result_never_passes_when_one_of_its_files_cannot_be_read(
    base: str, damage: Callable[[Path], None], bases: Mapping[str, Path], copy_of: Copy
) -> None:
    it = copy_of(base)
    for file in inputs(it.root):
        path = it.root / file
        if undetectable(path, damage):
            continue
        damage(path)
        assert judged(it, "strict").verdict != "OK", f"{file} after {damage.__name__}"
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        shutil.copy2(bases[base] / file, path)
    assert judged(it, "strict").verdict == "OK"


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_whatever_bytes_stand_in_a_file_there_is_a_verdict(data: st.DataObject, bases: Mapping[str, Path]) -> None:
    root = bases["v6.1_closed"]
    path = root / data.draw(st.sampled_from(inputs(root)), label="file")
    original = path.read_bytes()
    at = data.draw(st.integers(0, len(original)), label="at")
    removed = data.draw(st.integers(0, 200), label="removed")
    added = data.draw(st.binary(max_size=40) | st.sampled_from(TOKENS), label="added")
    path.write_bytes(original[:at] + added + original[at + removed :])
    try:
        for level in ("official", "strict"):
            report = check(read_submission(root), find_round("v6.1"), level)
            assert report.verdict in ("OK", "errors", "short", "not judged")
            assert all(finding.fix and finding.what for finding in report.all_findings())
            msgspec.json.encode(report)
    finally:
        path.write_bytes(original)


#: Values that JSON allows and that nobody expects.
TOKENS = [
    token.encode()
    for token in (
        "null",
        "NaN",
        "-Infinity",
        "1e999",
        "[]",
        "{}",
        '""',
        "true",
        "9" * 400,
        "[" * 5000,
        '"\\ud800"',
        "\r",
    )
]
