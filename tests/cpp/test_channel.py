"""Messages arrive as they were sent."""

from __future__ import annotations

import math
import socket

import pytest

from pytest_mlperf.cpp.channel import Channel


def test_messages_arrive_as_they_were_sent() -> None:
    mine, its = socket.socketpair()
    with mine, its:
        Channel(mine).send(["a\nb", "", 12, 0.1, math.inf, "ü", "x" * 100_000])
        Channel(mine).send([])
        assert Channel(its).receive() == ["a\nb", "", "12", "0.1", "inf", "ü", "x" * 100_000]
        assert Channel(its).receive() == []


def test_an_end_in_the_middle_is_the_end() -> None:
    mine, its = socket.socketpair()
    with its:
        mine.sendall(b"\x02\0\0\0\x05\0\0\0ab")
        mine.close()
        with pytest.raises(EOFError):
            Channel(its).receive()
