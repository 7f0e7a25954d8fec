"""The messages of the open inference protocol (KServe v2): tensors as JSON, or as bytes behind a JSON header."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.model_file import Graph, Tensor

#: The header with the length of the JSON before the bytes.
HEADER_LENGTH = "Inference-Header-Content-Length"
#: The texts before the bytes that are kept, for the lengths of the data.
MOST_HEADERS = 1000
JSON_HEADERS = {"Content-Type": "application/json"}
#: numpy's names, by the protocol's.
DTYPES = {
    "BOOL": "bool",
    **{f"UINT{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
DATATYPES = {numpy: protocol for protocol, numpy in DTYPES.items()}


class MismatchError(ValueError):
    """An answer that is not what the graph gives: what was expected, and what was found."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(found)
        self.expected = expected
        self.found = found


class Request(NamedTuple):
    """A body, and its headers."""

    body: bytes
    headers: Mapping[str, str]


class Names:
    """A graph, and what its inputs and outputs are called at the endpoint.

    Parameters
    ----------
    graph
        The graph.
    inputs
        The endpoint's names of the inputs, by the benchmark's.
    outputs
        The endpoint's names of the outputs, in the graph's order.
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, str], outputs: Sequence[str]) -> None:
        self.graph = graph
        self.outputs = outputs
        self._inputs = inputs
        self._headers: dict[tuple[tuple[int, ...], ...], Request] = {}

    def encode(self, inputs: Mapping[str, NDArray[Any]], *, binary: bool) -> Request:
        """Return the request for a batch."""
        import numpy as np

        arrays = [np.ascontiguousarray(value) for value in inputs.values()]
        if not binary:
            tensors = [
                self._tensor(name, array) | {"data": array.ravel().tolist()}
                for name, array in zip(inputs, arrays, strict=True)
            ]
            wanted = [{"name": name} for name in self.outputs]
            return Request(msgspec.json.encode({"inputs": tensors, "outputs": wanted}), JSON_HEADERS)
        shapes = tuple([array.shape for array in arrays])
        start = self._headers.get(shapes) or self._header(inputs, arrays, shapes)
        return Request(b"".join([start.body, *(array.data for array in arrays)]), start.headers)

    def _header(
        self, names: Iterable[str], arrays: Sequence[NDArray[Any]], shapes: tuple[tuple[int, ...], ...]
    ) -> Request:
        """Return the JSON before the bytes, which is the same for all batches of some shapes."""
        tensors = [
            self._tensor(name, array) | {"parameters": {"binary_data_size": array.nbytes}}
            for name, array in zip(names, arrays, strict=True)
        ]
        wanted = [{"name": name, "parameters": {"binary_data": True}} for name in self.outputs]
        text = msgspec.json.encode({"inputs": tensors, "outputs": wanted})
        headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(text))}
        if len(self._headers) >= MOST_HEADERS:
            self._headers.clear()
        self._headers[shapes] = Request(text, headers)
        return self._headers[shapes]

    def _tensor(self, name: str, array: NDArray[Any]) -> dict[str, Any]:
        return {"name": self._inputs[name], "shape": array.shape, "datatype": DATATYPES[array.dtype.name]}


def split(body: bytes, headers: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Return the JSON of an answer, and the bytes behind it.

    Raises
    ------
    MismatchError
        The header's length is not one of this body.
    """
    length = headers.get(HEADER_LENGTH)
    if length is None:
        return body, b""
    if not length.isdecimal() or int(length) > len(body):
        raise MismatchError(f"{HEADER_LENGTH} of at most {len(body)}", length[:20])
    return body[: int(length)], body[int(length) :]


def decode(names: Names, document: Any, raw: bytes) -> list[NDArray[Any]]:
    """Return the outputs of an answer, in the graph's order.

    Raises
    ------
    MismatchError
        An output is missing, or has another type, shape or size than the graph's.
    """
    try:
        there = _located(document, raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise MismatchError('{"outputs": [{"name", "datatype", "shape", "data"}]}', f"no {error}") from error
    found = []
    for tensor, name in zip(names.graph.outputs, names.outputs, strict=True):
        if name not in there:
            raise MismatchError(f"an output {name}", ", ".join(there) or "no output")
        found.append(_array(tensor, name, *there[name]))
    return found


def _located(document: Any, raw: bytes) -> dict[str, tuple[dict[str, Any], memoryview | None]]:
    """Return each output by name, with its part of the bytes if it has one."""
    there, place, view = {}, 0, memoryview(raw)
    for output in document["outputs"]:
        size = (output.get("parameters") or {}).get("binary_data_size")
        if size is not None and (not isinstance(size, int) or size < 0 or place + size > len(raw)):
            raise MismatchError(f"{size} bytes of {output['name']}", f"{len(raw) - place} behind the JSON")
        there[str(output["name"])] = (output, view[place : place + size] if size is not None else None)
        place += size or 0
    return there


def _array(tensor: Tensor, name: str, output: dict[str, Any], raw: memoryview | None) -> NDArray[Any]:
    import numpy as np

    datatype, shape = output.get("datatype"), output.get("shape")
    if DTYPES.get(str(datatype)) != tensor.dtype or not fits(tensor.shape, shape):
        raise MismatchError(described(name, tensor.dtype, tensor.shape), described(name, datatype, shape))
    dtype = np.dtype(tensor.dtype)
    try:
        # null in JSON is NaN. A copy, because a benchmark may write to what its model gave it.
        values = np.frombuffer(raw, dtype).copy() if raw is not None else np.array(output["data"], dtype)
        return values.reshape(shape)  # `fits` looked at it
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        has = f"{len(raw)} bytes" if raw is not None else f"data that is not: {error}"
        raise MismatchError(f"{math.prod(shape or ())} values of {name}, {tensor.dtype}", has) from error


def fits(wanted: Sequence[int | None], shape: object) -> bool:
    """Return whether a shape has the wanted rank and lengths; a negative length in it is any."""
    if not isinstance(shape, list) or len(shape) != len(wanted) or not all(type(length) is int for length in shape):
        return False
    return all(want is None or have < 0 or want == have for want, have in zip(wanted, shape, strict=True))


def described(name: str, dtype: object, shape: object) -> str:
    """Return a tensor in words: ``scores float32[n,10]``."""
    lengths = shape if isinstance(shape, (list, tuple)) else ["?"]
    text = ",".join("n" if length in (None, -1) else str(length) for length in lengths)
    return f"{name} {DTYPES.get(str(dtype), str(dtype))}[{text}]"
