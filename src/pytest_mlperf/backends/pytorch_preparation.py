"""Makes a loaded program fast: layout of images, reduced weights, compilation, and what happens to freed memory."""

from __future__ import annotations

import ctypes
import os
import shutil
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_mlperf.errors import ModelError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_mlperf.backends.pytorch_files import Program
    from pytest_mlperf.backends.pytorch_options import PyTorchOptions

NAMES = {
    torch.float32: "fp32",
    torch.float16: "fp16",
    torch.bfloat16: "bf16",
    torch.float64: "fp64",
    torch.int8: "int8",
    torch.qint8: "int8",
    torch.uint8: "uint8",
}
#: Operators that autocast runs in the reduced precision; weights that only they read can be kept in it.
_PRODUCTS = ("conv", "linear", "matmul", "addmm", "bmm", "mm")
#: Names of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 1 << 30


def weight_types(program: Program) -> list[str]:
    """Return the element types of a program's weights; whole numbers are no weights, unless they are of 8 bits."""
    return [NAMES[each.dtype] for each in program.tensors if each.dtype in NAMES]


def prepare(program: Program, options: PyTorchOptions, reduced: torch.dtype | None, threads: int) -> None:
    """Prepare a program.

    Parameters
    ----------
    program
        The program; it is changed.
    options
        The user's.
    reduced
        The element type of products; None to run the file as it is.
    threads
        How many threads an inference may use.

    Raises
    ------
    RequirementError
        It should be compiled, and there is no compiler.
    """
    module = program.module
    scripted = isinstance(module, torch.jit.ScriptModule)
    if isinstance(module, nn.Module) and not scripted:
        if reduced is not None:
            _reduce(module, reduced)
        if options.channels_last:
            _channels_last(program, module)
        if options.compile:
            _require_compiler(program.device)
            # The number of threads is part of the code.
            told = {"cpp.threads": threads, "freezing": program.device.type == "cpu"}
            program.module = _Compiled(torch.compile(module, options=told), program.open_axes)
    if options.keep_memory and program.device.type == "cpu":
        _keep_memory()


class _Compiled:
    """A compiled module: it is compiled when it is first called with inputs of a kind, and may fail then.

    Only the lengths that the benchmark leaves open may vary: if all may, PyTorch 2.13 fails on a 3D-UNet.
    """

    def __init__(self, module: Callable[..., Any], open_axes: Sequence[Sequence[int]]) -> None:
        self._module = module
        self._open_axes = open_axes

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """Run it."""
        from torch._dynamo import maybe_mark_dynamic
        from torch._dynamo.exc import TorchDynamoException

        for tensor, axes in zip(inputs, self._open_axes, strict=False):
            for axis in axes:
                maybe_mark_dynamic(tensor, axis)
        try:
            return self._module(*inputs)
        except TorchDynamoException as error:
            raise ModelError(
                "PyTorch cannot compile the program",
                expected="a program that torch.compile takes",
                found=f"{type(error).__name__}: {(str(error).strip() or 'no reason').splitlines()[0][:300]}",
                fix="leave --backend-option compile=true out",
            ) from error


def _reduce(module: nn.Module, dtype: torch.dtype) -> None:
    """Keep the weights of products in the reduced precision, so that they are not converted in each inference."""
    for weight in _weights_of_products(module):
        weight.data = weight.data.to(dtype)


def _weights_of_products(module: nn.Module) -> Iterator[nn.Parameter]:
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
    for each in module.modules():
        if isinstance(each, kinds):
            yield each.weight
    if not isinstance(module, torch.fx.GraphModule):
        return
    users: dict[str, list[Any]] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            users.setdefault(str(node.target), []).extend(node.users)
    weights = dict(module.named_parameters())
    for name, nodes in users.items():
        if name in weights and weights[name].dim() > 1 and nodes and all(map(_is_product, nodes)):
            yield weights[name]


def _is_product(node: Any) -> bool:
    name = getattr(node.target, "__name__", str(node.target))
    return name.partition(".")[0].startswith(_PRODUCTS)


def _channels_last(program: Program, module: nn.Module) -> None:
    """Lay out the weights of convolutions, and images, with the channels last."""
    ranks = {each.dim() for each in module.parameters()}
    for rank, layout in ((5, torch.channels_last_3d), (4, torch.channels_last)):
        if rank in ranks:
            module.to(memory_format=layout)
            program.memory_format = layout
            return


def _require_compiler(device: torch.device) -> None:
    """Raise if a program for the cpu cannot be compiled; torch would say so in many lines, in the first inference."""
    found = os.environ.get("CXX") or "g++"
    if device.type == "cpu" and shutil.which(found) is None and shutil.which("clang++") is None:
        raise RequirementError(
            "pytorch cannot compile: there is no C++ compiler",
            expected="g++ or clang++, or the one that CXX names",
            found="none of them",
            fix="install g++, or leave --backend-option compile=true out",
        )


def _keep_memory() -> None:
    """Have the C library keep freed memory: else each inference gets and clears new pages for its large tensors."""
    try:
        library = ctypes.CDLL(None)
        mallopt = library.mallopt
    except (AttributeError, OSError):  # a C library without it
        return
    mallopt(_MMAP_THRESHOLD, _KEPT)
    mallopt(_TRIM_THRESHOLD, _KEPT)
