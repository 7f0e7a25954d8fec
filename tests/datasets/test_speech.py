"""Utterances come in the reference's order, and what is not an utterance is a clear error before the test."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.datasets.digit_speech import speak
from pytest_mlperf.datasets.flac import BLOCK, flac
from pytest_mlperf.datasets.known_files import known_files
from pytest_mlperf.datasets.spoken_numbers import generate
from pytest_mlperf.datasets.spoken_numbers_recipe import KNOWN, SpokenNumbersRecipe
from pytest_mlperf.datasets.utterances import (
    CHAPTERS,
    MANIFEST,
    official_chapters,
    transcripts,
    used_files,
    utterances,
)
from pytest_mlperf.datasets.waveforms import Waveforms
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 16_000
FIRST, SECOND = "2277-149896", "2277-149897"
GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "golden/rnnt/manifest.json").read_text())


def tone(samples: int) -> Any:
    return (np.arange(samples) % 100 * 50).astype(np.int16)


def chapter(root: Path, name: str, lengths: list[int]) -> Path:
    folder = root.joinpath(*name.split("-"))
    folder.mkdir(parents=True)
    for number, samples in enumerate(lengths):
        (folder / f"{name}-{number:04d}.flac").write_bytes(flac(tone(samples), RATE))
    lines = [f"{name}-{number:04d} WORD {'X' * (number + 1)}\n" for number in range(len(lengths))]
    # LibriSpeech's lists are in order; it must not matter.
    (folder / f"{name}.trans.txt").write_text("".join(reversed(lines)))
    return folder


@pytest.mark.parametrize("place", [".", "dev-clean", "LibriSpeech/dev-clean"])
def test_chapters_come_in_the_manifest_s_order_without_what_is_longer_than_15_s(tmp_path: Path, place: str) -> None:
    chapter(tmp_path / place, FIRST, [100, 15 * RATE, 15 * RATE + 1, 200])
    chapter(tmp_path / place, SECOND, [300])
    found = utterances(tmp_path, 4)
    assert [utterance.samples for utterance in found] == [100, 15 * RATE, 200, 300]
    assert transcripts(tmp_path, 4) == ["word x", "word xx", "word xxxx", "word x"]
    names = used_files(tmp_path, 4)
    assert [Path(name).name for name in names] == [
        f"{FIRST}.trans.txt",
        f"{SECOND}.trans.txt",
        *(f"{FIRST}-{number:04d}.flac" for number in (0, 1, 3)),
        f"{SECOND}-0000.flac",
    ]
    assert used_files(tmp_path, 1) == [names[0], names[2]]


def test_the_shipped_order_has_the_chapters_of_dev_clean() -> None:
    order = official_chapters()
    assert len(set(order)) == 97
    assert order[:2] == (FIRST, SECOND)


def test_waveforms_are_float32_between_minus_one_and_one(tmp_path: Path) -> None:
    chapter(tmp_path, FIRST, [1000])
    [waveform] = map(Waveforms(tmp_path, 1).__getitem__, range(1))
    assert waveform.dtype == np.float32
    assert np.array_equal(waveform, tone(1000).astype(np.float32) / 32768)


def wrong_rate(file: Path) -> None:
    soundfile.write(file, tone(100), 8000, format="FLAC")


def stereo(file: Path) -> None:
    soundfile.write(file, np.stack([tone(100)] * 2, 1), RATE, format="FLAC")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def no_samples(file: Path) -> None:
    soundfile.write(file.with_suffix(".wav"), tone(0), RATE)
    file.with_suffix(".wav").rename(file)


def text(file: Path) -> None:
    file.write_text("not audio")


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (wrong_rate, "8,000 Hz"),
        (stereo, "2 channel"),
        (empty, "cannot read"),
        (no_samples, "0 samples"),
        (text, "cannot read"),
        (directory, "cannot read"),
        (Path.unlink, "every later sample index would be wrong"),
    ],
)
def test_what_is_no_utterance_is_an_error_before_the_test(
    tmp_path: Path, break_it: Callable[[Path], None], words: str
) -> None:
    folder = chapter(tmp_path, FIRST, [100, 100])
    break_it(folder / f"{FIRST}-0001.flac")
    for call in (Waveforms, used_files):
        with pytest.raises(DatasetError, match=words):
            call(tmp_path, 2)
    assert len(Waveforms(tmp_path, 1)) == 1  # which does not need it


def test_a_truncated_file_is_an_error_when_it_is_loaded(tmp_path: Path) -> None:
    folder = chapter(tmp_path, FIRST, [3 * BLOCK])
    file = folder / f"{FIRST}-0000.flac"
    file.write_bytes(file.read_bytes()[: 3 * BLOCK])
    samples = Waveforms(tmp_path, 1)
    with pytest.raises(DatasetError, match="cannot be decoded to its end"):
        samples[0]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("2277-149896-0000 A\n2277-149896-0002 B\n", "incomplete"),
        ("2277-149896-0000 A\n2277-149896-0000 B\n", "not a list of transcripts"),
        ("1-1-0000 A\n", "not a list of transcripts"),
        ("2277-149896-0000 AT 8:00\n", "other characters"),
        ("", "cannot read|too few"),
    ],
)
def test_a_wrong_list_of_transcripts_is_an_error(tmp_path: Path, lines: str, words: str) -> None:
    folder = chapter(tmp_path, FIRST, [100])
    (folder / f"{FIRST}.trans.txt").write_text(lines)
    with pytest.raises(DatasetError, match=words):
        utterances(tmp_path, 1)


def test_another_directory_and_too_few_utterances_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not have the layout"):
        utterances(tmp_path, 1)
    chapter(tmp_path, "1-2", [100])
    (tmp_path / CHAPTERS).write_text("1-2\n")
    with pytest.raises(DatasetError, match="too few"):
        utterances(tmp_path, 2)


def test_other_data_than_the_official_at_the_official_count_is_an_error(tmp_path: Path) -> None:
    folder = chapter(tmp_path, FIRST, [100])
    whole = (folder / f"{FIRST}-0000.flac").read_bytes()
    for number in range(2513):
        (folder / f"{FIRST}-{number:04d}.flac").write_bytes(whole)
    (folder / f"{FIRST}.trans.txt").write_text("".join(f"{FIRST}-{number:04d} A\n" for number in range(2513)))
    with pytest.raises(DatasetError, match="not the whole of LibriSpeech"):
        utterances(tmp_path, 2513)


def manifest(directory: Path, entries: list[dict[str, Any]]) -> None:
    (directory / MANIFEST).write_text(json.dumps(entries))
    for entry in entries:
        file = directory / entry["files"][0]["fname"]
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, tone(1000), RATE, subtype="PCM_16")


def test_a_manifest_is_read_as_the_official_code_reads_it(tmp_path: Path) -> None:
    plain = [entry for entry in GOLDEN if "$" not in entry["transcript"]]
    manifest(tmp_path, plain)
    order = json.loads((Path(__file__).parents[1] / "metrics/golden/rnnt/wer.json").read_text())["order_kept"]
    expected = [words.strip() for words in order if "$" not in words]
    assert transcripts(tmp_path, len(expected)) == expected
    with pytest.raises(DatasetError, match="too few"):
        utterances(tmp_path, len(expected) + 1)
    assert used_files(tmp_path, 1) == [MANIFEST, "x/0.wav"]


def test_a_manifest_with_numbers_in_figures_is_refused(tmp_path: Path) -> None:
    manifest(tmp_path, [entry for entry in GOLDEN if "$" in entry["transcript"]])
    with pytest.raises(DatasetError, match="as it is spoken"):
        utterances(tmp_path, 1)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"files": []}]', "[[[["])
def test_a_broken_manifest_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(DatasetError, match=r"manifest|too few"):
        utterances(tmp_path, 1)


def test_a_manifest_does_not_lead_outside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    entry = {**GOLDEN[0], "files": [{"fname": "../x.wav", "speed": 1}]}
    (tmp_path / "in" / MANIFEST).write_text(json.dumps([entry]))
    with pytest.raises(DatasetError, match="outside"):
        utterances(tmp_path / "in", 1)


@given(st.integers(1, 3 * BLOCK), st.integers(0, 1 << 20))
@settings(deadline=None, max_examples=15)
def test_stored_flac_is_read_back_by_libsndfile(
    tmp_path_factory: pytest.TempPathFactory, count: int, seed: int
) -> None:
    samples = np.random.default_rng(seed).integers(-32768, 32768, count).astype(np.int16)
    file = tmp_path_factory.mktemp("flac") / "x.flac"
    file.write_bytes(flac(samples, RATE))
    found, rate = soundfile.read(file, dtype="int16")
    assert rate == RATE
    assert np.array_equal(found, samples)


def test_spoken_numbers_are_the_known_ones(tmp_path: Path) -> None:
    generate(tmp_path, "validation", 5)
    known = dict(known_files(KNOWN))
    for name in used_files(tmp_path, 5):
        if not name.endswith(".trans.txt"):
            assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == known[name]
    assert transcripts(tmp_path, 5) == [speak("validation", index).words for index in range(5)]


def test_splits_share_nothing() -> None:
    first = [speak(split, 0).samples[:2000].tobytes() for split in ("train", "validation", "calibration")]
    assert len(set(first)) == 3


def test_the_recipe_knows_its_files_and_a_changed_one(tmp_path: Path) -> None:
    recipe = SpokenNumbersRecipe(400)
    known = dict(known_files(KNOWN))
    assert len(known) == 402
    assert recipe.fault(tmp_path, known) is None
    [*_, last] = known
    assert last in str(recipe.fault(tmp_path, {**known, last: "0" * 64}))
    assert "trans.txt" in str(recipe.fault(tmp_path, {"0/0/0-0.trans.txt": "0"}))
    assert SpokenNumbersRecipe(401).fault(tmp_path, {"0/0/0-0.trans.txt": "0"}) is None
    with pytest.raises(DatasetError, match="too many"):
        SpokenNumbersRecipe(10_001).build(tmp_path)
