"""The plots of a report, each of one kind of figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.report.html.axis import Axis, around, for_latencies, from_zero
from pytest_mlperf.report.html.plot import Line, Mark, Plot, Rule, X, Y, path
from pytest_mlperf.report.peak import curve
from pytest_mlperf.report.row import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.run.probe import Probe

#: The height of a line of text.
_LINE = 12.0
SMALL_WIDTH, SMALL_HEIGHT = 150, 128
_SMALL_X, _SMALL_Y = (22.0, 144.0), (108.0, 8.0)


def latencies(
    quantiles: Sequence[float], of: str, count: int, logged: dict[str, float], bound: float | None = None
) -> Plot:
    """Return the distribution of latencies.

    Parameters
    ----------
    quantiles
        101 latencies in ms.
    of, count
        Whose they are, and how many.
    logged
        LoadGen's percentiles in ms, by name: ``p90``.
    bound
        The bound of the scenario in ms, if it has one.
    """
    x = Axis(0, 100, *X)
    shown = [*quantiles, *logged.values(), *([bound] if bound is not None else [])]
    y = for_latencies(shown, *Y)
    told = ", ".join(f"{name} {number(value)} ms" for name, value in logged.items())
    return Plot(
        title="Latency distribution",
        alt=(
            f"Of {count:,} {of}, the shortest latency is {number(quantiles[0])} ms, half are within "
            f"{number(quantiles[50])} ms, 90 percent within {number(quantiles[90])} ms, 99 percent within "
            f"{number(quantiles[99])} ms, and the longest is {number(quantiles[100])} ms. LoadGen logged {told}."
        ),
        x_label=f"percent of {of}",
        y_label="ms" + (", logarithmic" if y.logarithmic else ""),
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        lines=[Line(path((x.at(place), y.at(value)) for place, value in enumerate(quantiles)), "line")],
        marks=_labelled(
            [(x.at(float(name[1:])), y.at(value), f"{name} {number(value)}") for name, value in logged.items()]
        ),
        rules=[Rule(y.at(bound), f"bound {number(bound)} ms")] if bound is not None else [],
    )


def _labelled(points: Iterable[tuple[float, float, str]]) -> list[Mark]:
    """Return points with their words, the highest point's above it, and none on another one's line."""
    marks: list[Mark] = []
    free = _LINE - 2.0
    for x, y, text in sorted(points, key=lambda point: point[1]):
        free = max(y - 6, free)
        marks.append(Mark(x, y, text, free))
        free += _LINE
    return marks


def latencies_over_time(bin_seconds: float, p50: Sequence[float | None], p99: Sequence[float | None]) -> Plot:
    """Return the median and the 99th percentile of the latencies in each bin of a run."""
    both = [value for value in (*p50, *p99) if value is not None]
    x = Axis(0, bin_seconds * len(p50), *X)
    y = for_latencies(both, *Y)

    def line(values: Sequence[float | None]) -> str:
        middle = ((place + 0.5) * bin_seconds for place in range(len(values)))
        return path(
            None if value is None else (x.at(at), y.at(value)) for at, value in zip(middle, values, strict=True)
        )

    medians = [value for value in p50 if value is not None]
    return Plot(
        title="Latency over time",
        alt=(
            f"In {len(p50)} bins of {number(bin_seconds)} s each, the median latency is between {number(min(medians))} "
            f"and {number(max(medians))} ms; the longest 99th percentile of a bin is {number(max(both))} ms."
        ),
        x_label="seconds since the first query",
        y_label="ms" + (", logarithmic" if y.logarithmic else ""),
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        lines=[Line(line(p99), "second", "99th percentile"), Line(line(p50), "line", "median")],
    )


def peak(probes: Sequence[Probe], bound: float | None) -> Plot:
    """Return the latency of a Server case by its rate, as the probes found it that looked for its peak.

    Parameters
    ----------
    probes
        The probes, some with latencies; the last one is the run at the chosen rate.
    bound
        The latency bound in ms, if queries have one.
    """
    places, chosen = curve(probes), probes[-1]
    known = [probe for probe in probes if "p99" in probe.latency_ms]
    p99 = [probe.latency_ms["p99"] for probe in known]
    x = around([probe.rate for probe in known], *X)
    y = for_latencies([*p99, *(place.p50 for place in places), *([] if bound is None else [bound])], *Y)
    dots = [Mark(x.at(probe.rate), y.at(probe.latency_ms["p99"])) for probe in known]
    if chosen.latency_ms:
        # Above all dots, which the word would cover.
        dots[-1] = dots[-1]._replace(text=number(chosen.rate), text_y=max(_LINE - 2, min(dot.y for dot in dots) - 6))
    return Plot(
        title="Latency by rate",
        alt=(
            f"{len(probes)} runs at {number(min(probe.rate for probe in probes))} to "
            f"{number(max(probe.rate for probe in probes))} queries/s, of which "
            f"{sum(probe.verdict != 'VALID' for probe in probes)} had too many late queries. The 99th percentile was "
            + ", ".join(f"{number(place.p99)} ms at {number(place.rate)}" for place in places)
            + f" queries/s. The chosen rate is {number(chosen.rate)} queries/s."
        ),
        x_label="queries/s offered",
        y_label="ms" + (", logarithmic" if y.logarithmic else ""),
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        lines=[
            Line(path((x.at(place.rate), y.at(place.p99)) for place in places), "second", "99th percentile"),
            Line(path((x.at(place.rate), y.at(place.p50)) for place in places), "line", "median"),
        ],
        marks=dots,
        rules=[Rule(y.at(bound), f"bound {number(bound)} ms")] if bound is not None else [],
    )


def throughput(bin_seconds: float, completed: Sequence[int]) -> Plot:
    """Return the samples per second in each bin of a run."""
    rates = [count / bin_seconds for count in completed]
    x = Axis(0, bin_seconds * len(rates), *X)
    y = from_zero(rates, *Y)
    steps = [
        (x.at(edge), y.at(rate))
        for place, rate in enumerate(rates)
        for edge in (place * bin_seconds, (place + 1) * bin_seconds)
    ]
    base = y.at(0)
    mean = sum(completed) / (bin_seconds * len(completed))
    return Plot(
        title="Throughput over time",
        alt=(
            f"In {len(rates)} bins of {number(bin_seconds)} s each, between {number(min(rates))} and "
            f"{number(max(rates))} samples were answered per second, {number(mean)} in the mean."
        ),
        x_label="seconds since the first query",
        y_label="samples/s",
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        lines=[Line(path([(steps[0][0], base), *steps, (steps[-1][0], base)]), "area"), Line(path(steps), "line")],
    )


def precision_recall(name: str, iou50: Sequence[float], iou75: Sequence[float], ap: float, objects: int) -> Plot:
    """Return a small plot of a category's precision at each recall, at two thresholds of the IoU."""
    x, y = Axis(0, 1, *_SMALL_X), Axis(0, 1, *_SMALL_Y)

    def line(precision: Sequence[float]) -> str:
        # Every second recall is as good as all of them at this size.
        return path((x.at(place / 100), y.at(precision[place])) for place in range(0, 101, 2))

    return Plot(
        title=f"{name}",
        alt=(
            f"Category {name}: AP {100 * ap:.1f} percent of {objects:,} objects. At an IoU of 0.5 the precision is "
            f"{iou50[50]:.2f} at a recall of 0.5 and {iou50[90]:.2f} at 0.9; at an IoU of 0.75, {iou75[50]:.2f} and "
            f"{iou75[90]:.2f}."
        ),
        x_label="",
        y_label="",
        x_ticks=x.ticks(2),
        y_ticks=y.ticks(2),
        lines=[Line(line(iou75), "second"), Line(line(iou50), "line")],
        width=SMALL_WIDTH,
        height=SMALL_HEIGHT,
        left=_SMALL_X[0],
        right=_SMALL_X[1],
        top=_SMALL_Y[1],
        bottom=_SMALL_Y[0],
    )


def scores(edges: Sequence[float], counts: Sequence[int], label: str) -> Plot:
    """Return a histogram of the scores of samples."""
    x = Axis(edges[0], edges[-1] if edges[-1] > edges[0] else edges[0] + 1, *X)
    y = from_zero([float(count) for count in counts], *Y)
    base = y.at(0)
    bars = "".join(
        f"M{x.at(low):g} {base:g}V{y.at(count):g}H{x.at(high) - 1:g}V{base:g}Z"
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
        if count
    )
    total = sum(counts)
    best = counts[-1] / total if total else 0
    return Plot(
        title="Scores of the samples",
        alt=(
            f"{total:,} scores from {number(edges[0])} to {number(edges[-1])}; {best:.0%} of them are in the highest "
            f"of {len(counts)} bins."
        ),
        x_label=label,
        y_label="samples",
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        lines=[Line(bars, "bars")],
    )


def history(values: Sequence[float], label: str) -> Plot:
    """Return a figure of a case over its runs, the last one marked."""
    x = Axis(0, max(1, len(values) - 1), *X)
    y = around(values, *Y)
    points = [(x.at(place), y.at(value)) for place, value in enumerate(values)]
    # Above the last points, which the word would cover.
    last = Mark(*points[-1], number(values[-1]), min(height for _, height in points[-8:]) - 7)
    return Plot(
        title=label,
        alt=(
            f"{len(values)} runs, the oldest first: from {number(values[0])} to {number(values[-1])}; the least is "
            f"{number(min(values))}, the most {number(max(values))}."
        ),
        x_label="runs, the oldest first",
        y_label="",
        x_ticks=[],
        y_ticks=y.ticks(),
        lines=[Line(path(points), "line")],
        marks=[*(Mark(*point) for point in points[:-1]), last],
    )
