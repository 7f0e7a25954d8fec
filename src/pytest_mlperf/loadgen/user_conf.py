"""Reads user.conf, LoadGen's settings file, and raises where LoadGen would misread or ignore a line.

LoadGen ignores a name that it does not know, takes ``0.5`` as the integer 0 and ``010`` as 8, and stops at a bad value
in the middle of the file (``TestSettings::FromConfig`` in loadgen/test_settings_internal.cc). Each of these is an error
here.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.errors import UserConfError
from pytest_mlperf.loadgen.settings import KEYS, MODELS, SCENARIOS, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_mlperf.loadgen.settings import Setting

#: As Python and LoadGen both read them: no sign, no leading zero (LoadGen would read octal), no underscore.
_WHOLE = re.compile(r"0|[1-9][0-9]*")
_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_BLANKS = re.compile("[ \t\r]+")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


@dataclass(frozen=True)
class Entry:
    """One line: ``model.scenario.key = value``; ``place`` says where it stands."""

    model: str
    scenario: str
    key: str
    value: str
    place: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.model}.{self.scenario}.{self.key} = {self.value}"


@dataclass(frozen=True)
class UserConf:
    """The lines of a user.conf, in order."""

    entries: tuple[Entry, ...] = ()

    def settings(self, model: str, scenario: str) -> Mapping[str, str]:
        """Return the values that LoadGen would use for a model and a scenario, by key."""
        return {key: entry.value for key, entry in self.lines(model, scenario).items()}

    def lines(self, model: str, scenario: str) -> Mapping[str, Entry]:
        """Return the lines that LoadGen would use for a model and a scenario, by key.

        LoadGen looks for ``model.scenario.key``, then ``*.scenario.key``, ``model.*.key`` and ``*.*.key``; for
        equal names the last line counts. Keys that the scenario's runs do not read are left out.
        """
        found: dict[str, Entry] = {}
        from_general_to_exact = ("*", "*"), (model, "*"), ("*", scenario), (model, scenario)
        for name in from_general_to_exact:
            found.update({e.key: e for e in self.entries if (e.model, e.scenario) == name})
        return {key: entry for key, entry in found.items() if scenario in SETTINGS[key].scenarios}


def read_user_conf(path: Path) -> UserConf:
    """Read and check a user.conf.

    Raises
    ------
    UserConfError
        The file cannot be read, or LoadGen would misread or ignore a line.
    """
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserConfError(
            f"cannot read the user.conf {path}",
            expected="a text file",
            found=f"{getattr(error, 'strerror', None) or 'bytes that are not UTF-8'}",
            fix="check the path given with --user-conf",
        ) from error
    return parse_user_conf(text, str(path))


def given_user_conf(path: str | Path | None) -> UserConf:
    """Read the user's own user.conf; one without lines where there is none, or an empty path."""
    return read_user_conf(Path(path)) if path else UserConf()


def parse_user_conf(text: str, where: str) -> UserConf:
    """Parse the text of a user.conf; `where` names it in errors."""
    if text.startswith(_BYTE_ORDER_MARK):
        raise UserConfError(
            f"{where} begins with a byte order mark",
            expected="a file that begins with its first line; LoadGen would ignore what stands behind the mark",
            found="the bytes EF BB BF",
            fix="save it as UTF-8 without BOM",
        )
    lines = enumerate(text.split("\n"), start=1)
    return UserConf(tuple(_parse_line(line, f"{where}, line {n}") for n, line in lines if _has_content(line)))


def check_models(conf: UserConf, editions: Mapping[str, str]) -> None:
    """Raise if a line names a model that LoadGen is never asked for.

    Parameters
    ----------
    conf
        The user.conf.
    editions
        LoadGen's names of the installed benchmarks, by the benchmarks' own names.

    Raises
    ------
    UserConfError
        LoadGen would ignore a line.
    """
    known = MODELS | set(editions.values())
    for entry in conf.entries:
        if entry.model in known or entry.model == "*":
            continue
        named = editions.get(entry.model)
        raise UserConfError(
            f"{entry.place}: LoadGen does not know the model {entry.model}, and would ignore the line",
            expected=f"LoadGen's name of a benchmark: {', '.join(sorted(set(editions.values())))}, or * for all",
            found=entry.model,
            fix=f"write {named}.{entry.scenario}.{entry.key}" if named else _nearest(entry.model, sorted(known)),
        )


def render_user_conf(entries: Iterable[Entry], comment: str) -> str:
    """Return the text of a user.conf with a comment above its entries."""
    return "\n".join([f"# {comment}", *map(str, entries), ""])


def _has_content(line: str) -> bool:
    return bool(line.strip(" \t\r")) and not line.strip(" \t\r").startswith("#")


def _parse_line(line: str, where: str) -> Entry:
    words = _BLANKS.split(line.strip(" \t\r"))
    if "#" in words:
        words = words[: words.index("#")]
    for word in words:
        _check_visible(word, where)
    if len(words) != 3 or words[1] != "=":
        raise UserConfError(
            f"{where}: not a setting",
            expected="model.scenario.key = value, with spaces around =",
            found=f"{' '.join(words)}",
            fix="write for example: retinanet.Offline.target_qps = 100",
        )
    name, value = words[0], words[2]
    parts = name.rsplit(".", 2)  # a model's name may have dots: wan-2.2-t2v-a14b
    if len(parts) != 3:
        raise UserConfError(
            f"{where}: {name} is not the name of a setting",
            expected="model.scenario.key",
            found=f"{len(parts)} parts",
            fix="write * for the model or the scenario to mean all of them",
        )
    model, scenario, key = parts
    _check_scenario(scenario, where)
    _check_value(key, value, _setting(key, scenario, where), where)
    return Entry(model, scenario, key, value, where)


def _check_visible(word: str, where: str) -> None:
    """Raise for what looks like a blank and is none to LoadGen, or cannot be seen."""
    if not _VISIBLE.fullmatch(word):
        found = next(character for character in word if not "!" <= character <= "~")
        raise UserConfError(
            f"{where}: LoadGen would not read this as it looks",
            expected="ASCII characters, spaces and tabs",
            found=f"U+{ord(found):04X} in {word!a}",
            fix="type the line again",
        )


def _check_scenario(scenario: str, where: str) -> None:
    if scenario not in (*SCENARIOS, "*"):
        raise UserConfError(
            f"{where}: there is no scenario {scenario}",
            expected=f"one of {', '.join(SCENARIOS)} or *",
            found=scenario,
            fix=_nearest(scenario, SCENARIOS),
        )


def _setting(key: str, scenario: str, where: str) -> Setting:
    setting = SETTINGS.get(key)
    if setting is not None and setting.instead:
        raise UserConfError(
            f"{where}: {key} cannot be set in a user.conf",
            expected="a setting that LoadGen takes from there, and that is not decided elsewhere",
            found=key,
            fix=f"remove the line: {setting.instead}",
        )
    if setting is None or setting.values is None:
        raise UserConfError(
            f"{where}: LoadGen does not know the setting {key} and would ignore it",
            expected=f"one of {', '.join(KEYS)}",
            found=key,
            fix=_nearest(key, KEYS),
        )
    if scenario != "*" and scenario not in setting.scenarios:
        raise UserConfError(
            f"{where}: LoadGen does not read {key} in {scenario}, and would ignore the line",
            expected=f"{key} of {', '.join(setting.scenarios)}",
            found=f"{scenario}.{key}",
            fix="correct the scenario, or remove the line",
        )
    return setting


def _check_value(key: str, value: str, setting: Setting, where: str) -> None:
    values = setting.values
    if values is None:
        raise ValueError(f"{key} has no values")
    form = _WHOLE if values.whole else _DECIMAL
    number = (int if values.whole else float)(value) if form.fullmatch(value) and len(value) < 400 else float("nan")
    if not values.allow(number):
        raise UserConfError(
            f"{where}: {value[:60]} is not a valid value for {key}",
            expected=values.words,
            found=value[:60],
            fix="times are whole milliseconds" if key.endswith(("latency", "duration")) else "correct the value",
        )


def _nearest(name: str, valid: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.4)
    return f"did you mean {close[0]}?" if close else "correct the name"
