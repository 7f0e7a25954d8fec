"""The command in a submission's texts can be read by everybody: no secrets, no places and names of the machine."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.submission.command import public_command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("argument", "public"),
    [
        ("{here}/benchmarks/test_a.py::test_a[x/y]", "benchmarks/test_a.py::test_a[x/y]"),
        ("{here}", "."),
        ("--mlperf-cache={home}/.cache/x", "--mlperf-cache=/path/to/x"),
        ("--model-path=bert=/data/alice/m.onnx", "--model-path=bert=/path/to/m.onnx"),
        ("-c{home}/pytest.ini", "-c/path/to/pytest.ini"),
        ("-o=mlperf_cache=~/cache", "-o=mlperf_cache=/path/to/cache"),
        ("~alice/m.onnx", "/path/to/m.onnx"),
        ("../../alice/m.onnx", "/path/to/m.onnx"),
        ("models/alice/m.onnx", "models/USER/m.onnx"),
        ("--mlperf-output=/data/alice-results", "--mlperf-output=/path/to/USER-results"),
        ("models/malice/m.onnx", "models/malice/m.onnx"),
        ("results/{host}/a.json", "results/HOST/a.json"),
        ("--mlperf-mirror=file://{home}/mirror", "--mlperf-mirror=file:///path/to/mirror"),
        ("--mlperf-mirror=https://alice:secret@mirror/a", "--mlperf-mirror=https://mirror/a"),
        ("--submitter=Community", "--submitter=Community"),
        ("alice or bob", "alice or bob"),
    ],
)
def test_an_argument_says_nothing_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, public: str
) -> None:
    home, here = tmp_path / "alice", tmp_path / "alice" / "project"
    monkeypatch.setenv("LOGNAME", "alice")
    monkeypatch.setenv("HOME", str(home))
    given = argument.format(here=here, home=home, host=platform.node())
    assert public_command(["pytest", given], here) == ["pytest", public]
