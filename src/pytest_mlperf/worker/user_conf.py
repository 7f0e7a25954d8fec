"""Reads user.conf, LoadGen's settings file, and raises where LoadGen would misread it.

LoadGen ignores an unknown key, takes ``0.5`` as the integer 0 and stops at a bad value in the middle of
the file (``TestSettings::FromConfig`` in loadgen/test_settings_internal.cc). Each of these is an error here.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.errors import UserConfError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SCENARIOS = ("Offline", "Server", "SingleStream", "MultiStream")

INTEGER_KEYS = frozenset(
    {
        "accuracy_log_rng_seed",
        "accuracy_log_sampling_target",
        "accuracy_sample_count_override",
        "coalesce_queries",
        "infer_token_latencies",
        "max_async_queries",
        "max_duration",
        "max_query_count",
        "min_duration",
        "min_query_count",
        "performance_issue_same",
        "performance_issue_same_index",
        "performance_issue_unique",
        "performance_sample_count_override",
        "print_timestamps",
        "sample_concatenate_permutation",
        "samples_per_query",
        "token_latency_scaling_factor",
        "tpot_latency",
        "ttft_latency",
        "use_token_latencies",
    }
)
NUMBER_KEYS = frozenset({"target_latency_percentile", "target_qps"})
#: Milliseconds; LoadGen reads a whole number and ignores the rest.
LATENCY_KEY = "target_latency"
#: Read from LoadGen's built-in mlperf.conf only, or set by the run itself.
RESERVED_KEYS = {
    "accuracy_log_probability": "the round's rules set it",
    "mode": "use --mode",
    "qsl_rng_seed": "the round's rules set it",
    "sample_index_rng_seed": "the round's rules set it",
    "schedule_rng_seed": "the round's rules set it",
    "target_duration": "LoadGen does not use it; use min_duration",
    "test05": "the round's rules set it",
}
#: LoadGen silently replaces a number that does not fit in 64 bits by the largest that does.
TOO_LARGE = 2**63
KNOWN_KEYS = sorted(INTEGER_KEYS | NUMBER_KEYS | {LATENCY_KEY})


@dataclass(frozen=True)
class Entry:
    """One line: ``model.scenario.key = value``."""

    model: str
    scenario: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.model}.{self.scenario}.{self.key} = {self.value}"


@dataclass(frozen=True)
class UserConf:
    """The lines of a user.conf, in order."""

    entries: tuple[Entry, ...] = ()

    def settings(self, model: str, scenario: str) -> Mapping[str, str]:
        """Return the values that LoadGen would use for a model and a scenario.

        LoadGen looks for ``model.scenario.key``, then ``*.scenario.key``, ``model.*.key`` and ``*.*.key``; for
        equal names the last line counts.
        """
        values: dict[str, str] = {}
        from_general_to_exact = ("*", "*"), (model, "*"), ("*", scenario), (model, scenario)
        for name in from_general_to_exact:
            values.update({e.key: e.value for e in self.entries if (e.model, e.scenario) == name})
        return values


def read_user_conf(path: Path) -> UserConf:
    """Read and check a user.conf.

    Raises
    ------
    UserConfError
        The file cannot be read, or LoadGen would misread a line.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserConfError(
            f"cannot read the user.conf {path}",
            expected="a text file",
            found=f"{getattr(error, 'strerror', None) or 'bytes that are not UTF-8'}",
            fix="check the path given with --user-conf",
        ) from error
    return parse_user_conf(text, str(path))


def parse_user_conf(text: str, where: str) -> UserConf:
    """Parse the text of a user.conf; `where` names it in errors."""
    lines = enumerate(text.splitlines(), start=1)
    return UserConf(tuple(_parse_line(line.split(), f"{where}, line {n}") for n, line in lines if _has_content(line)))


def render_user_conf(entries: Iterable[Entry], comment: str) -> str:
    """Return the text of a user.conf with a comment above its entries."""
    return "\n".join([f"# {comment}", *map(str, entries), ""])


def _has_content(line: str) -> bool:
    return bool(line.strip()) and not line.strip().startswith("#")


def _parse_line(words: list[str], where: str) -> Entry:
    if "#" in words:
        words = words[: words.index("#")]
    if len(words) != 3 or words[1] != "=":
        raise UserConfError(
            f"{where}: not a setting",
            expected="model.scenario.key = value, with spaces around =",
            found=f"{' '.join(words)}",
            fix="write for example: retinanet.Offline.target_qps = 100",
        )
    name, value = words[0], words[2]
    parts = name.split(".")
    # Names such as llama3.1-8b do not occur here: LoadGen writes llama3_1-8b, so a name has two dots.
    if len(parts) != 3:
        raise UserConfError(
            f"{where}: {name} is not the name of a setting",
            expected="model.scenario.key",
            found=f"{len(parts)} parts",
            fix="write * for the model or the scenario to mean all of them",
        )
    model, scenario, key = parts
    _check_scenario(scenario, where)
    _check_key(key, where)
    _check_value(key, value, where)
    return Entry(model, scenario, key, value)


def _check_scenario(scenario: str, where: str) -> None:
    if scenario not in (*SCENARIOS, "*"):
        raise UserConfError(
            f"{where}: there is no scenario {scenario}",
            expected=f"one of {', '.join(SCENARIOS)} or *",
            found=scenario,
            fix=_nearest(scenario, SCENARIOS),
        )


def _check_key(key: str, where: str) -> None:
    if key in RESERVED_KEYS:
        raise UserConfError(
            f"{where}: {key} cannot be set in a user.conf",
            expected="a setting that the rules leave to the submitter",
            found=key,
            fix=f"remove the line: {RESERVED_KEYS[key]}",
        )
    if key not in KNOWN_KEYS:
        raise UserConfError(
            f"{where}: LoadGen does not know the setting {key} and would ignore it",
            expected=f"one of {', '.join(KNOWN_KEYS)}",
            found=key,
            fix=_nearest(key, KNOWN_KEYS),
        )


def _check_value(key: str, value: str, where: str) -> None:
    kind = "a number" if key in NUMBER_KEYS else "a whole number"
    try:
        number = float(value) if key in NUMBER_KEYS else int(value)
    except ValueError:
        number = math.nan
    if 0 <= number < TOO_LARGE:  # false for NaN and infinity
        return
    raise UserConfError(
        f"{where}: {value} is not a valid value for {key}",
        expected=f"{kind} of 0 or more, below 2^63",
        found=value,
        fix="times are whole milliseconds" if key.endswith(("latency", "duration")) else "correct the value",
    )


def _nearest(name: str, valid: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.4)
    return f"did you mean {close[0]}?" if close else "correct the name"
