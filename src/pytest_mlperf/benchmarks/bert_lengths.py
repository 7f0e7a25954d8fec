"""Makes BERT's ONNX file take windows of any length: the file as published takes only those of 384 pieces."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    import numpy as np
    from numpy.typing import NDArray

#: Increase this when the file is made differently.
VERSION = 1
INPUTS = ("input_ids", "input_mask", "segment_ids")
OUTPUTS = ("output_start_logits", "output_end_logits")
#: Lengths at which the file must give what the whole one gives for padded windows.
CHECKED_LENGTHS = (17, 128)
#: How far a logit may be off.
TOLERANCE = 1e-3
# Field numbers of onnx.proto.
_GRAPH, _INPUT, _OUTPUT, _VALUE_INFO = 7, 11, 12, 13
_NAME, _TYPE, _TENSOR, _ELEMENT, _SHAPE, _DIMENSION, _LENGTH, _SYMBOL = 1, 2, 1, 1, 2, 1, 1, 2
_INSTEAD = "run the file as it is published: --mlperf-variant whole"


@dataclass(frozen=True)
class LengthsRecipe:
    """The recipe of a file for any length.

    Attributes
    ----------
    model, sha256
        The file of one length, and its digest; see `pytest_mlperf.backends.model_content`.
    sequence
        That length.
    """

    model: Path
    sha256: str
    sequence: int
    kind: str = "model"

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"{self.model.stem} lengths"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        return f"made from {self.model.name}"

    def key(self) -> dict[str, str | int]:
        """Return what determines the file."""
        return {"sha256": self.sha256, "sequence": self.sequence, "version": VERSION}

    def build(self, directory: Path) -> None:
        """Write the file, and compare its logits with those of the whole one.

        Raises
        ------
        ModelError
            It cannot be made, or its logits are others; or the whole file is not that with the digest.
        """
        from pytest_mlperf.backends.model_content import model_content

        target = directory / f"{self.model.stem}-lengths.onnx"
        open_lengths(self.model, target, self.sequence)
        _compare(self.model, target, self.sequence)
        if (found := model_content(self.model, "onnx").sha256) != self.sha256:
            raise ModelError(
                f"{self.model} was changed while a file for any length was made from it",
                expected=f"SHA-256 {self.sha256}",
                found=f"SHA-256 {found}",
                fix="leave the model alone while a session runs, and run it again",
            )


def open_lengths(model: Path, target: Path, sequence: int) -> None:
    """Write an ONNX file whose inputs and outputs may have any length instead of `sequence`.

    Only what the file says of its inputs, outputs and inner shapes is changed: nodes and weights are copied as bytes,
    because the file has more than a gigabyte.

    Raises
    ------
    ModelError
        It is no ONNX file, has its weights in other files, or other inputs and outputs.
    """
    from pytest_mlperf.backends.onnx_external_data import external_data

    try:
        if external_data(model):
            raise _cannot(model, "all weights in one file", "weights in files beside it")
        with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            graph, pieces = _edited(model, data, sequence)
            with target.open("wb") as out:
                _write(out, data, graph, pieces)
    except OSError as error:
        raise _cannot(model, "an ONNX model", error.strerror or str(error)) from error
    except ValueError as error:
        raise _cannot(model, "an ONNX model", str(error)) from error


@dataclass(frozen=True)
class _Piece:
    """A field of the graph, from `start` to `end` in the file, and what stands there instead."""

    start: int
    end: int
    instead: bytes


def _edited(model: Path, data: mmap.mmap, sequence: int) -> tuple[tuple[int, int], list[_Piece]]:
    """Return where the graph is, and its fields that change."""
    from pytest_mlperf.backends.protobuf import messages

    found = list(messages(data, 0, len(data), _GRAPH))
    if len(found) != 1:
        raise _cannot(model, "one graph", f"{len(found)}")
    start, end = found[0]
    pieces, named = [], []
    for number in (_INPUT, _OUTPUT, _VALUE_INFO):
        for at, until in messages(data, start, end, number):
            changed = b"" if number == _VALUE_INFO else _opened(data, at, until, sequence)
            if changed is None:
                continue
            if number != _VALUE_INFO:
                named.append(_name(data, at, until))
                changed = _field(number, changed)
            pieces.append(_Piece(at - len(_head(number, until - at)), until, changed))
    if sorted(named) != sorted((*INPUTS, *OUTPUTS)):
        wanted = ", ".join(f"{name} [n,{sequence}]" for name in (*INPUTS, *OUTPUTS))
        raise _cannot(model, wanted, f"{', '.join(named) or 'none'} of this length")
    return (start, end), sorted(pieces, key=lambda piece: piece.start)


def _opened(data: mmap.mmap, start: int, end: int, sequence: int) -> bytes | None:
    """Return an input or output with a free second length; None if it is none of those with this length."""
    from pytest_mlperf.backends.protobuf import fields, messages

    name = _name(data, start, end)
    dimensions: list[bytes] = []
    lengths: list[int | None] = []
    element = 0
    for type_ in messages(data, start, end, _TYPE):
        for tensor in messages(data, *type_, _TENSOR):
            element = next((value for number, _, value, _ in fields(data, *tensor) if number == _ELEMENT), 0)
            for shape in messages(data, *tensor, _SHAPE):
                for at, until in messages(data, *shape, _DIMENSION):
                    dimensions.append(data[at:until])
                    lengths.append(next((value for n, _, value, _ in fields(data, at, until) if n == _LENGTH), None))
    if name not in (*INPUTS, *OUTPUTS) or len(dimensions) != 2 or lengths[1] != sequence:
        return None
    dimensions[1] = _field(_SYMBOL, b"length")
    shape_bytes = b"".join(_field(_DIMENSION, each) for each in dimensions)
    tensor_bytes = bytes((_ELEMENT << 3,)) + _varint(element) + _field(_SHAPE, shape_bytes)
    return _field(_NAME, name.encode()) + _field(_TYPE, _field(_TENSOR, tensor_bytes))


def _name(data: mmap.mmap, start: int, end: int) -> str:
    from pytest_mlperf.backends.protobuf import messages

    return next((data[at:until].decode("utf-8", "replace") for at, until in messages(data, start, end, _NAME)), "")


def _write(out: BinaryIO, data: mmap.mmap, graph: tuple[int, int], pieces: list[_Piece]) -> None:
    """Write the file with its changed graph."""
    start, end = graph
    before = start - len(_head(_GRAPH, end - start))
    size = end - start + sum(len(piece.instead) - (piece.end - piece.start) for piece in pieces)
    _copy(out, data, 0, before)
    out.write(_head(_GRAPH, size))
    at = start
    for piece in pieces:
        _copy(out, data, at, piece.start)
        out.write(piece.instead)
        at = piece.end
    _copy(out, data, at, len(data))


def _copy(out: BinaryIO, data: mmap.mmap, start: int, end: int) -> None:
    for at in range(start, end, 1 << 24):
        out.write(data[at : min(end, at + (1 << 24))])


def _field(number: int, content: bytes) -> bytes:
    return _head(number, len(content)) + content


def _head(number: int, length: int) -> bytes:
    """Return what stands before a field of bytes, as all writers of protocol buffers put it."""
    return bytes((number << 3 | 2,)) + _varint(length)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _compare(whole: Path, opened: Path, sequence: int) -> None:
    """Raise if the file for any length has other logits than the whole one."""
    import numpy as np

    padded = list(_windows(sequence))
    short = [tuple(each[:, :length] for each in window) for window, length in zip(padded, CHECKED_LENGTHS, strict=True)]
    wanted = _run(whole, padded, whole)
    found = _run(opened, [*padded, *short], whole)
    for one, other in zip([*wanted, *wanted], found, strict=True):
        expected = one[:, : other.shape[1]]
        off = float(np.abs(expected - other).max())
        if not off <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            length = f"{other.shape[1]} pieces"
            raise _cannot(whole, f"the same logits for {length} within {TOLERANCE}", f"a difference of {off:.2g}")


Window = tuple["NDArray[np.int64]", ...]


def _windows(sequence: int) -> Iterator[Window]:
    """Yield padded windows of the checked lengths: ids, mask, segments, ``int64[1, sequence]`` each."""
    import numpy as np

    random = np.random.default_rng(0)
    for length in CHECKED_LENGTHS:
        ids, mask, segments = np.zeros((3, 1, sequence), np.int64)
        ids[:, :length] = random.integers(1000, 20_000, length)
        mask[:, :length] = 1
        segments[:, 9:length] = 1
        yield ids, mask, segments


def _run(model: Path, windows: list[Window], published: Path) -> list[NDArray[np.float32]]:
    """Return the logits of start and end for each window, ``float32[1, length, 2]``; errors name the published file."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        run: Callable[[Window], NDArray[np.float32]] = lambda window: np.stack(  # noqa: E731
            session.run(list(OUTPUTS), dict(zip(INPUTS, window, strict=True))), -1
        )
        return [run(window) for window in windows]
    except Exception as error:  # onnxruntime's exceptions have no public base class; any of them is about this file
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _cannot(published, "a graph that runs", said[:200]) from error


def _cannot(model: Path, expected: str, found: str) -> ModelError:
    return ModelError(f"{model.name} cannot be run at other lengths", expected=expected, found=found, fix=_INSTEAD)
