"""TensorFlow: SavedModel directories and frozen graphs on cpu."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.backends.contract import check_tensors, require_file
from pytest_mlperf.backends.tensorflow_graphs import Loaded, frozen_graph, saved_model
from pytest_mlperf.errors import ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import ModelFile

SAVED_MODEL = "savedmodel"
PACKAGES = ("tensorflow-cpu", "tensorflow")
#: The options and their defaults.
ONEDNN, SIGNATURE = "onednn", "signature"
DEFAULTS = {ONEDNN: "1", SIGNATURE: "serving_default"}
#: What TensorFlow reads when it is imported.
_ONEDNN_VARIABLE, _LOG_VARIABLE = "TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL"
_WARNINGS = "1"


class TensorFlowModel:
    """A function of tensors; outputs are in the order of the `ModelFile`."""

    device = "cpu"
    concurrent = True

    def __init__(self, loaded: Loaded, model: ModelFile) -> None:
        graph = model.graph
        self._function = loaded.function
        self._inputs = [(tensor.name, loaded.keys[tensor.in_file]) for tensor in graph.inputs]
        self._outputs = [loaded.keys[tensor.in_file] for tensor in graph.outputs]
        shapes = [tensor.shape for tensor in graph.inputs] + [tensor.shape for tensor in loaded.inputs]
        fixed = [shape[0] for shape in shapes if shape and isinstance(shape[0], int)]
        self.max_batch = min(fixed) if fixed else None
        self.weight_types = loaded.weight_types

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        import tensorflow

        del graph
        found = self._function(**{key: tensorflow.constant(inputs[name]) for name, key in self._inputs})
        return [found[key].numpy() for key in self._outputs]

    def close(self) -> None:
        """Release the function and its memory."""
        del self._function


class TensorFlow:
    """TensorFlow, from the package tensorflow-cpu or tensorflow.

    Options: ``signature`` is the name of the signature of a SavedModel, ``onednn=0`` leaves oneDNN's kernels out.
    """

    devices: tuple[str, ...] = ("cpu",)
    formats: tuple[str, ...] = (SAVED_MODEL, "pb", "tf")
    requirements: tuple[str, ...] = ("tensorflow-cpu>=2.16", "tensorflow>=2.16")
    # One environment of 1.3 GB for all of its benchmarks, and for converting their files.
    also_requires: tuple[str, ...] = ("onnxruntime>=1.19", "onnx>=1.17", "tokenizers>=0.20")
    default: bool = False

    def __init__(self) -> None:
        self._onednn = ""

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> TensorFlowModel:
        """Load a SavedModel or a frozen graph; see `pytest_mlperf.backends.base.Backend.load`."""
        del device
        path, chosen = Path(file), _options(options)
        self._onednn = " with oneDNN" if chosen[ONEDNN] == "1" else " without oneDNN"
        if not model.graphs:
            raise ModelError(
                f"{path} cannot be run: its benchmark names no inputs and outputs",
                expected="a benchmark that names them for this format",
                found=str(model),
                fix="choose another file with --mlperf-variant, or another backend",
            )
        _start(threads, chosen[ONEDNN])
        if model.format == SAVED_MODEL:
            loaded = saved_model(path, chosen[SIGNATURE], model.graph)
        else:
            require_file(path, "a frozen graph of TensorFlow")
            loaded = frozen_graph(path, model.graph)
        check_tensors(path, "input", model.graph.inputs, loaded.inputs)
        check_tensors(path, "output", model.graph.outputs, loaded.outputs)
        return TensorFlowModel(loaded, model)

    def versions(self) -> Mapping[str, str]:
        """Return TensorFlow's version, and whether oneDNN computes."""
        package = next(filter(_is_installed, PACKAGES), PACKAGES[0])
        return {package: f"{version(package)}{self._onednn}", "numpy": version("numpy")}


def _options(given: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in given.items():
        if name not in DEFAULTS or (name == ONEDNN and value not in ("0", "1")):
            raise OptionError(
                f"--backend-option: tf has no option {name}={value}",
                expected="signature=NAME for a SavedModel, or onednn=0 or 1",
                found=f"{name}={value}",
                fix="choose one of these, or leave it out",
            )
    return {**DEFAULTS, **given}


def _start(threads: int, onednn: str) -> None:
    """Import TensorFlow, and set what holds for the process: both must be done before its first operation.

    A later model in the same process gets the threads of the first one, which has as many as the run may use; streams
    share them.
    """
    os.environ.setdefault(_LOG_VARIABLE, _WARNINGS)
    os.environ[_ONEDNN_VARIABLE] = onednn
    import tensorflow

    threading = tensorflow.config.threading
    if threading.get_intra_op_parallelism_threads() == 0:  # not set yet
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(threads)
        tensorflow.config.set_visible_devices([], "GPU")


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
