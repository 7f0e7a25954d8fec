"""The inputs and outputs of a .tflite file: which one is which, and how they are quantised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.contract import FoundTensor
from pytest_mlperf.backends.tensor_names import plain_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_mlperf.backends.model_file import Tensor


@dataclass(frozen=True)
class FileTensor:
    """An input or output of a .tflite file.

    Attributes
    ----------
    name
        The benchmark's name for it; empty if the benchmark has none, and then the file has one input.
    in_file, index
        Its name in the file, and its number there.
    dtype, shape, open_shape
        As the file has them; an open length is -1 in ``open_shape``.
    scale, zero_point
        Those of a quantised tensor; a scale of 0 for others.
    """

    name: str
    in_file: str
    index: int
    dtype: Any
    shape: tuple[int, ...]
    open_shape: tuple[int, ...]
    scale: float
    zero_point: int

    @classmethod
    def of(cls, detail: Mapping[str, Any]) -> FileTensor:
        """Return a tensor from the interpreter's description."""
        scale, zero_point = detail["quantization"]
        return cls(
            name="",
            in_file=detail["name"],
            index=int(detail["index"]),
            dtype=detail["dtype"],
            shape=tuple(map(int, detail["shape"])),
            open_shape=tuple(map(int, detail["shape_signature"])),
            scale=float(scale),
            zero_point=int(zero_point),
        )

    @property
    def quantised(self) -> bool:
        """Whether its values stand for float32."""
        return self.scale != 0

    def described(self) -> FoundTensor:
        """Return what the benchmark's contract is compared with: a quantised tensor stands for float32.

        The batch may have any size: whether it has is found out when the model is run.
        """
        import numpy as np

        dtype = "float32" if self.quantised else np.dtype(self.dtype).name
        lengths = [length if length >= 0 else None for length in self.open_shape]
        return FoundTensor(self.in_file, dtype, [None, *lengths[1:]] if lengths else [])

    def to_file(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values in the file's type: those of a quantised tensor rounded to its steps, and cut off."""
        import numpy as np

        if not self.quantised:
            return np.ascontiguousarray(values)
        bounds = np.iinfo(self.dtype)
        steps = np.rint(values / np.float32(self.scale)) + self.zero_point
        cut: NDArray[Any] = np.clip(steps, bounds.min, bounds.max).astype(self.dtype)
        return cut

    def from_file(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what the values of the file stand for."""
        import numpy as np

        if not self.quantised:
            return values
        exact: NDArray[Any] = (values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)
        return exact

    def zeros(self, batch: int) -> NDArray[Any]:
        """Return an input without content."""
        import numpy as np

        return np.zeros((batch, *self.shape[1:]), self.dtype)


def match(wanted: Sequence[Tensor], found: Sequence[FileTensor]) -> list[FileTensor]:
    """Return the file's tensors in the benchmark's order, with the names by which the benchmark knows them.

    A tensor is found by its name, without what converters put around it; where there is one only, it is that. What
    nobody wants comes last. Without wanted tensors the file's order holds.
    """
    if not wanted:
        return list(found)
    if len(wanted) == len(found) == 1:
        return [replace(found[0], name=wanted[0].name, in_file=wanted[0].in_file)]
    by_name: dict[str, list[FileTensor]] = {}
    for each in found:
        by_name.setdefault(plain_name(each.in_file), []).append(each)
    ordered = []
    for tensor in wanted:
        same = by_name.get(plain_name(tensor.in_file), [])
        if len(same) == 1:
            ordered.append(replace(same.pop(), name=tensor.name, in_file=tensor.in_file))
    return ordered + [each for same in by_name.values() for each in same]
