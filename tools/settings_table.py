"""Prints the table of docs/settings.md: LoadGen's settings, who decides them, and what another value makes of a run."""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_mlperf.loadgen.settings import SCENARIOS, SETTINGS, Setting
from pytest_mlperf.rules.catalogue import catalogue

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
BEGIN, END = "<!-- the table: python tools/settings_table.py -->\n", "<!-- end of the table -->\n"
_DECIDED = {
    "user": "you",
    "case": "what you run",
    "scenario": "the scenario",
    "round": "the round",
    "compliance test": "the compliance test",
    "implementation": "the implementation",
    "nobody": "nobody",
}


def table() -> str:
    """Return the table in Markdown."""
    rows = [
        "| setting | what it is | in user.conf | decided by | another value |",
        "|---|---|---|---|---|",
        *(f"| `{key}` | {_cells(setting)} |" for key, setting in SETTINGS.items()),
    ]
    return "\n".join([*rows, ""])


def _cells(setting: Setting) -> str:
    scenarios = "" if setting.scenarios == SCENARIOS else " in " + ", ".join(setting.scenarios)
    taken = f"{setting.values.words}{scenarios}" if setting.values is not None else "no"
    return f"{setting.says} | {taken} | {_DECIDED[setting.decided_by]} | {_otherwise(setting)}"


def _otherwise(setting: Setting) -> str:
    """Return what another value than the decided one makes of a run."""
    if setting.values is None:
        refused = f"a line is refused: {setting.instead}" if setting.instead else "is not to be set"
        return f"{refused} [`{setting.rule}`]" if setting.rule else refused
    if not setting.rule:
        return "yours: nothing but the run changes"
    short = "`short`" if catalogue()[setting.rule].short else "`not comparable`"
    return f"short run: {short}; official length: refused; submission: error [`{setting.rule}`]"


def page() -> str:
    """Return docs/settings.md with the table as it should be."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), "utf-8")
    else:
        sys.stdout.write(table())
