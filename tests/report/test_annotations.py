"""What failed is an annotation of a GitHub job, whatever characters it has."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.errors import OutputError
from pytest_mlperf.report.annotations import MOST, Annotation, workflow_commands
from pytest_mlperf.report.problems import relative
from tests.packages import with_packages
from tests.report.results import FINDING, HOSTILE, UNDECIDED, accuracy, finished, item

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.report.finished import Item
    from tests.conftest import RunSession


def parse(line: str) -> tuple[str, dict[str, str], str]:
    """Read a command as the runner does: up to the next ``::``, then by commas and equals signs."""
    found = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
    assert found is not None, line
    properties = dict(part.split("=", 1) for part in found[2].split(","))
    return found[1], {name: _read(value) for name, value in properties.items()}, _read(found[3])


def _read(text: str) -> str:
    for escaped, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escaped, character)
    return text


def commands(root: Path, *items: Item, **facts: Any) -> list[tuple[str, dict[str, str], str]]:
    session = replace(finished([]), items=items)
    return [parse(line) for line in workflow_commands(session, facts.get("unreported", ()), str(root))]


def test_each_finding_of_a_failed_item_is_at_its_test(tmp_path: Path) -> None:
    [(level, properties, text)] = commands(tmp_path, item(tmp_path, result=accuracy(findings=(FINDING,))))
    assert (level, text) == ("error", str(FINDING))
    assert properties == {"file": "tests/test_it.py", "line": "3", "title": "a-case accuracy"}


def test_what_failed_without_a_result_is_told_and_what_passed_is_not(tmp_path: Path) -> None:
    assert [text for *_, text in commands(tmp_path, item(tmp_path, "no model"), item(tmp_path, ""))] == ["no model"]


def test_a_test_outside_the_repository_has_no_place(tmp_path: Path) -> None:
    [(_, properties, _)] = commands(tmp_path / "repository", item(tmp_path))
    assert list(properties) == ["title"]


def test_what_is_undecided_or_unreported_is_a_warning(tmp_path: Path) -> None:
    result = accuracy(comparison=UNDECIDED, notes=("another", "a-case accuracy: undecided: 1,000 samples would tell"))
    found = commands(tmp_path, item(tmp_path, "", result), unreported=[OutputError("cannot write it")])
    assert [(level, text) for level, _, text in found] == [
        ("warning", "a-case accuracy: undecided: 1,000 samples would tell"),
        ("warning", "cannot write it"),
    ]


def test_more_than_github_shows_are_counted(tmp_path: Path) -> None:
    found = commands(tmp_path, *(item(tmp_path, str(number)) for number in range(25)))
    assert len(found) == MOST
    assert found[-1][2].startswith("16 more")


@given(title=st.text(min_size=1) | st.just(HOSTILE), message=st.text() | st.just(HOSTILE))
def test_no_text_is_a_command_or_ends_one(title: str, message: str) -> None:
    line = str(Annotation("error", title, message))
    assert len(line.splitlines()) == 1
    level, properties, _ = parse(line)
    assert (level, list(properties)) == ("error", ["title"])


@given(text=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1))
def test_a_text_comes_back_as_it_was(text: str) -> None:
    _, properties, message = parse(str(Annotation("error", text, f"{text}\n{text}")))
    assert (properties["title"], message) == (text, f"{text}\n{text}")


def test_a_path_is_relative_to_the_repository(tmp_path: Path) -> None:
    assert relative(tmp_path / "a" / "b.py", str(tmp_path)) == "a/b.py"
    assert relative(tmp_path / "b.py", str(tmp_path / "c")) == ""


TESTS = """
import pytest

only = pytest.mark.mlperf("null", backend="null", scenario="Offline", mode="performance")


@only
def test_fails_with_a_result(mlperf):
    mlperf.run()
    assert False, "too slow: 100% of, it\\n::error::x"


@pytest.fixture
def broken():
    raise RuntimeError("no setup")


@only
def test_fails_without_one(broken, mlperf):
    pass


@only
def test_passes(mlperf):
    mlperf.run()


def test_of_somebody_else():
    assert False
"""


@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["one process", "xdist"])
def test_a_session_annotates_its_failed_items_on_lines_of_their_own(
    benchmarks: RunSession, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    tests = tmp_path / "here" / "test_it.py"
    tests.write_text(TESTS)
    where = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tests.parent), "PYTHONPATH": with_packages()}
    session = benchmarks(*workers, path=tests, **where)
    assert session.code == 1
    found = [parse(line) for line in session.output.splitlines() if line.startswith("::")]
    lines = {name: number for number, name in enumerate(TESTS.splitlines(), 1) if name.startswith("def test")}
    assert sorted((properties["file"], text.splitlines()[0]) for _, properties, text in found) == [
        ("test_it.py", "AssertionError: too slow: 100% of, it"),
        ("test_it.py", "RuntimeError: no setup"),
    ]
    # pytest says where the decorators begin.
    assert sorted(int(properties["line"]) + 1 for _, properties, _ in found) == sorted(
        lines[f"def test_fails_{name}:"] for name in ("with_a_result(mlperf)", "without_one(broken, mlperf)")
    )
