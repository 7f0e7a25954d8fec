"""In which precision OpenVINO is told to compute, and in which it says that it did.

OpenVINO takes its precision as a hint. Without one, it computes in bf16 on every CPU that has it. A hint that the CPU
cannot follow is ignored without a word: asked for fp16, a CPU with bf16 computes in bf16, and one without either in
fp32; one with AVX-512 but without bf16 emulates it. So the hint is always given, the CPU is asked first, and what the
layers of the compiled model compute in is what counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

#: By precision: OpenVINO's hint. What an int8 file leaves to floating point is computed in fp32, as elsewhere.
HINTS: Mapping[str, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
#: By precision: the name in OPTIMIZATION_CAPABILITIES of a CPU that computes in it without emulation.
_NEEDS: Mapping[str, str] = {"bf16": "BF16", "fp16": "FP16"}
#: The layers that take nearly all of the time, by the names of the CPU plugin. A layer of integers has int8 weights.
_LAYERS = frozenset(
    ("Convolution", "Deconvolution", "FullyConnected", "MatMul", "RNNCell", "RNNSeq", "ScaledDotProductAttention")
)
_PRECISIONS: Mapping[str, str] = {"f32": "fp32", "bf16": "bf16", "f16": "fp16", "i8": "int8", "u8": "int8"}
_LOWEST_FIRST = ("int8", "fp16", "bf16", "fp32")


@dataclass(frozen=True)
class Layer:
    """A layer of a compiled model: what it is, and in what it computes, in OpenVINO's words."""

    kind: str
    precision: str


def require_precision(precision: str, capabilities: Sequence[str], cpu: str) -> None:
    """Raise unless the CPU computes in a precision by itself.

    Parameters
    ----------
    precision
        The wanted precision.
    capabilities, cpu
        OpenVINO's list of what the CPU can do, and the CPU's name.

    Raises
    ------
    RequirementError
        It does not: OpenVINO would emulate it or, without a word, compute in another one.
    """
    needed = _NEEDS.get(precision)
    if needed is not None and needed not in capabilities:
        raise RequirementError(
            f"this CPU does not compute in {precision}",
            expected=f"a CPU for which OpenVINO lists {needed}",
            found=f"{cpu}: {', '.join(capabilities)}",
            fix="choose another --precision; OpenVINO would compute in another one instead, or emulate it",
        )


def layers(runtime_model: Any) -> list[Layer]:
    """Return the layers of a compiled model's `get_runtime_model`."""
    infos = (operation.get_rt_info() for operation in runtime_model.get_ops())
    return [Layer(info["layerType"].astype(str), info["runtimePrecision"].astype(str)) for info in infos]


def computed_in(found: Iterable[Layer]) -> tuple[str, ...]:
    """Return the precisions in which layers with weights compute, the most frequent first; empty for no such layers."""
    counted = Counter(_PRECISIONS.get(layer.precision, layer.precision) for layer in found if layer.kind in _LAYERS)
    return tuple(name for name, _ in counted.most_common())


def check_precision(file: Path, precision: str, hint: str, computed: Sequence[str]) -> str:
    """Return the precision in which a model computes, which must be the wanted one.

    It is the lowest of those of its layers: a quantised model has layers that are not quantised.

    Parameters
    ----------
    file, precision
        The model, for the message, and the wanted precision.
    hint
        The hint that the compiled models have, in OpenVINO's words.
    computed
        What `computed_in` found in all of the graphs.

    Raises
    ------
    RequirementError
        It computes in another one.
    """
    lowest = next((each for each in _LOWEST_FIRST if each in computed), None)
    ran = lowest or ("int8" if precision == "int8" and hint == HINTS["int8"] else _PRECISIONS.get(hint, hint))
    if ran != precision:
        raise RequirementError(
            f"OpenVINO does not compute {file} in {precision}",
            expected=precision,
            found=", ".join(computed) or ran,
            fix=f"choose --precision {ran}, or another model with --model-path"
            if precision != "int8"
            else "give a model with quantised layers with --model-path, or choose another --precision",
        )
    return ran
