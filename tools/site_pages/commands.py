"""The page of the command `pytest-mlperf`: what its own parsers say with --help."""

from __future__ import annotations

import argparse
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_mlperf.commands.main import parser
from site_pages.markdown import code, fence, heading

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGINNING = """\
# The command `pytest-mlperf`

What `--help` prints of the command and of each of its tools. It runs no benchmark: that is pytest's.

"""
_WIDTH = "100"


def page() -> str:
    """Return the page in Markdown."""
    with _columns():
        return _BEGINNING + "".join(_sections(parser()))


def _sections(tool: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the help of a tool and of those below it."""
    yield heading(2, code(tool.prog), tool.prog.replace(" ", "-")) + fence(tool.format_help()) + "\n"
    for action in tool._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _sections(each)


@contextmanager
def _columns() -> Iterator[None]:
    """Have argparse break lines as wide everywhere."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _WIDTH
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before
