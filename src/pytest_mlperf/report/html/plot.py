"""A plot as the shapes of an SVG; a template draws it, and colours come from the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.report.html.axis import Tick

WIDTH, HEIGHT = 380, 216
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 14, 28, 40
#: The left and the right end of the x axis, the lower and the upper one of the y axis.
X = (float(_LEFT), float(WIDTH - _RIGHT))
Y = (float(HEIGHT - _BOTTOM), float(_TOP))


class Line(NamedTuple):
    """A line of a plot: its path, how it is drawn (a class of the style sheet), and its name in the legend."""

    path: str
    kind: str
    name: str = ""


class Mark(NamedTuple):
    """A point, and a word left of it whose line is at `text_y`."""

    x: float
    y: float
    text: str = ""
    text_y: float = 0.0


class Rule(NamedTuple):
    """A horizontal line through the plot, with a word on it."""

    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot.

    Attributes
    ----------
    title
        What it shows.
    alt
        The same in words, for those who do not see it.
    x_label, y_label
        What the axes are, with units.
    x_ticks, y_ticks, lines, marks, rules
        What is drawn.
    note
        What the reader should know of it; may be empty.
    """

    title: str
    alt: str
    x_label: str
    y_label: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    lines: Sequence[Line]
    marks: Sequence[Mark] = ()
    rules: Sequence[Rule] = ()
    note: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    left: float = X[0]
    right: float = X[1]
    top: float = Y[1]
    bottom: float = Y[0]

    @property
    def legend(self) -> list[Line]:
        """The lines that have a name."""
        return [line for line in self.lines if line.name]


def path(points: Iterable[tuple[float, float] | None]) -> str:
    """Return the path through points; None begins a new part."""
    parts: list[str] = []
    command = "M"
    for point in points:
        if point is None:
            command = "M"
            continue
        parts.append(f"{command}{point[0]:g} {point[1]:g}")
        command = "L"
    return "".join(parts)
