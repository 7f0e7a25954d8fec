"""The flags of this session: a short form such as ``--model`` gives way where a plugin or a conftest.py defines it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.plugin import OPTIONAL, SHORT_FORMS, SHORT_RUN, TAKEN, long_form
from pytest_mlperf.plugin.option_table import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

#: Added to the help of options that take several values.
_SEVERAL = {(True, False): " (several: separate with commas or repeat)", (False, True): " (may be repeated)"}


def add_with_help(parser: pytest.Parser, taken: Container[str]) -> None:
    """Register what ``pytest --help`` shows: the long form of each option, and beside it the short one unless taken."""
    group = parser.getgroup("mlperf", "MLPerf Inference benchmarks")
    for option in OPTIONS:
        words = _spelled(option.help + _SEVERAL.get((option.many, option.repeated), ""), taken)
        if option.switch:
            group.addoption(*_forms(option.flag, taken), dest=option.ini, help=words, action="store_true")
        elif option.flag in OPTIONAL:
            group.addoption(option.long, dest=option.ini, help=words, metavar=option.metavar, nargs="?")
        else:
            group.addoption(*_forms(option.flag, taken), dest=option.ini, help=words, metavar=option.metavar)
    words = _spelled("--run-length short", taken)
    group.addoption(*_forms(SHORT_RUN, taken), dest="mlperf_short", help=words, action="store_true")


def in_long_form(args: Sequence[str], taken: Container[str]) -> list[str]:
    """Return command-line arguments with the long forms of the short ones that are not taken."""
    long_forms = {short: long for short, long in SHORT_FORMS.items() if short not in taken}
    args = list(_with_files(map(os.fspath, args)))
    end = args.index("--") if "--" in args else len(args)
    parts = [arg.partition("=") for arg in args[:end]]
    return ["".join((long_forms.get(flag, flag), *value)) for flag, *value in parts] + args[end:]


def spelled(text: object, config: pytest.Config) -> str:
    """Return a message whose flags work in this session: for a short form that is another's it has the long one."""
    return _spelled(str(text), config.stash.get(TAKEN, SHORT_FORMS.keys()))


def _spelled(text: str, taken: Container[str]) -> str:
    names = [flag for flag in SHORT_FORMS if flag in taken]
    pattern = rf"(?<![\w-])(?:{'|'.join(names)})(?![\w-])"
    return re.sub(pattern, lambda found: SHORT_FORMS[found[0]], text) if names else text


def _forms(flag: str, taken: Container[str]) -> tuple[str, ...]:
    return (flag, SHORT_FORMS[flag]) if flag in SHORT_FORMS and flag not in taken else (long_form(flag),)


def _with_files(args: Iterable[str]) -> Iterator[str]:
    """Yield arguments with the lines of files in place of ``@file``, as pytest does since 8.2."""
    for arg in args:
        named = arg.startswith("@") and pytest.version_tuple >= (8, 2)
        try:
            lines = Path(arg[1:]).read_text().splitlines() if named else None
        except (OSError, ValueError):  # argparse says so
            lines = None
        if lines is None:
            yield arg
        else:
            yield from _with_files(lines)
