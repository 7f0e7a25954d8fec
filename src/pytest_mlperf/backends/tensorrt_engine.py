"""The engine that TensorRT builds of a model for a GPU: made once, and kept in the cache."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends import tensorrt_builder as builder
from pytest_mlperf.backends.contract import FoundTensor, check_tensors
from pytest_mlperf.backends.gpus import no_device, same_order
from pytest_mlperf.backends.tensorrt_builder import ENGINE, REDUCED, STRONGLY_TYPED_ALONE, Found, Job, Seen
from pytest_mlperf.errors import ModelError, OptionError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import KeyValue
    from pytest_mlperf.backends.model_file import Graph, ModelFile

#: Increase this when engines are made differently.
VERSION = 1
#: The first version whose functions all are those that are called.
LEAST = "10.3"
BATCH = "batch"
#: The largest batch of an engine without the option.
LARGEST_BATCH = 64
#: The package on PyPI has no library: its installation downloads that from NVIDIA's own index.
INSTALL = (
    "pip install 'tensorrt-cu12>=10.3,<11' 'cuda-bindings<13', or for a driver of CUDA 13 "
    "'tensorrt-cu13>=10.3,<11' cuda-bindings; pip then downloads the library from https://pypi.nvidia.com"
)


@dataclass(frozen=True)
class EngineRecipe:
    """The recipe of an engine.

    Attributes
    ----------
    model, sha256
        The ONNX file, and its digest; see `pytest_mlperf.backends.model_content`.
    file
        Its description, with the precision to run it in.
    batch
        The largest batch.
    seen
        TensorRT and the GPU.
    driver
        The version of NVIDIA's driver; empty if it is not known.
    device
        The number of the GPU.
    interpreter
        A Python with TensorRT.
    """

    model: Path
    sha256: str
    file: ModelFile
    batch: int
    seen: Seen
    driver: str
    device: int
    interpreter: str
    kind: str = "engine"

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"{self.model.stem} {self.file.precision} tensorrt"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        return f"built from {self.model.name} by TensorRT {self.seen.tensorrt} for {self.seen.name}"

    def key(self) -> dict[str, KeyValue]:
        """Return what determines the engine: one that was built for another GPU or version cannot be loaded."""
        return {
            "sha256": self.sha256,
            "precision": self.file.precision,
            "shapes": [[name, *shape] for name, shape in _shapes(self.file.graph).items()],
            "outputs": [tensor.in_file for tensor in self.file.graph.outputs],
            "batch": self.batch,
            "tensorrt": self.seen.tensorrt,
            "gpu": self.seen.name,
            "capability": self.seen.capability,
            "cuda": self.seen.cuda,
            "driver": self.driver,
            "machine": platform.machine(),
            "version": VERSION,
        }

    def build(self, directory: Path) -> None:
        """Build the engine.

        Raises
        ------
        ModelError
            TensorRT cannot build it, its inputs or outputs are others, or it is not the file with that digest.
        RequirementError
            The builder ended without a word about the model.
        """
        from pytest_mlperf.backends.model_content import require_unchanged

        job = job_for(self.model, directory / ENGINE, self.file, self.batch, self.device)
        found = Found(**_told(self.interpreter, "build", json.dumps(job.__dict__)))
        require_built(self.model, self.file, found)
        require_unchanged(self.model, self.file.format, (), self.sha256, during="its engine was built")


def look_with(interpreter: str, device: int) -> Seen:
    """Return what an interpreter finds.

    Raises
    ------
    RequirementError
        Its program ended without a word.
    """
    return Seen(**_told(interpreter, "look", str(device)))


def require_seen(seen: Seen, device: str, precision: str) -> None:
    """Raise unless an engine can be built and run.

    Raises
    ------
    RequirementError
        TensorRT, a package or the GPU is missing.
    OptionError
        This TensorRT does not run a file in that precision.
    """
    what = f"TensorRT cannot run on {device} here"
    if seen.lacks == builder.TENSORRT:
        raise RequirementError(what, expected=f"the package tensorrt {LEAST} or newer", found=seen.said, fix=INSTALL)
    if seen.lacks == builder.CUDA_BINDINGS:
        raise RequirementError(
            what,
            expected="the package cuda-bindings, for the memory of the GPU",
            found=seen.said,
            fix="pip install cuda-bindings, of the driver's version of CUDA or an older one",
        )
    if seen.lacks == builder.GPU:
        raise RequirementError(
            what,
            expected="a GPU of NVIDIA, and its driver",
            found=seen.said,
            fix="run it on a machine with a GPU. If there is one, install a newer driver, or the cuda-bindings of the "
            "driver's version of CUDA: nvidia-smi shows it",
        )
    if seen.lacks == builder.DEVICE:
        raise no_device(device, seen.count)
    if _numbers(seen.tensorrt) < _numbers(LEAST):
        raise RequirementError(
            "TensorRT is too old",
            expected=f"tensorrt {LEAST} or newer",
            found=f"tensorrt {seen.tensorrt}",
            fix=INSTALL,
        )
    if precision in REDUCED and _numbers(seen.tensorrt)[0] >= STRONGLY_TYPED_ALONE:
        raise OptionError(
            f"TensorRT {seen.tensorrt} does not run an fp32 file in {precision}",
            expected="fp32; or TensorRT 10, which is told the precision of layers",
            found=f"--precision {precision}",
            fix=f"leave --precision out, or install TensorRT 10: {INSTALL}",
        )


def largest_batch(options: Mapping[str, str]) -> int:
    """Return the largest batch that an engine is to take, by the options.

    Raises
    ------
    OptionError
        There is no such option, or its value is none.
    """
    for name, value in options.items():
        if name != BATCH or not (value.isdecimal() and 0 < int(value) <= 1 << 16):
            raise OptionError(
                f"--backend-option: tensorrt has no option {name}={value}",
                expected=f"{BATCH}=N, the largest batch of the engine; {LARGEST_BATCH} without it",
                found=f"{name}={value}",
                fix="leave it out, or give a number of samples",
            )
    return int(options.get(BATCH, LARGEST_BATCH))


def job_for(model: Path, engine: Path, file: ModelFile, batch: int, device: int) -> Job:
    """Return the job of building a model's engine."""
    outputs = [tensor.in_file for tensor in file.graph.outputs]
    return Job(
        str(model.absolute()), str(engine.absolute()), device, file.precision, _shapes(file.graph), outputs, batch
    )


def require_built(model: Path, file: ModelFile, found: Found) -> None:
    """Raise unless a model is the benchmark's and there is an engine.

    Raises
    ------
    ModelError
        Its inputs or outputs are others, or TensorRT cannot build an engine.
    """
    if found.inputs and found.outputs:
        for kind, wanted, there in (
            ("input", file.graph.inputs, found.inputs),
            ("output", file.graph.outputs, found.outputs),
        ):
            check_tensors(model, kind, wanted, [FoundTensor(*each) for each in there])
    if found.fault:
        eight = "; int8 wants QuantizeLinear with int8 and zero points of 0 for activations, too"
        raise ModelError(
            f"TensorRT cannot build an engine of {model} in {file.precision}",
            expected=f"an ONNX model of operators that TensorRT knows{eight if file.precision == 'int8' else ''}",
            found=found.fault,
            fix="give another file with --model-path, a smaller --backend-option batch=N if memory ran out, or choose "
            "another --backend",
        )


def _shapes(graph: Graph) -> dict[str, list[int | None]]:
    return {tensor.in_file: list(tensor.shape) for tensor in graph.inputs}


def _told(interpreter: str, action: str, argument: str) -> dict[str, Any]:
    """Run the program, and return what its last line says."""
    from pytest_mlperf.environments.commands import run_command

    done = run_command([interpreter, "-I", builder.__file__, action, argument], same_order(os.environ))
    try:
        # What TensorRT warns of stands before it.
        told: dict[str, Any] = json.loads([line for line in done.output.splitlines() if line.startswith("{")][-1])
    except (ValueError, IndexError) as error:
        raise RequirementError(
            f"TensorRT's builder ended with exit code {done.code}", found=done.last_lines(), fix="see what it says"
        ) from error
    return told


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".")[:2] if part.isdecimal()) or (0,)
