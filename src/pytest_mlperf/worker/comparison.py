"""Compares a graph's outputs with what they must be, and with those of a reference runtime."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Outputs
    from pytest_mlperf.backends.model_file import Graph

#: The largest difference of a value, as a part of the largest magnitude in its output. Measured on the tiny models:
#: float32 in another runtime differs by 1e-7 to 3e-5, bfloat16 by 2e-3 to 2e-2 (docs/conformance.md).
TOLERANCE = 5e-4
#: Equal scores round to either side: of integers, such as a class for each voxel, this part may be another. Below a
#: thousand of them all must be equal.
TIES = 1e-3
#: The part of all detections that only one side may have, because a score is at a threshold; one always may be.
UNPAIRED = 0.02


@dataclass(frozen=True)
class Difference:
    """What is wrong with an output: ``row`` is its place along the first dimension, if it is that of one value."""

    output: str
    expected: str
    found: str
    row: int | None = None


@dataclass
class Comparison:
    """How far outputs were from those of the reference, over several calls.

    Attributes
    ----------
    tolerance
        The largest relative difference; None to compare types and shapes only.
    outputs
        How many outputs were compared.
    largest
        The largest relative difference so far.
    rows, unpaired
        Of outputs without an order: how many rows both sides had, and how many had no counterpart.
    """

    tolerance: float | None = TOLERANCE
    outputs: int = 0
    largest: float = 0.0
    rows: int = 0
    unpaired: int = 0
    _unpaired_in: list[str] = field(default_factory=list)

    def differences(self, graph: Graph, found: Outputs, expected: Outputs) -> Iterator[Difference]:
        """Yield what differs in one call; `expected` are valid outputs of the same graph."""
        if graph.unordered:
            yield from self._unordered(graph, found, expected)
            return
        for tensor, value, wanted in zip(graph.outputs, found, expected, strict=False):
            self.outputs += 1
            if value.shape != wanted.shape:
                yield Difference(tensor.name, f"the shape {_shape(wanted)}", _shape(value))
            elif self.tolerance is not None:
                yield from self._values(tensor.name, value, wanted, self.tolerance)

    def lost(self) -> Difference | None:
        """Return the difference if more rows than `UNPAIRED` had no counterpart, over all calls."""
        if self.unpaired <= max(1, UNPAIRED * self.rows):
            return None
        allowed = max(1, int(UNPAIRED * self.rows))
        return Difference(
            ", ".join(self._unpaired_in),
            f"at most {allowed} of {self.rows:,} rows without a counterpart",
            f"{self.unpaired:,}",
        )

    def _values(self, name: str, found: NDArray[Any], expected: NDArray[Any], tolerance: float) -> Iterator[Difference]:
        if not found.size:
            return
        if expected.dtype.kind in "iub":
            other = np.flatnonzero(found.reshape(-1) != expected.reshape(-1))
            if len(other) > TIES * found.size:
                yield _at(name, found, expected, int(other[0]), f"{len(other):,} of {found.size:,} are others")
            return
        scale = magnitude(expected)
        same = found == expected  # both may be infinite
        apart = np.abs(np.subtract(found, expected, out=np.zeros(found.shape), where=~same, dtype=np.float64))
        relative = float(apart.max()) / scale
        self.largest = max(self.largest, relative)
        if relative > tolerance:
            words = f"a difference of {relative:.2g} of the largest magnitude, {scale:.4g}"
            yield _at(name, found, expected, int(apart.argmax()), words, f" within {tolerance:g} of it")

    def _unordered(self, graph: Graph, found: Outputs, expected: Outputs) -> Iterator[Difference]:
        self.outputs += len(graph.outputs)
        sides = [len(found[0]), len(expected[0])]
        for side, count in ((found, sides[0]), (expected, sides[1])):
            for tensor, value in zip(graph.outputs, side, strict=False):
                if len(value) != count:
                    yield Difference(tensor.name, f"{count} rows, as {graph.outputs[0].name}", f"{len(value)}")
                    return
        self.rows += max(sides)
        if self.tolerance is None:
            return
        apart = _distances(found, expected)
        pairs = list(_pairs(apart, self.tolerance))
        self.largest = max([self.largest, *(float(apart[pair]) for pair in pairs)])
        alone = max(sides) - len(pairs)
        if alone:
            self.unpaired += alone
            self._unpaired_in = [tensor.name for tensor in graph.outputs]


def invalid(graph: Graph, outputs: Sequence[Any], *, may_be_infinite: bool = False) -> Iterator[Difference]:
    """Yield how outputs differ from what the graph says of them: number, type, shape, and that values are finite."""
    if len(outputs) < len(graph.outputs):
        names = ", ".join(tensor.name for tensor in graph.outputs)
        yield Difference(names, f"{len(graph.outputs)} outputs", f"{len(outputs)}")
        return
    for tensor, value in zip(graph.outputs, outputs, strict=False):
        if not isinstance(value, np.ndarray):
            yield Difference(tensor.name, "an array of NumPy", type(value).__name__)
            continue
        if value.dtype.kind != np.dtype(tensor.dtype).kind:
            yield Difference(tensor.name, f"elements like {tensor.dtype}", str(value.dtype))
        shape = tensor.shape
        if value.ndim != len(shape) or any(w not in (None, n) for w, n in zip(shape, value.shape, strict=True)):
            wanted = ", ".join("n" if length is None else str(length) for length in shape)
            yield Difference(tensor.name, f"the shape ({wanted})", _shape(value))
        elif value.dtype.kind == "f" and not np.isfinite(value).all():
            bad = np.isnan(value) if may_be_infinite else ~np.isfinite(value)
            if bad.any():
                first = int(np.flatnonzero(bad.reshape(-1))[0])
                yield Difference(
                    tensor.name,
                    "finite values",
                    f"{value.reshape(-1)[first]} at {_place(value, first)}",
                    _row(value, first),
                )


def magnitude(values: NDArray[Any]) -> float:
    """Return the largest finite magnitude; 1 if there is none above 0."""
    finite = np.abs(values[np.isfinite(values)], dtype=np.float64)
    return float(finite.max(initial=0.0)) or 1.0


def _distances(found: Outputs, expected: Outputs) -> NDArray[np.float64]:
    """Return how far each row of `found` is from each of `expected`, relative; infinite if an integer differs."""
    apart = np.zeros((len(found[0]), len(expected[0])))
    if not apart.size:
        return apart
    for value, wanted in zip(found, expected, strict=False):
        ours, theirs = (side.reshape(len(side), -1)[:, None] for side in (value, wanted))
        gaps = np.abs(ours.astype(np.float64) - theirs.swapaxes(0, 1)).max(axis=2, initial=0.0)
        gaps = np.where(gaps == 0, 0.0, np.inf) if wanted.dtype.kind in "iub" else gaps / magnitude(wanted)
        np.maximum(apart, gaps, out=apart)
    return apart


def _pairs(apart: NDArray[np.float64], tolerance: float) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows within a distance, the nearest first; no row is in two of them."""
    rows, columns = np.nonzero(apart <= tolerance)
    taken_rows, taken_columns = set[int](), set[int]()
    for at in np.argsort(apart[rows, columns], kind="stable"):
        row, column = int(rows[at]), int(columns[at])
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            yield row, column


def _at(name: str, found: NDArray[Any], expected: NDArray[Any], place: int, words: str, within: str = "") -> Difference:
    want, have = expected.reshape(-1)[place], found.reshape(-1)[place]
    where = _place(found, place)
    return Difference(name, f"{want:.6g} at {where}{within}", f"{have:.6g}: {words}", _row(found, place))


def _place(value: NDArray[Any], flat: int) -> str:
    return "[" + ", ".join(str(int(each)) for each in np.unravel_index(flat, value.shape)) + "]"


def _row(value: NDArray[Any], flat: int) -> int | None:
    return int(np.unravel_index(flat, value.shape)[0]) if value.ndim else None


def _shape(value: NDArray[Any]) -> str:
    return "(" + ", ".join(map(str, value.shape)) + ")"
