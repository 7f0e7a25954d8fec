"""What an implementation may tell of a performance test besides LoadGen's logs: its latencies, and how it went."""

from __future__ import annotations

import msgspec


class LatencySketch(msgspec.Struct, frozen=True, kw_only=True):
    """The distribution of the latencies of a performance test.

    They are measured by the SUT, from the moment when it gets a query to the moment when it hands over the answer.
    LoadGen's own, whose percentiles are in `Performance`, are longer by its way to the SUT and back; in Server they
    begin when the query was due.

    Attributes
    ----------
    of
        Whether it is ``queries`` or their ``samples``.
    count
        How many latencies it is made from.
    quantiles_ms
        101 latencies in ms: the shortest, the percentiles 1 to 99, and the longest.
    """

    of: str
    count: int
    quantiles_ms: tuple[float, ...]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """How a performance test went, in bins of equal length from its first query to its last answer.

    Attributes
    ----------
    bin_seconds
        The length of a bin.
    completed
        The samples that were answered in each bin.
    p50_ms, p99_ms
        The median and the 99th percentile of the latencies that ended in each bin, None where none did. Both are empty
        in Offline.
    """

    bin_seconds: float
    completed: tuple[int, ...]
    p50_ms: tuple[float | None, ...] = ()
    p99_ms: tuple[float | None, ...] = ()
