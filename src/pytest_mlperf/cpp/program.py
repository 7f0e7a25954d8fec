"""Starts the C++ program and talks with it; an error of the program is raised here."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf import errors
from pytest_mlperf.cpp.channel import Channel
from pytest_mlperf.errors import MLPerfError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.backends.model_file import Graph, Tensor
    from pytest_mlperf.cpp.sample_file import SampleFile

Word = str | int | float


@dataclass(frozen=True)
class Setup:
    """What the program needs to know before anything else.

    Attributes
    ----------
    library
        The runtime's shared library.
    model, device, options
        The model's file, the device, and the user's options for the runtime.
    graph
        The inputs and outputs.
    answers
        The encoding of answers, see `pytest_mlperf.cpp.answers`.
    """

    library: Path
    model: Path
    device: str
    options: Mapping[str, str]
    graph: Graph
    answers: tuple[str, ...]

    def words(self, samples: SampleFile) -> Iterator[Word]:
        """Yield the first message, as ``source/worker.cc`` reads it."""
        yield from (samples.descriptor, len(samples), str(self.library), str(self.model), self.device)
        yield len(self.options)
        for name, value in self.options.items():
            yield from (name, value)
        for tensors in (self.graph.inputs, self.graph.outputs):
            yield len(tensors)
            for tensor in tensors:
                yield from _tensor(tensor)
        yield from self.answers


def _tensor(tensor: Tensor) -> Iterator[Word]:
    yield from (tensor.in_file, tensor.dtype, len(tensor.shape))
    yield from (-1 if length is None else length for length in tensor.shape)


class Program:
    """The running program.

    Parameters
    ----------
    executable
        Its file.
    setup, samples
        What it needs to know, and the samples, which it asks for while it answers a request.
    """

    def __init__(self, executable: str, setup: Setup, samples: SampleFile) -> None:
        self._samples = samples
        mine, its = socket.socketpair()
        with its:
            # Its standard input is a pipe that closes when this process ends, however it does.
            self._process = subprocess.Popen(
                [executable, str(its.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=(its.fileno(), samples.descriptor),
            )
        self._channel = Channel(mine)
        self._ask(setup.words(samples))

    def request(self, what: str, *words: Word) -> Sequence[str]:
        """Ask for something, provide the samples that it takes, and return the reply.

        Raises
        ------
        MLPerfError
            The fault is one of those that a user can do something about.
        RuntimeError
            Any other fault.
        """
        return self._ask((what, *words))

    def close(self) -> None:
        """Let the program end, and wait for it."""
        self._channel.close()
        self._process.wait()

    def _ask(self, words: Iterator[Word] | Sequence[Word]) -> Sequence[str]:
        self._send(words)
        while True:
            what, *rest = self._receive()
            if what == "done":
                return rest
            if what == "fault":
                raise _error(*rest)
            self._send(self._provide(what, rest))

    def _send(self, words: Iterator[Word] | Sequence[Word]) -> None:
        with suppress(OSError):  # it has ended: what it said before is received next
            self._channel.send(words)

    def _receive(self) -> Sequence[str]:
        try:
            return self._channel.receive()
        except (EOFError, OSError) as error:
            raise self._ended() from error

    def _provide(self, what: str, words: Sequence[str]) -> Sequence[Word]:
        if what == "load":
            return self._samples.load([int(word) for word in words])
        self._samples.forget()
        return ()

    def _ended(self) -> RunError:
        """Return the error for a program that has ended; after a crash, end this process by the same signal."""
        code = self._process.wait()
        if code < 0:
            sys.stderr.flush()
            faulthandler.disable()  # the stacks of this process do not explain the crash
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        return RunError(
            "the C++ program ended before its test",
            expected="a test, or an error",
            found=f"exit code {code}",
            fix="see worker.log in the run's directory",
        )


def _error(kind: str, what: str, expected: str, found: str, fix: str) -> Exception:
    if kind == "MemoryError":
        return MemoryError(what)
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, MLPerfError):
        return known(what, expected=expected, found=found, fix=fix)
    return RuntimeError(what)
