"""Text from elsewhere, an exception's or a file's, made fit to be shown: no control characters, and not too long."""

from __future__ import annotations

import re

from pytest_mlperf.secrecy import without_secrets

#: The most characters of a text that is shown.
LONGEST = 8000
_WORDS_AROUND = 200

#: Without tabs and newlines: control characters of ASCII and of Latin-1, what changes the direction of writing, line
#: and paragraph separators, and surrogates, which no encoding has. Escapes of `re`, so that this file shows them.
_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"


def printable(text: str) -> str:
    r"""Return text of any number of lines with control characters escaped: ``\x1b[31m``."""
    return re.sub(f"[{_CONTROLS}]", _escaped, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return text as `printable` does, with newlines and tabs escaped too."""
    return re.sub(f"[\\t\\n{_CONTROLS}]", _escaped, text)


def encodable(text: str) -> str:
    """Return text with surrogates escaped, so that every file, pipe and XML document takes it."""
    return text.encode("utf-8", "backslashreplace").decode()


def fit(text: str, longest: int = LONGEST) -> str:
    """Return text for a message, a log or a file: encodable, without the secrets of addresses, and cut.

    Of a longer text the start stays, and its length is said. A text that was cut before is not cut again, also with
    words before it.
    """
    start = encodable(without_secrets(text[: 2 * longest]))
    if len(text) <= longest + _WORDS_AROUND:
        return start
    return f"{start[:longest]}… (cut: {len(text):,} characters)"


def said(error: BaseException) -> str:
    """Return an exception's class and text; also of one whose text cannot be had."""
    from traceback import format_exception_only

    return fit("".join(format_exception_only(error)).strip())


def _escaped(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode("ascii")
