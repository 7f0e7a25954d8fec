"""An event loop in a thread of its own, which other threads give coroutines to."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

R = TypeVar("R")


class EventLoop:
    """Runs coroutines, many at once, in one thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._new: list[Coroutine[Any, Any, None]] = []
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Start a coroutine, which must not raise, without waiting for it."""
        if threading.current_thread() is self._thread:
            self._create(coroutine)
            return
        with self._lock:
            self._new.append(coroutine)
            wakes = len(self._new) == 1  # a system call, once for all that are not taken yet
        if wakes:
            self._loop.call_soon_threadsafe(self._take)

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine to its end, and return its result or raise its exception."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _take(self) -> None:
        with self._lock:
            new, self._new = self._new, []
        for coroutine in new:
            self._create(coroutine)

    def _create(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._tasks.discard)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
