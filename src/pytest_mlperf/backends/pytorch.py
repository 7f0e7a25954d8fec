"""PyTorch: exported programs, TorchScript and state dicts of known networks, on cpu and cuda."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.gpus import no_device
from pytest_mlperf.backends.pytorch_options import PyTorchOptions
from pytest_mlperf.errors import OptionError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    import torch

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.backends.pytorch_files import Program

LEAST = "2.4"
#: By precision, the element type of convolutions and products; in fp32 and int8 the file is run as it is.
REDUCED = {"bf16": "bfloat16", "fp16": "float16"}


class PyTorchModel:
    """The programs of a model's graphs, on one device.

    PyTorch keeps the number of threads for each thread that calls it, so that `run` sets it for its own.
    """

    concurrent = True

    def __init__(
        self,
        programs: Mapping[str, Program],
        *,
        device: str,
        precision: str,
        threads: int,
        weight_types: Sequence[str],
        batches: Sequence[int | None],
    ) -> None:
        self._programs = dict(programs)
        self._threads = threads
        self.device = device
        self.precision = precision
        self.weight_types = weight_types
        known = [batch for batch in (*batches, *(each.max_batch for each in programs.values())) if batch is not None]
        self.max_batch = min(known) if known else None

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        import torch

        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        with torch.inference_mode(), self._reduced():
            return self._programs[graph](inputs)

    def close(self) -> None:
        """Release the programs and their weights."""
        self._programs.clear()

    def _reduced(self) -> AbstractContextManager[object]:
        import torch

        if self.precision not in REDUCED:
            return nullcontext()
        kind = self.device.partition(":")[0]
        reduced: AbstractContextManager[object] = torch.autocast(
            kind, getattr(torch, REDUCED[self.precision]), cache_enabled=False
        )
        return reduced


class PyTorch:
    """PyTorch, from the package torch.

    A file is recognised by what is in it: an exported program, a TorchScript archive, or a dictionary of tensors. The
    latter is loaded without executing anything, into one of the networks that MLPerf publishes.
    """

    devices: tuple[str, ...] = ("cpu", "cuda")
    formats: tuple[str, ...] = ("pytorch",)
    requirements: tuple[str, ...] = (f"torch>={LEAST}",)
    also_requires: tuple[str, ...] = ("onnxruntime>=1.19",)
    computes: Mapping[str, tuple[str, ...]] = {"fp32": ("bf16", "fp16")}
    default = False

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> PyTorchModel:
        """Load a file, or a directory with one for each graph; see `pytest_mlperf.backends.base.Backend.load`."""
        chosen = PyTorchOptions.of(options)
        torch = _torch()
        where = _device(torch, device)
        if model.precision == "fp16" and where.type == "cpu":
            raise OptionError(
                "pytorch does not run in fp16 on the cpu",
                expected="fp32 or bf16",
                found="--precision fp16",
                fix="choose --precision bf16, or --device cuda",
            )
        _be_exact(torch)
        from pytest_mlperf.backends.pytorch_files import open_programs
        from pytest_mlperf.backends.pytorch_preparation import prepare, weight_types

        torch.set_num_threads(threads)
        programs = open_programs(Path(file), model, where)
        reduced = getattr(torch, REDUCED[model.precision]) if model.precision in REDUCED else None
        types = dict.fromkeys(kind for each in programs.values() for kind in weight_types(each))
        for each in programs.values():
            prepare(each, chosen, reduced, threads)
        return PyTorchModel(
            programs,
            device=_found_device(programs.values(), where, device),
            precision=model.precision,
            threads=threads,
            weight_types=tuple(types),
            batches=[_fixed_batch(graph.inputs[0].shape) for graph in model.graphs if graph.inputs],
        )

    def versions(self) -> Mapping[str, str]:
        """Return PyTorch's version."""
        import torch

        built = {"cuda": torch.version.cuda} if torch.version.cuda else {}
        return {"torch": torch.__version__, "numpy": version("numpy"), **built}


def _torch() -> Any:
    """Return the module torch, if it is there and new enough."""
    try:
        import torch
    except (ImportError, OSError) as error:  # a library that it is linked with is missing
        raise RequirementError(
            "PyTorch cannot be imported",
            expected=f"torch {LEAST} or newer",
            found=str(error).splitlines()[0][:300],
            fix="install torch, or let --backend pytorch make an environment",
        ) from error
    if _numbers(torch.__version__) < _numbers(LEAST):
        raise RequirementError(
            "PyTorch is too old",
            expected=f"torch {LEAST} or newer",
            found=f"torch {torch.__version__}",
            fix=f"install torch>={LEAST}, or let --backend pytorch make an environment",
        )
    # Inputs are read only: what a data set maps from a file cannot be written to.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writ")
    return torch


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.partition("+")[0].split(".")[:2] if part.isdigit())


def _device(torch: Any, device: str) -> torch.device:
    """Return a device that there is."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        built = torch.version.cuda
        raise RequirementError(
            f"PyTorch cannot run on {device} here",
            expected="a GPU, its driver, and a build of torch for CUDA",
            found=f"torch {torch.__version__} " + (f"for CUDA {built}, and no GPU" if built else "without CUDA"),
            fix="install NVIDIA's driver and a torch for CUDA, or choose --device cpu",
        )
    count = torch.cuda.device_count()
    if number and int(number) >= count:
        raise no_device(device, count)
    return torch.device(device)


def _be_exact(torch: Any) -> None:
    """Let fp32 be fp32: convolutions on newer GPUs would be rounded to the 10 bits of TF32."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def _found_device(programs: Any, where: torch.device, asked: str) -> str:
    """Return where the weights are, as the user would say it."""
    found = {str(tensor.device) if ":" in asked else tensor.device.type for each in programs for tensor in each.tensors}
    return found.pop() if len(found) == 1 else ", ".join(sorted(found)) or where.type


def _fixed_batch(shape: Sequence[int | None]) -> int | None:
    return shape[0] if shape else None
