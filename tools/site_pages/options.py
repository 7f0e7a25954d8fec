"""The page of the options: each one's forms, ini key and values as the plugin has them, with the text of --help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.plugin import OPTIONAL, SHORT_FORMS, SHORT_RUN
from pytest_mlperf.plugin.option_table import CACHE_VARIABLE, OPTIONS
from site_pages.markdown import code, facts, heading, prose, table

if TYPE_CHECKING:
    from pytest_mlperf.plugin.option_table import Option

_BEGINNING = """\
# Options and ini keys

Each option with all of its names. The text is that of `pytest --help`; [the reference](../reference.md#options)
tells them by subject, with their defaults. Each is written on the command line, or as a key of
`[tool.pytest.ini_options]` in `pyproject.toml`, or of `pytest.ini`. The command line comes first, then the
environment, then the ini file.

"""


def page() -> str:
    """Return the page in Markdown."""
    options = sorted(OPTIONS, key=lambda option: _name(option.flag))
    overview = table(
        ["option", "long form", "ini key", "values"],
        (
            [f"[{code(option.flag)}](#{_name(option.flag)})", code(option.long), code(option.ini), _values(option)]
            for option in options
        ),
    )
    short = f"{code(SHORT_RUN)}, {code(SHORT_FORMS[SHORT_RUN])}: the same as `--run-length short`. It has no ini key.\n"
    return _BEGINNING + overview + "\n" + short + "\n" + "".join(map(_section, options))


def _name(flag: str) -> str:
    return flag.removeprefix("--").removeprefix("mlperf-")


def _section(option: Option) -> str:
    known = [
        ("on the command line", " or ".join(code(f"{flag}{_metavar(option)}") for flag in _flags(option))),
        ("in the ini file", f"{code(option.ini)} = {code(_ini_example(option))}"),
        ("values", _values(option)),
    ]
    if option.flag == "--mlperf-cache":
        known.append(("in the environment", code(CACHE_VARIABLE)))
    if option.flag in OPTIONAL:
        known.append(("without a value", code(OPTIONAL[option.flag])))
    return heading(2, code(option.flag), _name(option.flag)) + f"{_sentence(option.help)}\n\n" + facts(known)


def _flags(option: Option) -> list[str]:
    return [option.flag] if option.flag == option.long else [option.flag, option.long]


def _metavar(option: Option) -> str:
    if not option.metavar:
        return ""
    return f" [{option.metavar}]" if option.flag in OPTIONAL else f" {option.metavar}"


def _ini_example(option: Option) -> str:
    if option.switch:
        return "yes"
    return "|".join(option.choices) or option.metavar


def _values(option: Option) -> str:
    if option.switch:
        return "none; in the ini file yes or no"
    one = " or ".join(map(code, option.choices)) if option.choices else code(option.metavar)
    if option.many:
        return f"{one}, several by commas or repeated; in the ini file one a line"
    return f"{one}, may be repeated; in the ini file one a line" if option.repeated else one


def _sentence(text: str) -> str:
    return prose(text[0].upper() + text[1:]) + "."
