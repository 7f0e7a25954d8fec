"""A real HTTP server on loopback with the faults of real ones, for the tests of fetching."""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.sources import Network

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Fault = Callable[["Handler", bytes], None]

#: Waits short enough for tests, and long enough for a busy machine.
QUICK = Network(connect_timeout_s=5, read_timeout_s=5, attempts=3, backoff_s=0.01, backoff_limit_s=0.05)
_PIECE = 1 << 16


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]


@dataclass
class Web:
    """What the server has, does wrong, and was asked for.

    Attributes
    ----------
    files
        Content by path.
    faults
        By path, what goes wrong at the next requests, one each; afterwards all is well.
    always
        By path, what goes wrong at each request.
    ranges
        Whether it heeds Range; whether it heeds If-Range is `heeds_if_range`.
    named
        Whether it names versions by an ETag.
    piece_s
        Seconds between two pieces of 64 KiB.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    always: dict[str, Fault] = field(default_factory=dict)
    ranges: bool = True
    heeds_if_range: bool = True
    named: bool = True
    piece_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    sent: int = 0
    most_at_once: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def serve(self, trust: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
        server = _Server(("127.0.0.1", 0), Handler)
        server.web = self
        if trust is not None:
            server.socket = trust.wrap_socket(server.socket, server_side=True)
        self.url = f"{'https' if trust else 'http'}://localhost:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def enter(self, by: int) -> None:
        with self._lock:
            self.busy += by
            self.most_at_once = max(self.most_at_once, self.busy)

    def count(self, size: int) -> None:
        with self._lock:
            self.sent += size


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    web: Web

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    @property
    def web(self) -> Web:
        return self.server.web

    def do_GET(self) -> None:
        self.web.requests.append(Request(self.path, {name.title(): value for name, value in self.headers.items()}))
        content = self.web.files.get(self.path)
        fault = self.web.always.get(self.path)
        if self.web.faults[self.path]:
            fault = self.web.faults[self.path].pop(0)
        self.web.enter(1)
        try:
            if fault is not None:
                fault(self, content or b"")
            elif content is None:
                status(404)(self, b"")
            else:
                self.send_content(content)
        finally:
            self.web.enter(-1)

    def send_content(self, content: bytes) -> None:
        etag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
        first = self.first_wanted(content, etag)
        if first and first >= len(content):
            status(416, {"Content-Range": f"bytes */{len(content)}"})(self, b"")
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.head(len(content) - first, {"ETag": etag} if self.web.named else {})
        self.send_body(content[first:])

    def first_wanted(self, content: bytes, etag: str) -> int:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = not self.web.heeds_if_range or self.headers.get("If-Range", etag) == etag
        return int(wanted[1]) if wanted and self.web.ranges and same else 0

    def head(self, length: int | None, headers: dict[str, str] | None = None) -> None:
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send_body(self, body: bytes) -> None:
        for start in range(0, len(body), _PIECE):
            piece = body[start : start + _PIECE]
            self.wfile.write(piece)
            self.web.count(len(piece))
            if self.web.piece_s:
                time.sleep(self.web.piece_s)

    def reset(self) -> None:
        """End the connection as a crashed machine does: what is on its way is lost."""
        self.wfile.flush()
        # SO_LINGER of 0 s: close sends RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The tests look at `Web.requests`."""


def status(code: int, headers: dict[str, str] | None = None) -> Fault:
    def answer(handler: Handler, content: bytes) -> None:
        handler.send_response(code)
        handler.head(0, headers)

    return answer


def redirect(to: str) -> Fault:
    return status(302, {"Location": to})


def cut_after(size: int, *, reset: bool = True) -> Fault:
    """Promise everything, send so much of what was asked for, and go away."""

    def answer(handler: Handler, content: bytes) -> None:
        etag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
        first = handler.first_wanted(content, etag)
        handler.send_response(206 if first else 200)
        if first:
            handler.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        handler.head(len(content) - first, {"ETag": etag} if handler.web.named else {})
        handler.send_body(content[first : first + size])
        if reset:
            time.sleep(0.05)  # a reset overtakes what the client has not read
            handler.reset()
        handler.close_connection = True

    return answer


def stall_after(size: int) -> Fault:
    def answer(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.head(len(content))
        handler.send_body(content[:size])
        handler.web.closing.wait(30)
        handler.close_connection = True

    return answer


def trickle(seconds: float) -> Fault:
    """Send a byte now and then, always in time for a time-out between two of them."""

    def answer(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.head(len(content))
        for number in range(len(content)):
            if handler.web.closing.wait(seconds):
                break
            handler.wfile.write(content[number : number + 1])
        handler.close_connection = True

    return answer


def chunked(*pieces: bytes) -> Fault:
    """Send pieces without saying how much it will be."""

    def answer(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.head(None, {"Transfer-Encoding": "chunked"})
        for piece in pieces:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def more_than_declared(extra: bytes) -> Fault:
    def answer(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.head(len(content))
        handler.wfile.write(content + extra)

    return answer


def declare(length: int) -> Fault:
    """Declare another length than the content has, and send as much."""

    def answer(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.head(length)
        handler.send_body(content[:length].ljust(length, b"."))

    return answer
