from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pexpect
import psutil
import pytest

from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.datasets.digit_scenes import file_name, generate
from pytest_mlperf.datasets.images import preprocess_stretch
from pytest_mlperf.datasets.layout import ANNOTATIONS
from pytest_mlperf.datasets.openimages import open_samples, preprocess
from pytest_mlperf.datasets.preprocessed import INDEX, AnnotatedImage, PreprocessedSamples, write_shards
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

SIZE = 96
COUNT = 70  # two shards


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("scenes")
    generate(directory, "validation", COUNT)
    return [directory / "validation" / "data" / file_name(index) for index in range(COUNT)]


@pytest.fixture
def copies(images: list[Path], tmp_path: Path) -> list[Path]:
    made = [tmp_path / image.name for image in images]
    for copy, image in zip(made, images, strict=True):
        copy.write_bytes(image.read_bytes())
    return made


def made(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}


def write(images: list[Path], directory: Path) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    write_shards(
        [AnnotatedImage(path) for path in images], directory, SIZE, 2, lambda done, total: told.append((done, total))
    )
    return told


def test_every_image_comes_back_within_a_hundredth_of_a_level_in_half_the_disk(
    images: list[Path], tmp_path: Path
) -> None:
    told = write(images, tmp_path / "out")
    assert told[-1] == (COUNT, COUNT)
    samples = PreprocessedSamples(tmp_path / "out", COUNT, SIZE, "images")
    assert len(samples) == COUNT
    for index in range(COUNT):
        found = samples[index]["images"]
        assert found.dtype == np.float32
        assert np.abs(found - preprocess_stretch(images[index], SIZE)).max() * 255 < 0.01
    shards = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.u16"))
    assert shards == COUNT * 3 * SIZE * SIZE * 4 / 2


def test_a_second_attempt_keeps_what_is_finished_and_makes_what_changed(copies: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(copies, out)
    before = made(out)
    (out / INDEX).unlink()  # as if the first attempt had been killed
    copies[-1].write_bytes(copies[0].read_bytes())
    write(copies, out)
    after = made(out)
    assert after["shard-00000.u16"] == before["shard-00000.u16"]
    assert after["shard-00001.u16"] != before["shard-00001.u16"]
    samples = PreprocessedSamples(out, COUNT, SIZE, "images")
    assert np.array_equal(samples[COUNT - 1]["images"], samples[0]["images"])


def test_a_broken_image_ends_it_by_name_and_no_index_is_written(copies: list[Path], tmp_path: Path) -> None:
    copies[66].write_bytes(b"")
    with pytest.raises(DatasetError, match=copies[66].name):
        write(copies, tmp_path / "out")
    with pytest.raises(DatasetError, match="cannot be used"):
        PreprocessedSamples(tmp_path / "out", COUNT, SIZE, "images")


@pytest.mark.parametrize("fault", ["cut", "gone", "size", "count"])
def test_a_directory_that_does_not_hold_what_is_asked_is_refused(
    images: list[Path], tmp_path: Path, fault: str
) -> None:
    out = tmp_path / "out"
    write(images[:3], out)
    shard = out / "shard-00000.u16"
    if fault == "cut":
        shard.write_bytes(shard.read_bytes()[:-1])
    if fault == "gone":
        shard.unlink()
    with pytest.raises(DatasetError) as caught:
        PreprocessedSamples(out, 4 if fault == "count" else 3, SIZE + (fault == "size"), "images")
    assert len(str(caught.value).splitlines()) == 3


def test_a_preprocessed_data_set_is_opened_and_scored_as_the_original(tmp_path: Path) -> None:
    generate(tmp_path / "scenes", "validation", 3)
    preprocess(tmp_path / "scenes", tmp_path / "out", 3, SIZE, lambda _done, _total: None)
    original, files = (open_samples(tmp_path / name, 3, SIZE, "images") for name in ("scenes", "out"))
    assert isinstance(files, PreprocessedSamples)
    for index in range(3):
        assert np.allclose(original[index]["images"], files[index]["images"], atol=1e-4)
    assert (tmp_path / "out" / ANNOTATIONS).read_bytes() == (tmp_path / "scenes" / ANNOTATIONS).read_bytes()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest_mlperf", "preprocess", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_command_makes_a_data_set_that_a_session_runs_on(tmp_path: Path, benchmarks: RunSession) -> None:
    scenes, out = tmp_path / "scenes", tmp_path / "out"
    generate(scenes, "validation", 4)
    done = command(scenes, out, "--count=4", f"--size={TINY.size}")
    assert (done.returncode, done.stderr) == (0, "")
    options = (
        "--model=retinanet-tiny",
        "--backend=onnxruntime",
        "--scenario=Offline",
        "--mode=accuracy",
        "--dataset-size=4",
    )
    assert benchmarks(*options, f"--dataset-path={out}").outcomes().startswith("1 passed")


def test_the_command_shows_a_bar_at_a_terminal(tmp_path: Path) -> None:
    scenes = tmp_path / "scenes"
    generate(scenes, "validation", COUNT)
    arguments = [
        "-m",
        "pytest_mlperf",
        "preprocess",
        str(scenes),
        str(tmp_path / "out"),
        f"--count={COUNT}",
    ]
    shown, code = pexpect.run(
        " ".join([sys.executable, *arguments, f"--size={SIZE}"]), encoding="utf-8", withexitstatus=True
    )
    assert code == 0, shown
    assert re.search(r"\[(#{27}\.{3}|#{2}\.{28})\] preprocessing, (64|6)/70 samples", shown), shown
    assert re.search(r"\[#{30}\] preprocessing, 70/70 samples, [\d,.e+]+/s\s", shown), shown


def test_the_command_refuses_what_is_no_data_set_without_a_traceback(tmp_path: Path) -> None:
    done = command(tmp_path, tmp_path / "out", "--count=4")
    assert done.returncode == 1
    assert "does not have the layout of this data set" in done.stderr
    assert "Traceback" not in done.stderr
    assert command(tmp_path, tmp_path, "--count=0").returncode == 2


@pytest.mark.parametrize("kills", [2, pytest.param(100, marks=(pytest.mark.slow, pytest.mark.thorough))])
def test_a_kill_at_any_moment_leaves_what_the_next_attempt_finishes(
    images: list[Path], tmp_path: Path, kills: int
) -> None:
    scenes, out = tmp_path / "scenes", tmp_path / "out"
    generate(scenes, "validation", COUNT)
    arguments = [
        sys.executable,
        "-m",
        "pytest_mlperf",
        "preprocess",
        str(scenes),
        str(out),
        f"--count={COUNT}",
    ]
    moments = random.Random(0)
    for _ in range(kills):
        attempt = subprocess.Popen([*arguments, f"--size={SIZE}"], start_new_session=True)
        time.sleep(moments.uniform(0.1, 1.5))
        pool = psutil.Process(attempt.pid).children(recursive=True)
        os.killpg(attempt.pid, signal.SIGKILL)
        attempt.wait()
        psutil.wait_procs(pool, timeout=30)  # a killed process may still be writing for a moment
        if (out / INDEX).exists():  # then everything that it names is whole
            PreprocessedSamples(out, COUNT, SIZE, "images")[COUNT - 1]
            (out / INDEX).unlink()
            next(out.glob("*.json")).unlink()
    assert command(scenes, out, f"--count={COUNT}", f"--size={SIZE}").returncode == 0
    assert not list(out.glob(".shard-*.part")), "a shard has hundreds of megabytes"
    samples = PreprocessedSamples(out, COUNT, SIZE, "images")
    for index in (0, 63, 64, COUNT - 1):
        found = samples[index]["images"]
        assert np.abs(found - preprocess_stretch(images[index], SIZE)).max() * 255 < 0.01


@pytest.mark.slow
def test_what_a_killed_process_left_beside_a_shard_that_another_finished_is_removed(tmp_path: Path) -> None:
    scenes, out = tmp_path / "scenes", tmp_path / "out"
    generate(scenes, "validation", COUNT)
    assert command(scenes, out, f"--count={COUNT}", f"--size={SIZE}").returncode == 0
    left = out / f".shard-00000.u16.{socket.gethostname()}-{2**22 + 1}-0123.part"  # no process has such a number
    left.write_bytes(b"half")
    assert command(scenes, out, f"--count={COUNT}", f"--size={SIZE}").returncode == 0
    assert not left.exists()
