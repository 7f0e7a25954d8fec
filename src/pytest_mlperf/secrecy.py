"""What is secret in an address and in a command line, and how it is left out of all that is shown and written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"

#: User name and password: all up to the last @ before the path. With a / in a password, which no address may have, what
#: stands where the port belongs is no number.
_USERINFO = r"//(?:[^\s/?#]*@|[^\s/?#@]*:(?!\d*[/?#])[^\s@]*@)"
#: A parameter of a query or a fragment.
_PARAMETER = r"([?&;#])([\w.%+-]+)=([^\s&;#'\"<>]*)"
_ADDRESS = r"//\S*"
#: A name with one of these words is a secret's: api_key, X-Amz-Signature, AWSAccessKeyId, HF_TOKEN, hf-token.
_WORDS = {
    *("apikey", "auth", "authorization", "bearer", "cookie", "credential", "credentials", "jwt", "key", "pass"),
    *("passphrase", "passwd", "password", "pat", "pwd", "secret", "sig", "signature", "token"),
}
_ENDINGS = ("accesskey", "apikey", "password", "passwd", "secret", "secretkey", "sessionid", "signature", "token")
#: Between the values of an option that takes several: a value may have commas itself.
_NEXT = r",(?=[\w.-]+=)"


def is_secret(name: str) -> bool:
    """Return whether the name of an option, a variable or a parameter is that of a secret."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    return not words.isdisjoint(_WORDS) or name.lower().endswith(_ENDINGS)


def without_secrets(text: str) -> str:
    """Return an address, or a text with addresses, without user names, passwords and the secrets of queries."""
    if "//" not in text:
        return text
    return re.sub(_ADDRESS, lambda found: re.sub(_PARAMETER, _parameter, found[0]), re.sub(_USERINFO, "//", text))


def arguments_without_secrets(arguments: Iterable[str]) -> list[str]:
    """Return the arguments of a command line without its secrets.

    Hidden are the value of an option or a variable with a secret's name (``--hf-token abc``, ``HF_TOKEN=abc``,
    ``-o name=value``), and what `without_secrets` hides.
    """
    shown: list[str] = []
    follows = False
    for argument in arguments:
        is_option = argument.startswith("-")
        shown.append(HIDDEN if follows and not is_option else _argument(argument))
        follows = is_option and "=" not in argument and is_secret(argument)
    return shown


def _argument(argument: str) -> str:
    name, equals, value = argument.partition("=")
    if equals and "//" not in name:
        shown = HIDDEN if is_secret(name) else ",".join(map(_argument, re.split(_NEXT, value)))
        return f"{name}={shown}"
    # A single address: its password may have a space.
    return without_secrets(re.sub("//[^/?#]*@", "//", argument))


def _parameter(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}={HIDDEN}" if is_secret(found[2]) else found[0]
