"""TensorRT: ONNX models, built into an engine for one GPU."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.base import Preparation
from pytest_mlperf.backends.contract import require_file
from pytest_mlperf.backends.fixed_shapes import varying
from pytest_mlperf.backends.gpus import number_of
from pytest_mlperf.backends.onnxruntime import known_weights
from pytest_mlperf.backends.tensorrt_builder import ENGINE, REDUCED, build_engine, look
from pytest_mlperf.backends.tensorrt_engine import (
    EngineRecipe,
    job_for,
    largest_batch,
    look_with,
    require_built,
    require_seen,
)
from pytest_mlperf.machine.accelerators import read_device_use

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.backends.tensorrt_model import TensorRTModel


class TensorRT:
    """TensorRT, from the package tensorrt, on GPUs of NVIDIA alone (``cuda:1`` for the second one).

    The option ``batch`` is the largest batch that an engine takes.
    """

    devices: tuple[str, ...] = ("cuda",)
    formats: tuple[str, ...] = ("onnx",)
    requirements: tuple[str, ...] = (
        "tensorrt>=10.3,<11",
        "tensorrt>=10.3",
        "tensorrt-cu12>=10.3",
        "tensorrt-cu13>=10.3",
    )
    also_requires: tuple[str, ...] = ("cuda-bindings>=12.8", "onnxruntime>=1.19")
    computes: Mapping[str, tuple[str, ...]] = {"fp32": tuple(REDUCED)}
    default = False
    refuses = staticmethod(varying)
    #: The directory with the engine; None: it is built by `load`.
    prepared: Path | None = None

    def preparation(
        self,
        file: Path,
        sha256: str,
        model: ModelFile,
        options: Mapping[str, str],
        interpreter: str,
        device: str,
    ) -> Preparation:
        """Return how an engine is built; see `pytest_mlperf.backends.base.Prepares.preparation`.

        Raises
        ------
        RequirementError
            TensorRT or the GPU is missing.
        """
        batch = largest_batch(options)
        require_file(file, "an ONNX model")
        seen = look_with(interpreter, number_of(device))
        require_seen(seen, device, model.precision)
        state = read_device_use(device)
        driver = state.accelerators[0].driver if state is not None and state.accelerators else ""
        recipe = EngineRecipe(file, sha256, model, batch, seen, driver, number_of(device), interpreter)
        took = "a minute, or many for a large model"
        return Preparation(
            recipe, f"building an engine of {file.name} in {model.precision} for {seen.name} with TensorRT: {took}"
        )

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> TensorRTModel:
        """Load an engine; see `pytest_mlperf.backends.base.Backend.load`. The threads are the GPU's own affair."""
        del threads
        path, batch = Path(file), largest_batch(options)
        require_file(path, "an ONNX model")
        require_seen(look(number_of(device)), device, model.precision)
        from pytest_mlperf.backends.tensorrt_model import TensorRTModel

        weights = (model.precision,) if model.precision in REDUCED else known_weights(path)
        if self.prepared is not None:
            return TensorRTModel(self.prepared / ENGINE, model.graph, device, weights)
        with tempfile.TemporaryDirectory(prefix="tensorrt-") as name:
            engine = Path(name) / ENGINE
            require_built(path, model, build_engine(job_for(path, engine, model, batch, number_of(device))))
            return TensorRTModel(engine, model.graph, device, weights)

    def versions(self) -> Mapping[str, str]:
        """Return the versions of TensorRT and of what moves the tensors."""
        import tensorrt

        moved: dict[str, Any] = {name: version(name) for name in ("cuda-bindings", "numpy")}
        return {"tensorrt": str(tensorrt.__version__), **moved}
