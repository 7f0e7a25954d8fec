"""Where a remote file may be had from, and how the network may be used; changes when a user's network does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import msgspec

from pytest_mlperf.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable

_WEB = ("https://", "http://")


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The content that a file had when it was first fetched: SHA-256, size in bytes, the address, the date."""

    sha256: str
    size: int
    source: str
    date: str


@dataclass(frozen=True)
class RemoteFile:
    """A file with a fixed content, and the addresses that should all give it.

    Attributes
    ----------
    name
        What it is called here; may have directories, with ``/``.
    urls
        ``https:``, ``http:`` and ``file:`` addresses, the preferred one first.
    size, sha256, md5
        In bytes, and hexadecimal, where known; MD5 only for files whose publisher states nothing better.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.name).parts
        if not parts or parts[0] == "/" or ".." in parts:
            raise ValueError(f"a remote file's name is a relative path, not {self.name!r}")
        if not self.urls:
            raise ValueError(f"{self.name} has no address")
        if strange := [url for url in self.urls if not _is_address(url)]:
            raise ValueError(f"{self.name} has the address {strange[0]!r}, which is not of https, http or file")


@dataclass(frozen=True)
class Progress:
    """How far a fetch of a file, or of a set of files, is: bytes and whole files that are here, and all.

    `bytes_total` is None where nobody states it; `bytes_before` were here already, which no rate should count.
    """

    name: str
    bytes_done: int
    bytes_total: int | None
    bytes_before: int
    files_done: int
    files_total: int


@dataclass(frozen=True)
class Network:
    """How the network may be used.

    Proxies and CA certificates are taken from the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY;
    SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE.

    Attributes
    ----------
    offline
        Do not use it at all.
    mirror
        An address (``http://mirror:8000/mlperf``) or a directory that replaces the scheme and the host of every
        http(s) address; path and query stay. See `addresses`.
    connect_timeout_s, read_timeout_s
        How long a connection may take to come about, and to give the next byte.
    slowest_bytes_s
        A transfer that stays slower than this for `read_timeout_s` counts as stalled.
    attempts
        At one address, after faults that may pass, without any progress between them.
    backoff_s, backoff_limit_s
        The wait after the first such fault, doubled with each further one, and its bound; up to half of it is
        taken off by chance, so that many machines do not come back at once.
    patience_s
        The longest wait that a server may ask for (Retry-After) before its address is given up.
    parallel
        Files fetched at once, of a set.
    on_progress
        Told now and then, and at the end, from any thread, one at a time.
    """

    offline: bool = False
    mirror: str | Path | None = None
    connect_timeout_s: float = 15.0
    read_timeout_s: float = 60.0
    slowest_bytes_s: int = 256
    attempts: int = 5
    backoff_s: float = 1.0
    backoff_limit_s: float = 60.0
    patience_s: float = 300.0
    parallel: int = 16
    on_progress: Callable[[Progress], None] | None = None


def addresses(file: RemoteFile, network: Network) -> tuple[str, ...]:
    """Return the addresses to try for `file`, in order; FetchError where the mirror is none.

    With a mirror, ``https://host/a/b?c=d`` becomes ``<mirror>/a/b?c=d``. In a directory that is the file
    ``a/b?c=d`` (a ``/`` in the query is written ``%2F``: the names that ``wget -x -nH`` gives), or else ``a/b``.
    ``file:`` addresses stay as they are.
    """
    return tuple(dict.fromkeys(address for url in file.urls for address in _mirrored(url, network.mirror)))


def is_local(url: str) -> bool:
    """Say whether an address is a file of this machine."""
    return urlsplit(url).scheme == "file"


def local_path(url: str) -> Path:
    """Return the file that a ``file:`` address names."""
    return Path(unquote(urlsplit(url).path))


def _mirrored(url: str, mirror: str | Path | None) -> list[str]:
    parts = urlsplit(url)
    if mirror is None or parts.scheme == "file":
        return [url]
    text = os.fspath(mirror)
    if "://" not in text or text.startswith("file:"):
        directory = local_path(text) if text.startswith("file:") else Path(text).expanduser().absolute()
        return [path.as_uri() for path in _in_directory(directory, parts)]
    if not _is_address(text):
        expected = "a directory or an address like http://mirror:8000"
        fix = "name a directory, or an address that starts with https:, http: or file:"
        raise FetchError(f"cannot use the mirror {mirror}", expected=expected, found="another address", fix=fix)
    base = urlsplit(text)
    path = f"{base.path.rstrip('/')}/{parts.path.lstrip('/')}"
    return [urlunsplit(base._replace(path=path, query=parts.query, fragment=""))]


def _in_directory(directory: Path, parts: SplitResult) -> list[Path]:
    # The address is the publisher's, but a redirect or a list of files may have written it.
    names = [unquote(name).replace("/", "%2F") for name in parts.path.split("/")]
    plain = directory.joinpath(*(name for name in names if name not in ("", ".", "..")))
    if not parts.query:
        return [plain]
    return [plain.with_name(f"{plain.name}?{parts.query.replace('/', '%2F')}"), plain]


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # may be no number
    except ValueError:
        return False
    return bool(parts.hostname) if url.startswith(_WEB) else parts.scheme == "file" and parts.path.startswith("/")
