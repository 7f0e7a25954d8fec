"""Where an endpoint is and how it is asked: its address and the options of its backend."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from pytest_mlperf.errors import OptionError
from pytest_mlperf.secrecy import HIDDEN, is_secret, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Requests that the warm-up has in flight at once, at most.
IN_FLIGHT = 64
MOST_IN_FLIGHT = 4096
MOST_RETRIES = 100
LONGEST_SECONDS = 24 * 3600.0
#: Options of every backend for endpoints.
OPTIONS = {
    "model": "the name of the model at the endpoint",
    "token": "sent as Authorization: Bearer",
    "timeout": "seconds for a request",
    "in_flight": "requests at once, at most",
    "retries": "how often a request is sent again when it was not answered",
}


@dataclass(frozen=True)
class Target:
    """An endpoint.

    Attributes
    ----------
    url
        Its address, without user name, password and query; no ``/`` at its end.
    query
        The address's query, sent with each request.
    headers
        The headers of each request.
    model
        The name of the model there; empty if the option is not given.
    timeout
        Seconds for a request, from sending it to the end of its answer.
    in_flight, retries
        Requests at once, and how often an unanswered one is sent again.
    secrets
        Texts that no message may have.
    """

    url: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    timeout: float = 60.0
    in_flight: int = IN_FLIGHT
    retries: int = 0
    secrets: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The host's name or number."""
        return urlsplit(self.url).hostname or ""

    def at(self, path: str) -> str:
        """Return the address of a path below the endpoint's."""
        return f"{self.url}{path}{f'?{self.query}' if self.query else ''}"

    def hide(self, text: str) -> str:
        """Return a text from the endpoint without the secrets that it was sent."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return without_secrets(text)


def read_target(
    address: str,
    options: Mapping[str, str],
    backend: str,
    *,
    timeout: float,
    more: Mapping[str, str] | None = None,
    path_end: str = "",
) -> Target:
    """Return the endpoint of an address and options.

    Parameters
    ----------
    address
        ``http://host:port/path`` or ``https://``, with user name, password and query if it needs them.
    options
        The options given for the backend.
    backend
        Its name, for messages.
    timeout
        Seconds for a request, where the option is not given.
    more
        The options that this backend has besides `OPTIONS`, with what they are.
    path_end
        What is left out of an address that ends with it.

    Raises
    ------
    OptionError
        The address or an option cannot be used.
    """
    _check_names(options, backend, {**OPTIONS, **(more or {})})
    parts = _parsed(address)
    headers, secrets = _authorization(parts.username, parts.password, options.get("token", ""))
    values = [value for name, _, value in (each.partition("=") for each in parts.query.split("&")) if is_secret(name)]
    place = parts.netloc.rpartition("@")[2]
    return Target(
        url=urlunsplit((parts.scheme, place, parts.path.rstrip("/").removesuffix(path_end), "", "")),
        query=parts.query,
        headers=headers,
        model=options.get("model", ""),
        timeout=_number(options, "timeout", timeout, 0.001, LONGEST_SECONDS),
        in_flight=int(_number(options, "in_flight", IN_FLIGHT, 1, MOST_IN_FLIGHT, whole=True)),
        retries=int(_number(options, "retries", 0, 0, MOST_RETRIES, whole=True)),
        secrets=tuple(dict.fromkeys(filter(None, [*secrets, *values, *map(unquote, values)]))),
    )


def _parsed(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s\x00-\x1f]", address)
        _ = parts.port  # raises ValueError if it is not a number
    except ValueError:
        good = False
    if not good:
        raise OptionError(
            f"the endpoint's address {without_secrets(address) or '(none)'} cannot be used",
            expected="http://HOST:PORT/PATH, or https",
            found=without_secrets(address) or "none",
            fix="correct --endpoint URL",
        )
    return parts


def _authorization(user: str | None, password: str | None, token: str) -> tuple[dict[str, str], Sequence[str]]:
    """Return the headers that say who asks, and the secrets in them."""
    if token:
        if not token.isascii() or not token.isprintable():
            raise OptionError(
                "--backend-option: the token cannot be sent",
                expected="printable ASCII characters",
                found="others",
                fix="copy the token again",
            )
        return {"Authorization": f"Bearer {token}"}, (token, quote(token, safe=""))
    if user is None:
        return {}, ()
    plain = f"{unquote(user)}:{unquote(password or '')}"
    encoded = base64.b64encode(plain.encode()).decode()
    return {"Authorization": f"Basic {encoded}"}, (plain, encoded, unquote(password or ""), password or "")


def _check_names(options: Mapping[str, str], backend: str, known: Mapping[str, str]) -> None:
    for name, value in options.items():
        if name not in known:
            raise OptionError(
                f"--backend-option: {backend} has no option {name}",
                expected=", ".join(f"{each} ({what})" for each, what in known.items()),
                found=f"{name}={HIDDEN if is_secret(name) else value}",
                fix="use one of these, or leave it out",
            )


def _number(
    options: Mapping[str, str], name: str, default: float, least: float, most: float, *, whole: bool = False
) -> float:
    text = options.get(name)
    if text is None:
        return default
    try:
        value = float(int(text)) if whole else float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise OptionError(
            f"--backend-option: {name} cannot be {text!r}",
            expected=f"{'a whole' if whole else 'a'} number from {least:g} to {most:g}",
            found=text,
            fix=f"correct --backend-option {name}=NUMBER",
        )
    return value
