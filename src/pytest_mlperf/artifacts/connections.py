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
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, IncompleteRead, LocationParseError, ProxyError, ReadTimeoutError, SSLError

from pytest_mlperf.artifacts.sources import is_local, local_path
from pytest_mlperf.errors import FetchError
from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_mlperf.artifacts.sources import Network

_Error = TypeVar("_Error", bound=BaseException)

_CHUNK = 1 << 18
_REDIRECTS = 10
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "pytest-mlperf"}
#: Answers that may be others in a moment: RFC 9110, section 15, and 429 of RFC 6585.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
#: What urllib3 raises for an address or a connection; a part of it is not wrapped.
_FAULTS = (HTTPError, HTTPException, OSError, ValueError)
#: Where distributions keep CA certificates; a Python that was built elsewhere may look in vain at its own place.
_CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class AddressFault(Exception):  # noqa: N818 - it becomes a line of an error
    """An address does not give the file, for a `reason` in words.

    Another attempt may help where that is `passing`, after `wait_s` where the server asks for it. Where it is `stale`,
    what is here is no part of what the address has now.
    """

    def __init__(self, reason: str, *, passing: bool = False, wait_s: float | None = None, stale: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.stale = reason, stale
        self.passing, self.wait_s = passing or stale, 0 if stale else wait_s


class Stopped(Exception):  # noqa: N818 - no fault
    """The transfer was ended because another one failed or the user has interrupted."""


@dataclass(frozen=True, eq=False)
class Body:
    """An opened file: its `chunks` from an `offset` on, which raise AddressFault or Stopped.

    `total` is the size of the whole file in bytes, None where the server does not say. `validator` names this version
    of the file, "" where nothing does.
    """

    offset: int
    total: int | None
    validator: str
    chunks: Iterator[bytes]
    close: Callable[[], None]


class Client:
    """Opens addresses, from any thread, until it is stopped or closed."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._lock = threading.Lock()
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._open: set[urllib3.BaseHTTPResponse] = set()
        self._stopped = threading.Event()

    def close(self) -> None:
        """Stop, and close all connections."""
        self.stop()
        for pool in self._pools.values():
            pool.clear()

    def open(self, address: str, offset: int = 0, validator: str = "") -> Body:
        """Open a file, if possible at `offset`, if it is still the version that `validator` names.

        Raises AddressFault where it cannot be had, and FetchError where the settings of the network itself are wrong.
        """
        self.check()
        if is_local(address):
            return _open_file(local_path(address), offset)
        response = self._follow(address, offset, validator)
        try:
            first, total = _extent(response, offset)
        except BaseException:
            response.close()
            raise
        with self._lock:
            self._open.add(response)
        # A strong ETag or the date: RFC 9110, section 13.1.5, on If-Range.
        etag, date = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        chunks = self._read(response, total)
        return Body(first, total, etag if etag.startswith('"') else date, chunks, lambda: self._close(response))

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
            responses = list(self._open)
        for response in responses:
            with suppress(Exception):  # between two reads there is nothing to end
                response.shutdown()

    def _follow(self, address: str, offset: int, validator: str) -> urllib3.BaseHTTPResponse:
        """Follow redirects: urllib3 would go from https to http, and to the next host by the first one's proxy."""
        ranges = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and validator:
            ranges["If-Range"] = validator
        seen = [address]
        try:
            while True:
                headers = _HEADERS | ranges | urllib3.make_headers(basic_auth=_login(seen[-1]))
                pool = self._pool(seen[-1])
                response = pool.request("GET", seen[-1], headers=headers, redirect=False, preload_content=False)
                target = response.get_redirect_location()
                if not target:
                    return response
                response.close()  # its body may have no end
                seen.append(_redirected(seen, target))
        except _FAULTS as error:
            self.check()
            raise _fault_of(error, self.network) from error

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts, proxies = urlsplit(url), getproxies_environment()
        # proxy_bypass has the usual rule for NO_PROXY: names, their endings, and "*".
        direct = proxy_bypass(parts.netloc.rpartition("@")[2])
        proxy = "" if direct else proxies.get(parts.scheme) or proxies.get("all") or ""
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = _make_pool(proxy, self.network)
            return self._pools[proxy]

    def _read(self, response: urllib3.BaseHTTPResponse, total: int | None) -> Iterator[bytes]:
        network, since, received = self.network, time.monotonic(), 0
        while True:
            try:
                chunk = response.read1(_CHUNK)
            except _FAULTS as error:
                self.check()
                if total is not None and _cause(error, IncompleteRead):
                    return  # whoever counts the bytes can say it better
                raise _fault_of(error, network) from error
            self.check()
            if not chunk:
                return
            yield chunk
            received += len(chunk)
            seconds = time.monotonic() - since
            if seconds > network.read_timeout_s:
                if received < network.slowest_bytes_s * seconds:
                    raise AddressFault(f"stalled: {received:,} bytes came in {seconds:.0f} s", passing=True)
                since, received = time.monotonic(), 0

    def _close(self, response: urllib3.BaseHTTPResponse) -> None:
        """Keep the connection for the next file if this one was read to its end."""
        if response.length_remaining == 0:
            response.release_conn()
        else:
            response.close()
        with self._lock:
            self._open.discard(response)


def _redirected(seen: list[str], target: str) -> str:
    url = urljoin(seen[-1], target)
    schemes = (urlsplit(seen[-1]).scheme, urlsplit(url).scheme)
    if url in seen or len(seen) > _REDIRECTS:
        raise AddressFault(f"redirects in a loop: {' → '.join(map(without_secrets, [*seen[-3:], url]))}")
    if schemes not in (("http", "http"), ("http", "https"), ("https", "https")):
        raise AddressFault(f"redirects to {without_secrets(url)}, which is not https")
    return url


def _open_file(path: Path, offset: int) -> Body:
    """Open `path` at `offset`, or at its start where it is shorter."""
    try:
        file = path.open("rb", buffering=0)
        status = os.fstat(file.fileno())
        offset = file.seek(offset if offset <= status.st_size else 0)
    except OSError as error:
        raise AddressFault(error.strerror or str(error)) from error

    def chunks() -> Iterator[bytes]:
        try:
            while chunk := file.read(_CHUNK):
                yield chunk
        except OSError as error:
            raise AddressFault(error.strerror or str(error)) from error

    version = f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"
    return Body(offset, status.st_size, version, chunks(), file.close)


def _extent(response: urllib3.BaseHTTPResponse, offset: int) -> tuple[int, int | None]:
    """Return the offset of the first byte that comes, and the size of the whole file where it is known."""
    headers, status = response.headers, response.status
    if status == 416:
        raise AddressFault("the file became shorter there", stale=True)
    if status not in (200, 206):
        wait = _wait_asked(headers.get("Retry-After", ""))
        raise AddressFault(f"HTTP {status} {response.reason or ''}".rstrip(), passing=status in _PASSING, wait_s=wait)
    if (encoding := headers.get("Content-Encoding", "identity")) != "identity":
        raise AddressFault(f"sends the file in the encoding {encoding}, which was not asked for")
    if status == 200:
        length = headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None or int(match[1]) != offset:
        raise AddressFault(f"answers a request for a range with {headers.get('Content-Range')!r}", stale=True)
    return offset, None if match[2] == "*" else int(match[2])


def _wait_asked(value: str) -> float | None:
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _login(url: str) -> str | None:
    parts = urlsplit(url)
    return None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"


def _make_pool(proxy: str, network: Network) -> urllib3.PoolManager:
    trust, timeout = _ca_certificates(), urllib3.Timeout(connect=network.connect_timeout_s, read=network.read_timeout_s)
    common: Any = {"maxsize": network.parallel, "ssl_context": trust, "timeout": timeout, "retries": False}
    if not proxy:
        return urllib3.PoolManager(**common)
    address = proxy if "://" in proxy else f"http://{proxy}"
    login = urllib3.make_headers(proxy_basic_auth=_login(address))
    try:
        return urllib3.ProxyManager(address, proxy_ssl_context=trust, proxy_headers=login, **common)
    except (HTTPError, ValueError) as error:
        expected, found = "an address like http://proxy:3128", f"{without_secrets(address)} ({error})"
        fix = "correct or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; SOCKS proxies are not supported"
        what = "cannot use the proxy that the environment names"
        raise FetchError(what, expected=expected, found=found, fix=fix) from error


def _ca_certificates() -> ssl.SSLContext:
    """Return what trusts the CA certificates of this machine, or those that the environment names."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    default = ssl.get_default_verify_paths()  # knows SSL_CERT_FILE and SSL_CERT_DIR
    if not named and not default.cafile and not default.capath:
        named = next((file for file in _CA_FILES if Path(file).is_file()), None)
    try:
        directory = named if named and Path(named).is_dir() else None
        return ssl.create_default_context(cafile=None if directory else named, capath=directory)
    except OSError as error:
        expected = f"certificates in PEM form in {named}"
        fix = "set REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE to such a file, or unset them"
        raise FetchError("cannot read the CA certificates", expected=expected, found=str(error), fix=fix) from error


def _fault_of(error: Exception, network: Network) -> AddressFault:
    """Say in words why no connection came about or held."""
    if certificate := _cause(error, ssl.SSLCertVerificationError):
        return AddressFault(
            f"its certificate does not verify: {certificate.verify_message}; "
            "where a site has a CA of its own, SSL_CERT_FILE names its certificate"
        )
    if isinstance(error, LocationParseError) or (isinstance(error, ValueError) and not isinstance(error, HTTPError)):
        return AddressFault(f"not an address: {error}")
    if isinstance(error, ReadTimeoutError):
        return AddressFault(f"stalled: no byte came in {network.read_timeout_s:g} s", passing=True)
    if unresolved := _cause(error, socket.gaierror):
        passing = unresolved.errno != socket.EAI_NONAME
        return AddressFault(f"the host's name cannot be resolved: {unresolved.strerror}", passing=passing)
    kind = "the proxy: " if isinstance(error, ProxyError) else "TLS: " if isinstance(error, SSLError) else ""
    system = _cause(error, OSError)
    if system is not None and system.errno in errno.errorcode and system.strerror:
        return AddressFault(kind + system.strerror.lower(), passing=True)
    # urllib3 puts the connection's repr before the reason.
    return AddressFault(kind + re.sub(r"^\S*(Connection|Pool)\S*\([^)]*\): ", "", str(error)), passing=True)


def _cause(error: BaseException | None, wanted: type[_Error]) -> _Error | None:
    """Return the first `wanted` among an error and what it was raised from."""
    while error is not None and not isinstance(error, wanted):
        error = error.__cause__ or error.__context__
    return error
