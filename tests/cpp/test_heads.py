"""RetinaNet's heads are decoded in C++ to the bytes that the decoder in Python gives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_mlperf.benchmarks.retinanet_decoder import decoder_for
from pytest_mlperf.cpp import build
from pytest_mlperf.cpp.answers import heads_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("program") / "decode"
    sources = (Path(__file__).with_name("decode_heads.cc"), build.SOURCES / "retinanet.cc")
    flags = ("-std=c++17", "-O3", "-ffp-contract=off", f"-I{build.SOURCES}")
    subprocess.run(["g++", *flags, *map(str, sources), "-o", str(made)], check=True)
    return made


def heads(anchors: int, classes: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return heads with many candidates, equal logits, boxes off the edge, and what is no number."""
    random = np.random.default_rng(seed)
    logits = random.normal(-6, 1.5, (1, anchors, classes)).astype(np.float32)
    logits[0, ::7] = np.round(logits[0, ::7] * 4) / 4
    deltas = random.normal(0, 0.7, (1, anchors, 4)).astype(np.float32)
    deltas[0, ::11, 2] = 9
    logits[0, ::501, 0], deltas[0, ::97, 1] = np.nan, np.nan
    return logits, deltas


@pytest.mark.parametrize(("size", "classes", "seed"), [(192, 20, 1), (192, 20, 2), (800, 12, 3)])
def test_the_detections_are_those_of_python(program: Path, size: int, classes: int, seed: int, tmp_path: Path) -> None:
    decoder = decoder_for(size)
    logits, deltas = heads(int(decoder.level_starts[-1]), classes, seed)
    (tmp_path / "words").write_text("\n".join(heads_words(decoder)) + "\n")
    (tmp_path / "heads").write_bytes(logits.tobytes() + deltas.tobytes())
    command = [str(program), str(tmp_path / "words"), str(classes), str(tmp_path / "heads")]
    done = subprocess.run(command, check=True, capture_output=True)
    (expected,) = decoder.decode(logits, deltas)
    assert len(expected.scores) == decoder.detections
    columns = (expected.boxes, expected.labels[:, None], expected.scores[:, None])
    assert done.stdout == np.concatenate(columns, axis=1, dtype=np.float32).tobytes()
