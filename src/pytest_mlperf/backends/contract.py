"""Compares what a runtime says of a model's inputs and outputs with what its benchmark wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.backends.model_file import Tensor


@dataclass(frozen=True)
class FoundTensor:
    """An input or output as the runtime describes it; a length that is not an integer may vary.

    ``dtype`` is the element type as numpy names it, or as the runtime does if numpy has no such type.
    """

    name: str
    dtype: str
    shape: Sequence[int | str | None]


def check_tensors(model: Path, kind: str, expected: Sequence[Tensor], found: Sequence[FoundTensor]) -> None:
    """Compare a model's inputs or outputs with those of its `ModelFile`, by name, type and rank.

    A file may have more outputs than the benchmark reads, but not more inputs.

    Parameters
    ----------
    model
        The model, for the message.
    kind
        ``input`` or ``output``.
    expected, found
        What the benchmark wants, and what the runtime found.

    Raises
    ------
    ModelError
        A name, an element type or a dimension differs.
    """
    by_name = {value.name: value for value in found}
    for tensor in expected:
        value = by_name.pop(tensor.in_file, None)
        if value is None or not _agrees(tensor, value):
            raise _contract_error(model, kind, expected, found)
    if kind == "input" and by_name:
        raise _contract_error(model, kind, expected, found)


def require_file(model: Path, what: str) -> None:
    """Raise unless a model is a file with content.

    Raises
    ------
    ModelError
        It is something else, or empty.
    """
    if not model.is_file():
        raise ModelError(
            f"{model} is not a file",
            expected=what,
            found="a directory" if model.is_dir() else "nothing",
            fix="check the path given with --model-path",
        )
    if model.stat().st_size == 0:
        raise ModelError(
            f"{model} is empty",
            expected=what,
            found="0 bytes",
            fix="fetch the file again; an interrupted download may leave an empty file",
        )


def _agrees(tensor: Tensor, value: FoundTensor) -> bool:
    if value.dtype != tensor.dtype or len(value.shape) != len(tensor.shape):
        return False
    return all(
        want is None or not isinstance(have, int) or want == have
        for want, have in zip(tensor.shape, value.shape, strict=True)
    )


def _contract_error(model: Path, kind: str, expected: Sequence[Tensor], found: Sequence[FoundTensor]) -> ModelError:
    want = ", ".join(f"{t.in_file} {t.dtype}{_shape(t.shape)}" for t in expected)
    have = ", ".join(f"{v.name} {v.dtype}{_shape(v.shape)}" for v in found)
    return ModelError(
        f"{model} is not a model of this benchmark: its {kind}s differ",
        expected=f"{kind}s: {want}",
        found=have,
        fix=f"export the model with these {kind}s, or give another file with --model-path",
    )


def _shape(shape: Sequence[int | str | None]) -> str:
    return "[" + ",".join(str(length) if isinstance(length, int) else "n" for length in shape) + "]"
