"""Writes the sources of the documentation's site: ``python tools/stage_docs.py build/docs``, as `make docs` does."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from site_pages import commands, hooks, options, rules, variables
from site_pages.staging import stage

REPOSITORY = Path(__file__).parents[1]


def generated() -> dict[str, str]:
    """Return the pages that are made from the code, by their paths."""
    return {
        "reference/options.md": options.page(),
        "reference/commands.md": commands.page(),
        "reference/variables.md": variables.page(),
        "reference/hooks.md": hooks.hooks_page(),
        "reference/api.md": hooks.api_page(),
        "rules-by-name.md": rules.page(),
    }


def main() -> None:
    directory = Path(sys.argv[1])
    pages = stage(REPOSITORY, generated())
    shutil.rmtree(directory, ignore_errors=True)
    for name, text in pages.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
