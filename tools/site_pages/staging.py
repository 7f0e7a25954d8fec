"""The sources of the site: the pages of docs/, those made from the code, and the files elsewhere that they link to.

Links of docs/*.md are relative in the repository. In the sources of the site they lead to the page's place there.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from site_pages.markdown import code, fence, literal, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Below it stand the files of the project that are no part of docs/.
OUTSIDE = PurePosixPath("project")
DOCS = PurePosixPath("docs")
_FIRST = ("CONTRIBUTING.md", "CHANGELOG.md")
_LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".cc": "cpp", ".h": "cpp"}
_LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
#: In a table's row, code with a bar, which is escaped there; Python-Markdown would show the backslash.
_BARRED = re.compile(r"^\|.*`[^`\n]*\\\|[^`\n]*`.*$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]*\\\|[^`\n]*)`")
_FENCE = re.compile(r"^(```+|~~~+).*?^\1$", re.MULTILINE | re.DOTALL)


def stage(repository: Path, generated: Mapping[str, str]) -> dict[str, str]:
    """Return every page of the site's sources, and the style, by its path there.

    Parameters
    ----------
    repository
        The root of the project.
    generated
        Pages made from the code, by their paths in the sources; their links are those of the sources.

    Raises
    ------
    FileNotFoundError
        A page links to a file that is not there.
    """
    project = Project(repository)
    pages = dict(generated)
    pages |= {file.name: file.read_text("utf-8") for file in (repository / DOCS).glob("*.css")}
    waiting = [DOCS / path.relative_to(repository / DOCS).as_posix() for path in (repository / DOCS).rglob("*.md")]
    waiting += map(PurePosixPath, _FIRST)
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        text = project.text(path)
        linked = set(project.linked(text, path))
        waiting += sorted(each for each in linked - seen if not each.is_relative_to(DOCS))
        seen |= linked
        pages[str(project.place(path))] = project.moved(text, path)
    return pages


@dataclass(frozen=True)
class Project:
    """The files of the project, by their paths in the repository."""

    repository: Path

    def text(self, path: PurePosixPath) -> str:
        """Return a file as a page: what is no Markdown becomes code, a directory the list of its files."""
        file = self.repository / path
        if path.suffix == ".md":
            return file.read_text("utf-8")
        if file.is_dir():
            title, content = f"{path}/", self._list(file)
        else:
            title, content = str(path), fence(file.read_text("utf-8"), _LANGUAGES.get(path.suffix, "text"))
        return f"{metadata('exclude: true')}# {code(title)}\n\n{content}"

    def place(self, path: PurePosixPath) -> PurePosixPath:
        """Return where a file of the project stands in the site's sources."""
        if path.is_relative_to(DOCS):
            return path.relative_to(DOCS)
        # What begins with a dot is left out of a site.
        shown = OUTSIDE.joinpath(*(part.lstrip(".") for part in path.parts))
        if (self.repository / path).is_dir():
            return shown / "index.md"
        return shown if path.suffix == ".md" else shown.with_name(f"{shown.name}.md")

    def linked(self, text: str, page: PurePosixPath) -> Iterator[PurePosixPath]:
        """Yield what a page links to; links in blocks of code are none."""
        for match in _LINK.finditer(_FENCE.sub("", text)):
            yield self._target(match[2], page)

    def moved(self, text: str, page: PurePosixPath) -> str:
        """Return a page's text with its links as they are in the sources of the site; blocks of code stay."""

        def link(match: re.Match[str]) -> str:
            to = os.path.relpath(self.place(self._target(match[2], page)), self.place(page).parent)
            return f"{match[1]}{to}{match[3] or ''})"

        parts, end = [], 0
        for block in _FENCE.finditer(text):
            parts += [_LINK.sub(link, _with_bars(text[end : block.start()])), block[0]]
            end = block.end()
        return "".join([*parts, _LINK.sub(link, _with_bars(text[end:]))])

    def _target(self, link: str, page: PurePosixPath) -> PurePosixPath:
        """Return the path that a link of a page leads to; of a directory with a README.md that file."""
        # A list of a directory's files has its links relative to the directory, as those of a page in it.
        directory = page if (self.repository / page).is_dir() else page.parent
        path = PurePosixPath(os.path.normpath(directory / link))
        readme = path / "README.md"
        return readme if (self.repository / readme).is_file() else path

    def _list(self, directory: Path) -> str:
        files = sorted(file for file in directory.rglob("*") if file.is_file() and _is_text(file))
        names = [file.relative_to(directory).as_posix() for file in files]
        return "".join(f"- [{code(name)}]({name})\n" for name in names)


def _is_text(file: Path) -> bool:
    return b"\0" not in file.read_bytes()


def _with_bars(text: str) -> str:
    """Return a text whose tables show a bar in code as a bar."""

    def shown(code: re.Match[str]) -> str:
        return literal(code[1].replace("\\|", "|"))

    return _BARRED.sub(lambda row: _CODE.sub(shown, row[0]), text)
