"""A small HTTP/1.1 server on loopback: one thread, connections kept, answers that are slow, cut or broken if asked."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer: its body at once or in parts, each after some seconds.

    ``declared`` is a Content-Length that is not the body's; ``breaks`` resets the connection behind what was sent.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: Sequence[tuple[float, bytes]] = ()
    seconds: float = 0.0
    declared: int | None = None
    breaks: bool = False


Handler = Callable[[Request], Reply]


class Connection(asyncio.Protocol):
    def __init__(self, handler: Handler, tasks: set[asyncio.Task[None]]) -> None:
        self._handler = handler
        self._tasks = tasks
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, path, _ = first.split(" ")
        reply = self._handler(Request(method, path, headers, rest[:length]))
        if reply.seconds or reply.parts or reply.breaks:
            self._start(self._slowly(reply))
        else:
            self._transport.write(_head(reply) + reply.body)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _slowly(self, reply: Reply) -> None:
        await asyncio.sleep(reply.seconds)
        self._transport.write(_head(reply) + (b"" if reply.parts else reply.body))
        for seconds, part in reply.parts:
            await asyncio.sleep(seconds)
            self._transport.write(b"%x\r\n%b\r\n" % (len(part), part))
        if reply.breaks:
            await asyncio.sleep(0.05)
            self._transport.abort()
        elif reply.parts:
            self._transport.write(b"0\r\n\r\n")


def _head(reply: Reply) -> bytes:
    length = len(reply.body) if reply.declared is None else reply.declared
    size = "Transfer-Encoding: chunked" if reply.parts else f"Content-Length: {length}"
    lines = [f"HTTP/1.1 {reply.status} Said", size, *(f"{name}: {value}" for name, value in reply.headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """Serve in a thread; gives ``http://127.0.0.1:PORT``."""
    loop, tasks = asyncio.new_event_loop(), set[asyncio.Task[None]]()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await loop.create_server(lambda: Connection(handler, tasks), "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def serve_forever(handler: Handler) -> None:
    """Serve in this process; prints the address."""
    with serving(handler) as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        threading.Event().wait()
