"""The accuracy log is cut as MLCommons' tool does; the hash is always that of the full log, and written once."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.errors import SubmissionError
from pytest_mlperf.submission.truncation import TRUNCATED_SIZE, truncate

TEXT = b"mAP=37.552%\n"
#: Around each of the sizes that the rules name.
SIZES = st.sampled_from([0, 1, 4095, 4096, 4097, 8192, 8199, 10_239, 10_240, 10_241, 300_000])


def an_accuracy_directory(root: Path, size: int) -> bytes:
    """Write a log of numbered pieces, so that no two places look the same; return its content."""
    log = b"".join(b"%08d" % n for n in range(size // 8 + 1))[:size]
    root.mkdir(parents=True)
    (root / "accuracy.txt").write_bytes(TEXT)
    (root / "mlperf_log_accuracy.json").write_bytes(log)
    return log


def parts(root: Path) -> tuple[bytes, bytes]:
    return (root / "accuracy.txt").read_bytes(), (root / "mlperf_log_accuracy.json").read_bytes()


@given(size=SIZES | st.integers(0, 40_000))
@settings(max_examples=60, deadline=None)
def test_the_log_is_cut_to_its_ends_and_the_hash_is_of_the_whole(size: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root, kept = Path(temporary, "accuracy"), Path(temporary, "logs/full.json")
        log = an_accuracy_directory(root, size)
        done = truncate(root, kept)
        text, cut = parts(root)
        assert done.sha256 == hashlib.sha256(log).hexdigest()
        assert text == TEXT + b"\nhash=" + done.sha256.encode() + b"\n"
        assert kept.read_bytes() == log
        assert cut == (log if size < 4096 else log[:4096] + b"\n\n...\n\n" + log[-4096:])
        assert len(cut) <= TRUNCATED_SIZE


@given(size=SIZES, again=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_packing_again_changes_nothing(size: int, again: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root, kept = Path(temporary, "accuracy"), Path(temporary, "logs/full.json")
        log = an_accuracy_directory(root, size)
        first = truncate(root, kept)
        before = parts(root)
        for _ in range(again):
            second = truncate(root, kept)
            assert (second.sha256, second.changed) == (first.sha256, False)
        assert parts(root) == before
        assert kept.read_bytes() == log


def test_a_kill_between_the_hash_and_the_cut_is_mended(tmp_path: Path) -> None:
    root, kept = tmp_path / "accuracy", tmp_path / "full.json"
    log = an_accuracy_directory(root, 50_000)
    truncate(root, kept)
    expected = parts(root)
    (root / "mlperf_log_accuracy.json").write_bytes(log)  # as it was before the cut
    truncate(root, kept)
    assert parts(root) == expected


def test_a_new_log_gets_a_new_hash_in_place_of_the_old_one(tmp_path: Path) -> None:
    root, kept = tmp_path / "accuracy", tmp_path / "full.json"
    an_accuracy_directory(root, 50_000)
    truncate(root, kept)
    (root / "mlperf_log_accuracy.json").write_bytes(log := b"[" + b"7" * 60_000 + b"]")
    truncate(root, kept)
    text, _ = parts(root)
    assert text.count(b"hash=") == 1
    assert hashlib.sha256(log).hexdigest().encode() in text
    assert kept.read_bytes() == log


def test_a_lost_hash_is_taken_from_the_kept_log(tmp_path: Path) -> None:
    root, kept = tmp_path / "accuracy", tmp_path / "full.json"
    an_accuracy_directory(root, 50_000)
    truncate(root, kept)
    expected = parts(root)
    (root / "accuracy.txt").write_bytes(TEXT)
    truncate(root, kept)
    assert parts(root) == expected


def test_the_hash_of_a_cut_log_is_never_written(tmp_path: Path) -> None:
    root, kept = tmp_path / "accuracy", tmp_path / "full.json"
    an_accuracy_directory(root, 50_000)
    truncate(root, kept)
    (root / "accuracy.txt").write_bytes(TEXT)
    kept.write_bytes(b"another log" * 10_000)
    with pytest.raises(SubmissionError, match="already truncated"):
        truncate(root, kept)
    assert (root / "accuracy.txt").read_bytes() == TEXT


@pytest.mark.parametrize("gone", ["accuracy.txt", "mlperf_log_accuracy.json"])
def test_without_one_of_its_files_nothing_is_cut(tmp_path: Path, gone: str) -> None:
    root = tmp_path / "accuracy"
    an_accuracy_directory(root, 50_000)
    (root / gone).unlink()
    with pytest.raises(SubmissionError, match=r"cannot be truncated\n.*accuracy.txt and mlperf_log_accuracy.json"):
        truncate(root, tmp_path / "full.json")
    assert not (tmp_path / "full.json").exists()
