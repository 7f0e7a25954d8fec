"""LoadGen's settings as words for the C++ program: every field, by the name that LoadGen's Python binding gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlperf_loadgen import TestSettings

_ENUMERATIONS = ("scenario", "mode")


def settings_words(settings: TestSettings) -> Iterator[str]:
    """Yield each field and its value; the program refuses a field that it does not know."""
    for name in dir(settings):
        value: Any = getattr(settings, name)
        if name.startswith("_") or callable(value):
            continue
        yield name
        yield value.name if name in _ENUMERATIONS else repr(int(value) if isinstance(value, bool) else value)
