"""Fails where a page of the built documentation would load something from elsewhere.

``python tools/check_site.py site``; `make docs` runs it. A link that a reader may follow is none of that.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Attributes whose address the browser loads by itself.
_LOADING = {"src", "srcset", "data", "poster", "background", "action"}
#: What a <link> only names.
_NAMED = {"canonical", "next", "prev", "alternate"}
_ADDRESS = re.compile(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\s\"'`)<>,;]*")
_IN_CSS = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)")
#: Addresses in the theme's scripts, and why no page of ours has them loaded.
_UNUSED = {
    "https://unpkg.com/mermaid@": "loaded for elements of the class mermaid, which check_page refuses",
    "https://unpkg.com/resize-observer-polyfill": "loaded by browsers from before 2020, which have no ResizeObserver",
    "https://api.github.com/": "asked where mkdocs.yml has repo_url",
    "https://gitlab.com/api/": "asked where mkdocs.yml has repo_url",
    "http://www.w3.org/": "the name of a namespace",
    "https://bit.ly/": "where a message of the search library sends programmers",
    "https://github.com/isaacs/node-glob/": "where a message of the search in Thai sends programmers",
}
#: Comments and messages in the scripts' text.
_COMMENTS = re.compile(r"/\*.*?\*/|^\s*//[^\n]*|\s// [^\n]*", re.DOTALL | re.MULTILINE)


class _Page(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        values = {name: value or "" for name, value in attrs}
        if "mermaid" in values.get("class", "").split():
            self.loaded.append("a diagram by mermaid")
        if tag == "link" and values.get("rel") not in _NAMED:
            self._take(values.get("href", ""))
        for name, value in values.items():
            if name in _LOADING:
                self._take(value)
        self.loaded += _IN_CSS.findall(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.loaded += scripted(data)
        elif self._inside == "style":
            self.loaded += _IN_CSS.findall(data)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's name
        self._inside = ""

    def _take(self, value: str) -> None:
        self.loaded += _ADDRESS.findall(value)


def scripted(text: str) -> Iterator[str]:
    """Yield the addresses in a script that are not known to be left alone."""
    for address in _ADDRESS.findall(_COMMENTS.sub("", text)):
        if not address.startswith(tuple(_UNUSED)) and address.startswith("http"):
            yield address


def loaded(file: Path) -> list[str]:
    """Return what a file of the site loads from elsewhere."""
    text = file.read_text("utf-8")
    if file.suffix == ".html":
        page = _Page()
        page.feed(text)
        return page.loaded
    return _IN_CSS.findall(text) if file.suffix == ".css" else list(scripted(text))


def main() -> int:
    site = Path(sys.argv[1])
    files = [file for file in sorted(site.rglob("*")) if file.suffix in (".html", ".css", ".js")]
    if not any(file.suffix == ".html" for file in files):
        sys.stderr.write(f"{site} has no page\n")
        return 1
    faults = [f"{file}: {address}\n" for file in files for address in loaded(file)]
    sys.stderr.writelines(faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
