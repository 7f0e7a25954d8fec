"""Opens an address at an offset: HTTP with certificates, proxies and redirects, and files; the one user of urllib3."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, IncompleteRead, LocationParseError, ProxyError, ReadTimeoutError
from urllib3.exceptions import SSLError as Urllib3SSLError

from pytest_mlperf.artifacts.sources import is_local, local_path, without_secrets
from pytest_mlperf.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlperf.artifacts.sources import Network

_Error = TypeVar("_Error", bound=BaseException)

_CHUNK = 1 << 18
_REDIRECTS = 10
#: Answers that may be others in a moment: RFC 9110, section 15, and 429 of RFC 6585.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
#: Where distributions keep their authorities; a Python that was built elsewhere may look in vain at its own place.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class AddressFault(Exception):  # noqa: N818 - it becomes a line of an error
    """An address does not give the file.

    Parameters
    ----------
    reason
        In words.
    passing
        True where another attempt may help.
    wait_s
        How long the server asks to wait before that.
    """

    def __init__(self, reason: str, *, passing: bool = False, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.passing, self.wait_s = reason, passing, wait_s


class RangeFault(AddressFault):
    """What is here is no part of what the address has now."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, passing=True, wait_s=0)


class Stopped(Exception):  # noqa: N818 - no fault
    """The transfer was ended because another one failed or the user has interrupted."""


class Body(Protocol):
    """An opened file.

    Attributes
    ----------
    offset
        Of the first byte that comes.
    total
        Size of the whole file in bytes, None where the server does not say.
    validator
        What names this version of the file, "" where nothing does.
    """

    offset: int
    total: int | None
    validator: str

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """Give the connection back or up."""
        ...


class Client:
    """Opens addresses, from any thread, until it is stopped or closed.

    Parameters
    ----------
    network
        Time-outs and bounds.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._trust: ssl.SSLContext | None = None
        self._open: set[HttpBody] = set()
        self._stopped = threading.Event()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for pool in self._pools.values():
            pool.clear()

    def open(self, address: str, offset: int = 0, validator: str = "") -> Body:
        """Open a file, if possible at `offset`, if it is still the version that `validator` names.

        Raises
        ------
        AddressFault
            It cannot be had from there, or not now.
        FetchError
            The settings of the network itself are wrong.
        """
        self.check()
        if is_local(address):
            return FileBody.open(local_path(address), offset)
        response = self._follow(address, offset, validator)
        try:
            body = _body_of(response, offset, self._network, self._forget)
        except BaseException:
            response.close()
            raise
        with self._lock:
            self._open.add(body)
        return body

    def wait(self, seconds: float) -> None:
        """Wait; raise Stopped as soon as the client is."""
        self._stopped.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise Stopped if the client is."""
        if self._stopped.is_set():
            raise Stopped

    def stop(self) -> None:
        """End all transfers, also those that wait for the next byte."""
        self._stopped.set()
        with self._lock:
            bodies = list(self._open)
        for body in bodies:
            body.interrupt()

    def _forget(self, body: HttpBody) -> None:
        with self._lock:
            self._open.discard(body)

    def _follow(self, address: str, offset: int, validator: str) -> urllib3.BaseHTTPResponse:
        headers = {"Accept-Encoding": "identity", "User-Agent": "pytest-mlperf"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if validator:
                headers["If-Range"] = validator
        seen, url = [address], address
        while True:
            response = self._request(url, headers | _credentials(url))
            target = response.get_redirect_location()
            if not target:
                return response
            response.close()  # its body may have no end
            url = _redirected(url, target, seen)

    def _request(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        network = self._network
        timeout = urllib3.Timeout(connect=network.connect_timeout_s, read=network.read_timeout_s)
        try:
            return self._pool(url).request(
                "GET", url, headers=headers, timeout=timeout, retries=False, redirect=False, preload_content=False
            )
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            self.check()
            raise _fault_of(error, network) from error

    def _pool(self, url: str) -> urllib3.PoolManager:
        proxy = _proxy_for(url)
        with self._lock:
            if proxy not in self._pools:
                self._trust = self._trust or trusted_authorities()
                self._pools[proxy] = _make_pool(proxy, self._trust, self._network.parallel)
            return self._pools[proxy]


@dataclass(eq=False)
class HttpBody:
    """A response's body."""

    offset: int
    total: int | None
    validator: str
    _response: urllib3.BaseHTTPResponse
    _network: Network
    _on_close: Callable[[HttpBody], None]
    _interrupted: bool = False

    def __iter__(self) -> Iterator[bytes]:
        since, received = time.monotonic(), 0
        while chunk := self._read():
            yield chunk
            received += len(chunk)
            seconds = time.monotonic() - since
            if seconds > self._network.read_timeout_s:
                if received < self._network.slowest_bytes_s * seconds:
                    raise AddressFault(f"stalled: {received:,} bytes came in {seconds:.0f} s", passing=True)
                since, received = time.monotonic(), 0

    def _read(self) -> bytes:
        try:
            chunk: bytes = self._response.read1(_CHUNK)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            if self._interrupted:
                raise Stopped from None
            if self.total is not None and _cause(error, IncompleteRead):
                return b""  # whoever counts the bytes can say it better
            raise _fault_of(error, self._network) from error
        if self._interrupted:
            raise Stopped
        return chunk

    def interrupt(self) -> None:
        """Make a read that waits for the next byte end at once; from another thread."""
        self._interrupted = True
        with suppress(Exception):  # between two reads there is nothing to end
            self._response.shutdown()

    def close(self) -> None:
        """Keep the connection for the next file if this one was read to its end."""
        left = self._response.length_remaining
        if left == 0:
            self._response.release_conn()
        else:
            self._response.close()
        self._on_close(self)


@dataclass(eq=False)
class FileBody:
    """A file of this machine."""

    offset: int
    total: int | None
    validator: str
    _descriptor: int

    @classmethod
    def open(cls, path: Path, offset: int) -> FileBody:
        """Open `path` at `offset`, or at its start where it is shorter."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            status = os.fstat(descriptor)
            offset = os.lseek(descriptor, offset if offset <= status.st_size else 0, os.SEEK_SET)
        except OSError as error:
            raise AddressFault(error.strerror or str(error)) from error
        return cls(offset, status.st_size, f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}", descriptor)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._read():
            yield chunk

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK)
        except OSError as error:
            raise AddressFault(error.strerror or str(error)) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def trusted_authorities() -> ssl.SSLContext:
    """Return the authorities of this machine, or those that the environment names.

    Raises
    ------
    FetchError
        The bundle that the environment names cannot be read.
    """
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    default = ssl.get_default_verify_paths()  # knows SSL_CERT_FILE and SSL_CERT_DIR
    if not named and not default.cafile and not default.capath:
        named = next((bundle for bundle in _BUNDLES if Path(bundle).is_file()), None)
    try:
        if named and Path(named).is_dir():
            return ssl.create_default_context(capath=named)
        return ssl.create_default_context(cafile=named)
    except OSError as error:
        raise FetchError(
            "cannot read the certificates of the authorities to trust",
            expected=f"{named} to be a file of certificates in PEM form",
            found=str(error),
            fix="Set REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE to such a file, or unset them.",
        ) from error


def _body_of(
    response: urllib3.BaseHTTPResponse, offset: int, network: Network, on_close: Callable[[HttpBody], None]
) -> HttpBody:
    headers, status = response.headers, response.status
    encoding = headers.get("Content-Encoding", "identity")
    if status == 416:
        raise RangeFault("the file became shorter there")
    if status not in (200, 206):
        wait = _wait_asked(headers.get("Retry-After"))
        raise AddressFault(f"HTTP {status} {response.reason or ''}".rstrip(), passing=status in _PASSING, wait_s=wait)
    if encoding != "identity":
        raise AddressFault(f"sends the file in the encoding {encoding}, which was not asked for")
    length = headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    first = 0
    if status == 206:
        match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if match is None or int(match[1]) != offset:
            raise RangeFault(f"answers a request for a range with {headers.get('Content-Range')!r}")
        first, total = offset, None if match[2] == "*" else int(match[2])
    return HttpBody(first, total, _validator(headers), response, network, on_close)


def _validator(headers: urllib3.HTTPHeaderDict) -> str:
    """Return the strong ETag or the date of a response: RFC 9110, section 13.1.5, on If-Range."""
    etag: str = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _wait_asked(value: str | None) -> float | None:
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _redirected(url: str, target: str, seen: list[str]) -> str:
    found = urljoin(url, target)
    if found in seen or len(seen) > _REDIRECTS:
        raise AddressFault(f"redirects in a loop: {' → '.join(map(without_secrets, [*seen[-3:], found]))}")
    scheme = urlsplit(found).scheme
    if scheme not in ("http", "https") or (urlsplit(url).scheme, scheme) == ("https", "http"):
        raise AddressFault(f"redirects to {without_secrets(found)}, which is not https")
    seen.append(found)
    return found


def _credentials(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    return urllib3.make_headers(basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")


def _proxy_for(url: str) -> str:
    parts, proxies = urlsplit(url), getproxies_environment()
    # The usual rule for NO_PROXY: names, their endings, and "*".
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def _make_pool(proxy: str, trust: ssl.SSLContext, size: int) -> urllib3.PoolManager:
    if not proxy:
        return urllib3.PoolManager(maxsize=size, ssl_context=trust)
    address = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(address)
    headers = None
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=login)
    try:
        return urllib3.ProxyManager(
            address, maxsize=size, ssl_context=trust, proxy_ssl_context=trust, proxy_headers=headers
        )
    except (HTTPError, ValueError) as error:
        raise FetchError(
            "cannot use the proxy that the environment names",
            expected="an address like http://proxy:3128",
            found=f"{without_secrets(address)} ({error})",
            fix="Correct or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; SOCKS proxies are not supported.",
        ) from error


def _fault_of(error: Exception, network: Network) -> AddressFault:
    """Say in words why no connection came about or held."""
    if certificate := _cause(error, ssl.SSLCertVerificationError):
        return AddressFault(
            f"its certificate does not verify: {certificate.verify_message}; "
            "where a site has an authority of its own, SSL_CERT_FILE names its certificate"
        )
    if isinstance(error, LocationParseError) or (isinstance(error, ValueError) and not isinstance(error, HTTPError)):
        return AddressFault(f"not an address: {error}")
    if isinstance(error, ReadTimeoutError):
        return AddressFault(f"stalled: no byte came in {network.read_timeout_s:g} s", passing=True)
    if (unresolved := _cause(error, socket.gaierror)) is not None:
        passing = unresolved.errno != socket.EAI_NONAME
        return AddressFault(f"the host's name cannot be resolved: {unresolved.strerror}", passing=passing)
    kind = "the proxy: " if isinstance(error, ProxyError) else "TLS: " if isinstance(error, Urllib3SSLError) else ""
    system = _cause(error, OSError)
    if system is not None and system.errno in errno.errorcode and system.strerror:
        return AddressFault(kind + system.strerror.lower(), passing=True)
    return AddressFault(kind + _plain(str(error)), passing=True)


def _cause(error: BaseException, wanted: type[_Error]) -> _Error | None:
    """Return the first `wanted` among an error, its arguments and its causes."""
    pending: list[BaseException] = [error]
    seen: list[BaseException] = []
    while pending:
        found = pending.pop()
        if isinstance(found, wanted):
            return found
        seen.append(found)
        linked = (*found.args, getattr(found, "reason", None), found.__cause__, found.__context__)
        pending += [other for other in linked if isinstance(other, BaseException) and other not in seen]
    return None


def _plain(text: str) -> str:
    # urllib3 puts the connection's repr before the reason.
    return re.sub(r"^\S*(Connection|Pool)\S*\([^)]*\): ", "", text)
