"""What a project states of its cases: what is held against a result, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.baselines.stated import hold, read_stated
from pytest_mlperf.errors import OptionError
from tests.baselines.test_compare import accuracy, performance

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
[tool.pytest-mlperf.reference."b-*"]
accuracy = [90, -0.01, inf, "%"]
performance = [1000.0, -0.1, 0.1, "samples/s"]
processor = "A *"
[tool.pytest-mlperf.reference."other"]
memory = [1, 0, 0, "MiB"]
"""


@pytest.fixture
def pyproject(tmp_path: Path) -> Path:
    return tmp_path / "pyproject.toml"


def test_what_is_within_the_bounds_is_right(pyproject: Path) -> None:
    pyproject.write_text(TEXT)
    stated = read_stated(pyproject)
    for result in (accuracy(89.2), accuracy(99.9), performance(901), performance(1099)):
        assert hold(result, stated, "A 1") == ([], [])


def test_what_is_outside_is_an_error(pyproject: Path) -> None:
    pyproject.write_text(TEXT)
    stated = read_stated(pyproject)
    [finding], _ = hold(accuracy(89), stated, "A 1")
    assert "expected: 89.1 to inf %; found: 89 %" in str(finding)
    assert hold(performance(899), stated, "A 1")[0]
    assert hold(performance(1101), stated, "A 1")[0]


def test_another_unit_is_an_error(pyproject: Path) -> None:
    pyproject.write_text(TEXT.replace("samples/s", "queries/s"))
    [finding], _ = hold(performance(1000), read_stated(pyproject), "A 1")
    assert finding.found == "1000 samples/s"


def test_speed_is_not_held_against_that_of_another_processor(pyproject: Path) -> None:
    pyproject.write_text(TEXT)
    findings, [note] = hold(performance(1), read_stated(pyproject), "B 1")
    assert not findings
    assert "is of A *, not of B 1" in note
    assert hold(accuracy(1), read_stated(pyproject), "B 1")[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accuracy = 90", r"\[value, below, above, unit\]"),
        ('accuracy = [90, 0.1, 0.2, "%"]', "below at most 0"),
        ('accuracy = [true, -0.1, 0.2, "%"]', "below at most 0"),
        ('accuracy = [nan, -0.1, 0.2, "%"]', "below at most 0"),
        ('speed = [90, -0.1, 0.2, "%"]', "accuracy, performance, p50"),
        ("processor = 3", "a pattern of processors' names"),
        ("accuracy = [", "expected: TOML"),
    ],
)
def test_what_cannot_be_used_is_refused(pyproject: Path, text: str, words: str) -> None:
    pyproject.write_text(f'[tool.pytest-mlperf.reference."b"]\n{text}\n')
    with pytest.raises(OptionError, match=words):
        read_stated(pyproject)


@pytest.mark.parametrize("text", ["tool.pytest-mlperf.reference = 3", "tool.pytest-mlperf.reference.b = 3"])
def test_what_is_no_table_is_refused(pyproject: Path, text: str) -> None:
    pyproject.write_text(text)
    with pytest.raises(OptionError, match="a table"):
        read_stated(pyproject)


def test_a_project_that_states_nothing_is_right(pyproject: Path) -> None:
    assert read_stated(pyproject) == ()
    pyproject.write_text("[project]\nname = 'x'")
    assert read_stated(pyproject) == ()
