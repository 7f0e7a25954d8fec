"""Whole sessions of official RNN-T on a stand-in, and of what a user may give by mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tests.official import rnnt

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

pytestmark = pytest.mark.slow
RUN = (
    "--model=rnnt",
    "--backend=onnxruntime",
    "--scenario=SingleStream",
    "--mode=accuracy",
    f"--dataset-size={rnnt.UTTERANCES}",
)


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    return rnnt.make(tmp_path / "official")


def test_the_stand_in_hears_what_was_said(benchmarks: RunSession, given: tuple[Path, Path]) -> None:
    model, dataset = given
    session = benchmarks(*RUN, f"--model-path={model}", f"--dataset-path={dataset}")
    assert session.outcomes().startswith("1 passed"), session.output
    assert "word accuracy 100.000 %" in session.output


def test_a_stereo_file_is_an_error_of_three_lines(benchmarks: RunSession, given: tuple[Path, Path]) -> None:
    model, dataset = given
    file = next(dataset.rglob("*-0003.flac"))
    soundfile.write(file, np.zeros((100, 2), np.int16), 16_000, format="FLAC")
    session = benchmarks(*RUN, f"--model-path={model}", f"--dataset-path={dataset}")
    assert "2 channel(s)" in session.output, session.output
    assert "convert it to 16 kHz mono" in session.output
    assert "Traceback" not in session.output


def test_a_file_that_is_no_checkpoint_is_an_error(benchmarks: RunSession, given: tuple[Path, Path]) -> None:
    _, dataset = given
    (dataset / "model.pt").write_bytes(b"no checkpoint")
    session = benchmarks(*RUN, f"--model-path={dataset / 'model.pt'}", f"--dataset-path={dataset}")
    assert "model.pt" in session.output, session.output
    assert "Traceback" not in session.output
    assert session.outcomes() == "1 deselected, 1 error"
