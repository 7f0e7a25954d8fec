"""Whether ONNX Runtime computes on the GPU that it was asked for: what it says when it does not, and its profile."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import onnxruntime

    from pytest_mlperf.backends.base import Inputs, Outputs

CUDA_PROVIDER = "CUDAExecutionProvider"
#: The operators that take nearly all of the time. ONNX Runtime leaves others on the CPU on purpose: those that compute
#: shapes.
_HEAVY = re.compile(
    r"(Fused|QLinear|Nhwc|Quant)*(Conv|ConvTranspose|MatMul|Gemm|LSTM|GRU|Attention|MultiHeadAttention)"
)
#: What the dynamic linker says, and what ONNX Runtime says of the versions that it needs.
_MISSING = re.compile(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object file")
#: What it says of a number that no GPU has, and what CUDA says of it.
_COUNT = re.compile(r"Invalid device ID: -?\d+, must be between 0 \(inclusive\) and (\d+)")
_ORDINAL = re.compile(r"invalid device ordinal|cudaErrorInvalidDevice")
_NEEDS = re.compile(r"Require[s]? (cuDNN [^.]*\.\*? and CUDA [\d.]+\*?)")


def cause(said: str) -> str:
    """Return why CUDA is not used, from what ONNX Runtime said: the library that is missing, and what it needs."""
    missing = dict.fromkeys(_MISSING.findall(said))
    needs = _NEEDS.search(said)
    parts = [f"{', '.join(missing)} is missing"] if missing else []
    parts += [f"it needs {needs[1]}"] if needs else []
    return "; ".join(parts)


def is_hidden(said: str) -> int | None:
    """Return how many GPUs there are, from what ONNX Runtime said of one that is not there: 0 if it did not say.

    None if it said nothing of that.
    """
    if found := _COUNT.search(said):
        return int(found[1])
    return 0 if _ORDINAL.search(said) else None


@contextmanager
def heard() -> Iterator[list[str]]:
    """Yield a list that has, after the block, what was written on standard error in it; it is written there, too."""
    said: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            said.append(file.read().decode("utf-8", "replace"))
            sys.stderr.write(said[0])


def run_bound(session: onnxruntime.InferenceSession, outputs: Sequence[str], inputs: Inputs) -> Outputs:
    """Run one batch with its inputs and outputs bound, so that ONNX Runtime copies each once."""
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_cpu_input(name, value)
    for name in outputs:
        binding.bind_output(name)
    session.run_with_iobinding(binding)
    found: Outputs = binding.copy_outputs_to_cpu()
    return found


def check_profile(file: Path, device: str) -> None:
    """Raise unless a profile of ONNX Runtime shows that the GPU did the work.

    Parameters
    ----------
    file
        The profile of an inference; it is removed.
    device
        The device, for the message.

    Raises
    ------
    RequirementError
        A node that takes time ran on the CPU, or no node ran on the GPU.
    """
    events = json.loads(file.read_text("utf-8"))
    file.unlink()
    nodes = [(each["args"]["op_name"], each["args"]["provider"]) for each in events if _is_node(each)]
    elsewhere = Counter(operator for operator, provider in nodes if provider != CUDA_PROVIDER)
    wrong = {operator: count for operator, count in elsewhere.items() if _HEAVY.fullmatch(operator)}
    if wrong or sum(elsewhere.values()) == len(nodes):
        shown = wrong or elsewhere
        raise RequirementError(
            f"ONNX Runtime did not run on {device}",
            expected=f"every node that takes time on the {CUDA_PROVIDER}",
            found=f"elsewhere: {', '.join(f'{n} {name}' for name, n in sorted(shown.items())) or 'everything'}",
            fix="give a model whose operators ONNX Runtime has for CUDA, or choose --device cpu",
        )


def _is_node(event: dict[str, Any]) -> bool:
    arguments = event.get("args", {})
    return event.get("cat") == "Node" and "provider" in arguments and "op_name" in arguments
