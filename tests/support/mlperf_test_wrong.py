"""ONNX Runtime as runtimes that compute wrongly, or behave badly, would be: each breaks one rule."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.backends.onnxruntime import OnnxRuntime, OnnxRuntimeModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import ModelFile


class Right(OnnxRuntime):
    """Computes what ONNX Runtime computes, under another name."""

    devices: tuple[str, ...] = ("cpu",)
    default = False

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> OnnxRuntimeModel:
        loaded = super().load(file, model, device, threads, options)
        return _Changed(loaded, self)  # type: ignore[return-value]

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        """Return what the wrong runtime gives."""
        return outputs

    def before_close(self) -> None:
        """Do what the runtime does when a model is closed."""


class _Changed:
    """A model of ONNX Runtime with changed outputs."""

    def __init__(self, model: OnnxRuntimeModel, backend: Right) -> None:
        self._model = model
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        return self._backend.change(list(self._model.run(inputs, graph)), inputs)

    def close(self) -> None:
        self._backend.before_close()
        self._model.close()


class SometimesWrong(Right):
    """Is a hundredth of the largest value off, for the one in three samples of which a checksum says so."""

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        for row, sample in enumerate(next(iter(inputs.values()))):
            if int(np.abs(sample).sum()) % 3 == 0:
                outputs[0][row] += np.float32(0.01) * np.abs(outputs[0]).max()
        return outputs


class Shapeless(Right):
    """Gives outputs without their last column."""

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        return [value[:, :-1] for value in outputs]


class NotANumber(Right):
    """Gives a NaN among its values."""

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        outputs[1][-1, -1] = np.nan
        return outputs


class Fewer(Right):
    """Gives the first output only."""

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        return outputs[:1]


class Prints(Right):
    """Prints on the standard output, as Python and as a library in C does."""

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        print("inference done")  # noqa: T201 - what it is for
        os.write(1, b"inference done\n")
        return outputs


class Spawns(Right):
    """Starts a thread for each inference and leaves it running."""

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        return outputs


class Leaks(Right):
    """Keeps three mebibytes of each inference: more than other tests of the process may free meanwhile."""

    _kept: list[NDArray[np.uint8]] = []  # noqa: RUF012 - kept on purpose

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        self._kept.append(np.ones(3 << 20, np.uint8))
        return outputs


class Quits(Right):
    """Leaves the process in an inference, with code 0."""

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        os._exit(0)


class HangsAtClose(Right):
    """Does not come back from close()."""

    def before_close(self) -> None:
        time.sleep(3600.125)


class SegfaultsAtClose(Right):
    """Frees what it has freed before."""

    def before_close(self) -> None:
        ctypes.string_at(0)


class Other(Right):
    """Computes in another precision than it was asked for, and says so."""

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> OnnxRuntimeModel:
        loaded = super().load(file, model, device, threads, options)
        vars(loaded)["precision"] = "bf16"
        return loaded


class TooOld(Right):
    """Needs a version that nobody has."""

    requirements: tuple[str, ...] = ("numpy>=99",)


class NoImport(Right):
    """Is installed and cannot be imported."""

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> OnnxRuntimeModel:
        raise ImportError("libruntime.so.7: cannot open shared object file: No such file or directory")


class MixesBatches(Right):
    """Gives every sample of a batch what belongs to the first one."""

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        return [np.repeat(value[:1], len(value), 0) for value in outputs]


class Drifts(Right):
    """Gives with each inference a little more."""

    _count = 0

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        self._count += 1
        return [value * np.float32(1 + self._count / 100) for value in outputs]


class OnlyOneThread(Right):
    """Is right with one thread, and not with more."""

    _threads = 1

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> OnnxRuntimeModel:
        of_this_model = OnlyOneThread()
        of_this_model._threads = threads
        loaded: Any = super().load(file, model, device, threads, options)
        vars(loaded)["_backend"] = of_this_model
        return loaded  # type: ignore[no-any-return]

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        return [value * np.float32(self._threads) for value in outputs]


class OneCaller(Right):
    """Says that any thread may call it, and keeps its outputs in one place."""

    _place: list[NDArray[Any]] | None = None

    def change(self, outputs: list[NDArray[Any]], inputs: Inputs) -> Outputs:
        self._place = outputs
        time.sleep(0.01)
        return self._place


class KeepsModels(Right):
    """Frees nothing when a model is closed: more than other tests of the process may free meanwhile."""

    _kept: list[NDArray[np.uint8]] = []  # noqa: RUF012 - kept on purpose

    def before_close(self) -> None:
        self._kept.append(np.ones(100 << 20, np.uint8))


class LeavesThreads(Right):
    """Leaves the threads of a closed model running."""

    def before_close(self) -> None:
        for _ in range(4):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
