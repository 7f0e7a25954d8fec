"""Parsers of option values; a value that is not valid raises ValueError with what is expected."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from pytest_mlperf.history.place import OFF

#: With more threads than this, a runtime's spinning threads take minutes to start.
MOST_THREADS_A_CORE = 16
#: LoadGen counts in signed 64-bit numbers and silently replaces a larger number by the largest.
LARGEST_COUNT = 2**63 - 1
#: For rates per second and latencies in ms, which LoadGen converts to 64-bit whole nanoseconds: one at least.
SMALLEST_NUMBER, LARGEST_NUMBER = 1e-6, 1e9
LONGEST_SECONDS = 366 * 24 * 3600.0


def positive(text: str) -> int:
    """Parse a whole number of 1 or more that LoadGen can count to."""
    # Python refuses to convert thousands of digits.
    if not text.isdecimal() or len(text) > len(str(LARGEST_COUNT)) or not 1 <= int(text) <= LARGEST_COUNT:
        raise ValueError("a whole number of 1 or more" + (f", below {LARGEST_COUNT:.0e}" if text.isdecimal() else ""))
    return int(text)


def threads(text: str) -> int:
    """Parse a number of threads, at most `MOST_THREADS_A_CORE` for each core."""
    most = MOST_THREADS_A_CORE * len(os.sched_getaffinity(0))
    count = positive(text)
    if count > most:
        raise ValueError(f"at most {most}, {MOST_THREADS_A_CORE} for each core that this process may use")
    return count


def positive_number(text: str) -> float:
    """Parse a number above 0 that LoadGen can compute with."""
    value = _number(text)
    if not SMALLEST_NUMBER <= value <= LARGEST_NUMBER:
        raise ValueError(f"a number above 0, from {SMALLEST_NUMBER:g} to {LARGEST_NUMBER:g}")
    return value


def duration(text: str) -> float:
    """Parse seconds, 0 or more, up to a year."""
    value = _number(text)
    if not 0 <= value <= LONGEST_SECONDS:
        raise ValueError(f"a number of seconds, 0 or more, at most a year ({LONGEST_SECONDS:,.0f})")
    return value


def yes(text: str) -> bool:
    """Parse a boolean: yes or no, true or false, on or off, 1 or 0."""
    words = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
    if text.lower() not in words:
        raise ValueError("yes or no")
    return words[text.lower()]


@dataclass(frozen=True)
class BenchmarkPath:
    """A path or an address for one benchmark; if `benchmark` is empty, for the only selected one."""

    benchmark: str
    place: Path | str

    def below(self, base: Path) -> BenchmarkPath:
        """Return the same with its path resolved against `base`."""
        return self if isinstance(self.place, str) else replace(self, place=base / self.place.expanduser())


def benchmark_path(text: str) -> BenchmarkPath:
    """Parse ``benchmark=path`` or a path; an address has ``://``."""
    name, equals, rest = text.partition("=")
    named = bool(equals) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is not None and not Path(text).exists()
    place = rest if named else text
    if not place:
        raise ValueError("PATH or BENCHMARK=PATH")
    return BenchmarkPath(name if named else "", place if "://" in place else Path(place))


def benchmark_file(text: str) -> BenchmarkPath:
    """Parse ``benchmark=path`` or a path, and no address."""
    given = benchmark_path(text)
    if isinstance(given.place, str):
        raise ValueError("FILE or BENCHMARK=FILE, and no address")
    return given


def endpoint(text: str) -> BenchmarkPath:
    """Parse ``benchmark=address`` or an address."""
    given = benchmark_path(text)
    if not isinstance(given.place, str) or not given.place.startswith(("http://", "https://")):
        raise ValueError("an address like http://host:8000/v2/models/NAME, or BENCHMARK=ADDRESS")
    return given


def name_and_value(text: str) -> tuple[str, str]:
    """Parse ``name=value``."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError("NAME=VALUE")
    return name, value


def names(text: str) -> tuple[str, ...]:
    """Parse names that are separated by commas."""
    found = tuple(text.replace(",", " ").split())
    if not found:
        raise ValueError("a name, or several with commas")
    return found


def precision(text: str) -> str:
    """Parse a precision: ``fp32``, ``bf16``, ``int8``."""
    if not re.fullmatch(r"[a-z]+[0-9]{1,2}[a-z0-9]*", text.lower()):
        raise ValueError("a precision such as fp32, bf16, fp16 or int8")
    return text.lower()


def mirror(text: str) -> str | Path:
    """Parse an address, or a directory."""
    if "://" not in text:
        return Path(text)
    try:
        parts = urlsplit(text)
        good = parts.hostname if parts.scheme in ("http", "https") else parts.scheme == "file"
        _ = parts.port  # raises ValueError if it is not a number
    except ValueError:
        good = False
    if not good:
        raise ValueError("a directory, or an address like https://mirror.example:8000/mlperf")
    return text


def python_version(text: str) -> tuple[int, ...]:
    """Parse a Python's version: ``3.12``, ``3.12.1``."""
    numbers = text.split(".")
    if not all(number.isdecimal() and len(number) < 4 for number in numbers) or not 1 <= len(numbers) <= 3:
        raise ValueError("a version such as 3.12 or 3.12.1")
    return tuple(map(int, numbers))


def round_name(text: str) -> str:
    """Parse the name of a round, with or without the v; raise OptionError if there is no such round."""
    from pytest_mlperf.rules.round import find_round  # imports msgspec, which sessions without the option do not need

    return find_round(text).name


def file_name(text: str) -> str:
    """Parse a name that is valid for a directory on every system and in a submission."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError("a name of letters, digits, '.', '_' and '-', without spaces")
    return text


def new_name(text: str) -> str:
    """Parse a name for something that is written; what exists is more likely the path of a test."""
    if Path(text).exists():
        raise ValueError("a name that is no file or directory; write --mlperf-save=NAME before the path of tests")
    return file_name(text)


def zero_or_more(text: str) -> float:
    """Parse a number, 0 or more."""
    value = _number(text)
    if not 0 <= value <= LARGEST_NUMBER:
        raise ValueError(f"a number, 0 or more, at most {LARGEST_NUMBER:g}")
    return value


def file_or_off(text: str) -> str | Path:
    """Parse a file's name, or ``off``."""
    return text if text == OFF else Path(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
