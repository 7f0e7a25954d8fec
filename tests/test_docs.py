"""The docs say what is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.plugin import SHORT_FORMS, SHORT_RUN
from pytest_mlperf.plugin.option_table import OPTIONS
from pytest_mlperf.rules.round import rounds
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted((REPOSITORY / "examples").rglob("*.md")),
]


def test_the_reference_has_every_option_and_no_other() -> None:
    text = (REPOSITORY / "docs" / "reference.md").read_text("utf-8")
    tables = text.partition("## Options")[2].partition("## Exit codes")[0]
    described = set(re.findall(r"^\| `(--[a-z-]+)(?:[^`]*)`(?:, `(--[a-z-]+)`)?", tables, re.MULTILINE))
    assert described == {(option.flag, SHORT_FORMS.get(option.flag, "")) for option in OPTIONS} | {
        (SHORT_RUN, SHORT_FORMS[SHORT_RUN])
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_of_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_options_that_a_page_names_are_there(page: Path) -> None:
    named = set(re.findall(r"(?<![\w-])--mlperf-[a-z-]*[a-z]", page.read_text("utf-8")))
    assert named <= {option.long for option in OPTIONS} | {SHORT_FORMS[SHORT_RUN]}


def test_the_page_about_rounds_names_each_of_them() -> None:
    table = (REPOSITORY / "docs" / "rules.md").read_text("utf-8").partition("|---|")[2].partition("\n\n")[0]
    listed = [name for line in table.splitlines()[1:] for name in line.split("|")[1].replace(",", " ").split()]
    assert listed == list(rounds())


def test_the_rooms_of_the_design_are_those_of_the_package() -> None:
    text = (REPOSITORY / "docs" / "design.md").read_text("utf-8").partition("src/pytest_mlperf/")[2]
    drawn = set(re.findall(r"^        ([a-z_]+(?:\.py|/))", text, re.MULTILINE))
    package = REPOSITORY / "src" / "pytest_mlperf"
    there = {f"{p.name}/" if p.is_dir() else p.name for p in package.iterdir() if not p.name.startswith("_")}
    assert drawn == {name for name in there if name != "py.typed"}
