"""What an interrupted accuracy run has answered is there for the next one, whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.benchmarks.base import Records, TokenRecords
from pytest_mlperf.worker.unfinished import Unfinished, open_unfinished

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

IDENTITY = {"onnxruntime": "1"}


def opened(path: Path, *, again: bool = False, **identity: str) -> Unfinished:
    found = open_unfinished(path, IDENTITY | identity, again=again)
    assert found is not None
    return found


def left(path: Path) -> None:
    """Leave answers as a process does that is killed."""
    kept = opened(path)
    kept.add([3, 1], Records.rows(np.arange(4, dtype=np.float32).reshape(2, 2)))
    kept.add([2], Records.ragged([np.frombuffer(b"text", np.uint8)]))
    os.close(kept._file)


def test_what_was_answered_is_found_by_its_batch(tmp_path: Path) -> None:
    left(tmp_path / "a" / "answers")
    kept = opened(tmp_path / "a" / "answers")
    assert kept.found == 3
    records = kept.get([3, 1])
    assert records is not None
    assert records.data.tobytes() == np.arange(4, dtype=np.float32).tobytes()
    assert list(records.offsets) == [0, 8, 16]
    text = kept.get([2])
    assert text is not None
    assert text.data.tobytes() == b"text"
    assert kept.get([1, 3]) is None
    assert kept.get([3]) is None
    kept.remove()
    assert not (tmp_path / "a").exists()


def test_numbers_of_tokens_are_kept(tmp_path: Path) -> None:
    kept = opened(tmp_path / "answers")
    kept.add([0, 1], TokenRecords.counted(Records.rows(np.zeros((2, 1), np.int32)), [5, 7]))
    records = opened_again(kept, tmp_path / "answers").get([0, 1])
    assert isinstance(records, TokenRecords)
    assert list(records.tokens) == [5, 7]


def opened_again(kept: Unfinished, path: Path) -> Unfinished:
    os.close(kept._file)
    return opened(path)


@given(cut=st.integers(0, 10_000), flip=st.integers(0, 10_000))
def test_a_file_that_is_cut_or_damaged_gives_whole_answers_or_none(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int
) -> None:
    path = tmp_path_factory.mktemp("kept") / "answers"
    left(path)
    content = bytearray(path.read_bytes())
    content[flip % len(content)] ^= 0x40
    path.write_bytes(content[: cut % (len(content) + 1)])
    kept = opened(path)
    for batch, size in (([3, 1], 16), ([2], 4)):
        records = kept.get(batch)
        assert records is None or len(records.data) == size
    kept.add([9], Records.rows(np.ones((1, 3), np.uint8)))
    records = opened_again(kept, path).get([9])
    assert records is not None
    assert records.data.tobytes() == b"\x01\x01\x01"


def test_other_versions_and_a_rerun_begin_anew(tmp_path: Path) -> None:
    for again, identity in ((False, {"onnxruntime": "2"}), (True, {})):
        left(tmp_path / "answers")
        kept = opened(tmp_path / "answers", again=again, **identity)
        assert kept.found == 0
        kept.remove()


def test_two_processes_do_not_share_a_file(tmp_path: Path) -> None:
    kept = opened(tmp_path / "answers")
    assert open_unfinished(tmp_path / "answers", IDENTITY, again=False) is None
    kept.remove()


def test_a_place_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert open_unfinished(tmp_path / "file" / "answers", IDENTITY, again=False) is None
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert open_unfinished(tmp_path / "link", IDENTITY, again=False) is None


def test_a_disk_that_is_full_gets_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left(tmp_path / "answers")
    kept = opened(tmp_path / "answers")
    file = kept._file

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    kept.add([5], Records.rows(np.ones((1, 3), np.uint8)))
    assert not (tmp_path / "answers").exists()
    assert os.fstat(file).st_size == 0
    assert kept.get([2]) is None
    kept.remove()
