"""The sources of the documentation's site, and the check of what it would load; `make docs` builds it."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.plugin.option_table import OPTIONS
from pytest_mlperf.rules.catalogue import catalogue
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.fixture(scope="module")
def tools() -> Iterator[None]:
    """Make what is in tools/ importable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "tools"))
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("site_pages", "stage_docs", "check_site")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def pages(tools: None) -> dict[str, str]:
    staged: dict[str, str] = import_module("site_pages.staging").stage(
        REPOSITORY, import_module("stage_docs").generated()
    )
    return staged


def loaded(directory: Path, name: str, text: str) -> list[str]:
    file = directory / name
    file.write_text(text, "utf-8")
    found: list[str] = import_module("check_site").loaded(file)
    return found


def test_each_link_between_pages_leads_to_a_page(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        outside_code = re.sub(r"^(```+).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        for target in LINK.findall(outside_code):
            parts: list[str] = []
            for part in (PurePosixPath(name).parent / target).parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            assert "/".join(parts) in pages, f"{name}: {target}"


def test_a_page_of_docs_is_staged_under_its_own_name_with_its_text(pages: dict[str, str]) -> None:
    assert pages["gate.md"] == (REPOSITORY / "docs" / "gate.md").read_text("utf-8")
    assert "](project/templates/rule.py.md)" in pages["rules.md"]
    assert "](../index.md)" not in pages["project/CONTRIBUTING.md"]
    assert "](../design.md)" in pages["project/CONTRIBUTING.md"]


def test_a_link_in_a_block_of_code_is_left(tools: None, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("[b](../b.txt)\n\n```text\n[b](../b.txt)\n```\n", "utf-8")
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "b.txt"):
        (tmp_path / name).write_text("", "utf-8")
    staged: Any = import_module("site_pages.staging").stage(tmp_path, {})
    assert staged["a.md"] == "[b](project/b.txt.md)\n\n```text\n[b](../b.txt)\n```\n"


def test_a_bar_in_the_code_of_a_table_is_shown_without_its_backslash(pages: dict[str, str]) -> None:
    assert "<code>--run-length short&#124;official</code>" in pages["reference.md"]
    assert "\\|" not in pages["reference.md"]
    assert "`mlperf_scorer` = <code>hotcoco&#124;pycocotools</code>" in pages["reference/options.md"]


def test_every_option_and_every_rule_has_its_anchor(pages: dict[str, str]) -> None:
    for option in OPTIONS:
        assert re.search(rf"^## `{option.flag}` {{ #", pages["reference/options.md"], re.MULTILINE)
        assert f"`{option.ini}` = " in pages["reference/options.md"]
    for name in catalogue():
        assert f"\n### `{name}` {{ #{name} }}\n" in pages["rules-by-name.md"]


def test_the_explained_rules_are_those_of_the_catalogue_each_once(tools: None) -> None:
    explained = [name for group in import_module("site_pages.rules").notes().values() for name in group]
    assert sorted(explained) == sorted(catalogue())


def test_the_commands_have_the_help_of_each_tool(pages: dict[str, str]) -> None:
    shown = re.findall(r"^## `([^`]+)`", pages["reference/commands.md"], re.MULTILINE)
    assert {"pytest-mlperf", "pytest-mlperf check", "pytest-mlperf cache gc"} <= set(shown)
    assert shown == [match for match in shown if f"usage: {match} " in pages["reference/commands.md"]]


def test_the_page_of_the_variables_has_each_that_the_package_reads(tools: None) -> None:
    module = import_module("site_pages.variables")
    described = {
        name for some in (module.READ, module.PASSED, module.SET) for names in some for name in names.split(", ")
    }
    package = REPOSITORY / "src" / "pytest_mlperf"
    texts = [file.read_text("utf-8") for file in package.rglob("*.py")]
    read = {
        name
        for text in texts
        for name in re.findall(r"environ(?:\.get\(|\.pop\(|\.setdefault\(|\[)\"([A-Z_]+)\"", text)
        + re.findall(r"_VARIABLE = \"([A-Z_]+)\"", text)
    }
    assert len(read) > 5
    assert read <= described


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example.org/x.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="//fonts.example.org/css?family=Roboto">'),
        ("a.html", '<link rel="preconnect" href="https://fonts.example.org">'),
        ("a.html", '<img src="https://img.example.org/badge.svg">'),
        ("a.html", '<p style="background: url(https://img.example.org/a.png)">'),
        ("a.html", "<script>import('https://cdn.example.org/x.js')</script>"),
        ("a.html", '<pre class="mermaid"><code>graph</code></pre>'),
        ("a.css", "@import 'https://fonts.example.org/css';"),
        ("a.css", "body { background: url(https://img.example.org/a.png) }"),
        ("a.js", 'fetch("https://api.example.org/stars")'),
    ],
)
def test_what_a_page_would_load_from_elsewhere_is_found(tools: None, tmp_path: Path, name: str, text: str) -> None:
    assert len(loaded(tmp_path, name, text)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<a href="https://example.org">elsewhere</a> <link rel="canonical" href="https://example.org/a">'),
        ("a.html", '<script src="../assets/a.js"></script><code>curl https://example.org</code>'),
        ("a.css", "/* https://example.org */ body { background: url(data:image/svg+xml;base64,AAAA) }"),
        ("a.js", '// see https://example.org\ndocument.createElementNS("http://www.w3.org/2000/svg", "svg")'),
    ],
)
def test_a_link_or_a_comment_loads_nothing(tools: None, tmp_path: Path, name: str, text: str) -> None:
    assert loaded(tmp_path, name, text) == []
