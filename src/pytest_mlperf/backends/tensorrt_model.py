"""Runs an engine of TensorRT's: one engine for all threads, and for each call at a time a stream and its memory."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.cuda_memory import Buffers, Gpu
from pytest_mlperf.backends.gpus import number_of
from pytest_mlperf.backends.tensorrt_builder import BUILT, dtype_name, listener
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph


class TensorRTModel:
    """An engine on one GPU; outputs are in the order of the `ModelFile`."""

    concurrent = True

    def __init__(self, file: Path, graph: Graph, device: str, weight_types: Sequence[str]) -> None:
        import tensorrt as trt

        gpu, heard = Gpu(number_of(device)), list[str]()
        gpu.choose()
        # The runtime and its logger must outlive the engine.
        self._runtime = trt.Runtime(listener(trt, heard))
        engine = self._runtime.deserialize_cuda_engine(file.read_bytes())
        if engine is None:
            raise ModelError(
                f"TensorRT {trt.__version__} cannot load the engine {file}",
                expected="an engine that this version built for this GPU",
                found=heard[-1] if heard else "no reason",
                fix="remove it from the cache: pytest-mlperf cache prune",
            )
        self._engine: _Engine | None = _Engine(engine, graph, gpu, heard)
        self._lanes: deque[_Lane] = deque()
        self.max_batch = self._engine.max_batch
        self.precision = json.loads(file.with_name(BUILT).read_text("utf-8"))["precision"]
        self.weight_types = weight_types
        self.device = self._found_device(device)

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch."""
        del graph
        lane = self._lane()
        try:
            return lane.run(inputs)
        finally:
            self._lanes.append(lane)

    def close(self) -> None:
        """Give the memory of the GPU back."""
        while self._lanes:
            self._lanes.pop().close()
        self._engine = None

    def _lane(self) -> _Lane:
        assert self._engine is not None  # noqa: S101 - not used after close
        try:
            return self._lanes.pop()
        except IndexError:  # as many as there are calls at once
            return _Lane(self._engine)

    def _found_device(self, asked: str) -> str:
        """Return the device whose memory the engine is given, as the user would say it."""
        lane = self._lane()
        owners = lane.owners()
        self._lanes.append(lane)
        if owners == {number_of(asked)}:
            return asked
        return ", ".join(f"cuda:{number}" for number in sorted(owners))


class _Engine:
    """An engine, with the names of what the benchmark gives and reads."""

    def __init__(self, engine: Any, graph: Graph, gpu: Gpu, heard: list[str]) -> None:
        self.engine = engine
        self.gpu = gpu
        self.heard = heard
        self.inputs = {tensor.in_file: tensor.name for tensor in graph.inputs}
        self.outputs = [tensor.in_file for tensor in graph.outputs]
        self.dtypes = {name: dtype_name(engine.get_tensor_dtype(name)) for name in self.outputs}
        first = next(iter(self.inputs))
        fixed = engine.get_tensor_shape(first)[0]
        last = engine.num_optimization_profiles - 1
        self.max_batch = int(fixed if fixed > 0 else engine.get_tensor_profile_shape(first, last)[2][0])


class _Lane:
    """One inference at a time: a stream, memory, and a context for each profile of the engine."""

    def __init__(self, engine: _Engine) -> None:
        self._of = engine
        self._stream = engine.gpu.new_stream()
        self._buffers = Buffers(engine.gpu)
        self._contexts: dict[int, Any] = {}
        # The smallest batch's, so that the memory is known to be there.
        self._buffers.at_least(engine.outputs[0], 1)

    def owners(self) -> set[int]:
        """Return the numbers of the GPUs that have the memory."""
        return self._buffers.owners()

    def run(self, inputs: Inputs) -> list[NDArray[Any]]:
        """Copy a batch to the GPU, run the engine, and copy its outputs back."""
        import numpy as np

        of, stream = self._of, self._stream
        of.gpu.choose()  # what calls may be any thread
        given = {name: np.ascontiguousarray(inputs[ours]) for name, ours in of.inputs.items()}
        context = self._context(len(next(iter(given.values()))))
        for name, array in given.items():
            if not context.set_input_shape(name, array.shape):
                raise RuntimeError(f"TensorRT does not take {name} of the shape {array.shape}: {self._why()}")
            address = self._buffers.at_least(name, array.nbytes)
            context.set_tensor_address(name, address)
            of.gpu.copy_in(address, array, stream)
        made = {name: self._output(context, name) for name in of.outputs}
        if not context.execute_async_v3(stream):
            raise RuntimeError(f"TensorRT cannot run the engine: {self._why()}")
        for array, address in made.values():
            of.gpu.copy_out(array, address, stream)
        of.gpu.wait(stream)
        return [array for array, _ in made.values()]

    def close(self) -> None:
        """Give all of it back."""
        self._of.gpu.choose()
        self._contexts.clear()
        self._buffers.free()
        self._of.gpu.end_stream(self._stream)

    def _context(self, batch: int) -> Any:
        """Return the context for a batch: the first profile of several is that of one sample."""
        engine = self._of.engine
        profile = 0 if batch == 1 else engine.num_optimization_profiles - 1
        if profile not in self._contexts:
            context = engine.create_execution_context()
            if context is None:
                raise RuntimeError(f"TensorRT has no memory for another inference at a time: {self._why()}")
            if engine.num_optimization_profiles > 1:
                context.set_optimization_profile_async(profile, self._stream)
            self._contexts[profile] = context
        return self._contexts[profile]

    def _output(self, context: Any, name: str) -> tuple[NDArray[Any], int]:
        """Return an array for an output, and its memory on the GPU."""
        import numpy as np

        shape = tuple(context.get_tensor_shape(name))
        if any(length < 0 for length in shape):
            raise ModelError(
                f"the shape of {name} depends on what is computed",
                expected="outputs whose shapes follow from those of the inputs",
                found=f"{name} {list(shape)}",
                fix="give a model without such an output: RetinaNet in the form heads",
            )
        array = np.empty(shape, self._of.dtypes[name])
        address = self._buffers.at_least(name, array.nbytes)
        context.set_tensor_address(name, address)
        return array, address

    def _why(self) -> str:
        return self._of.heard[-1] if self._of.heard else "it gives no reason"
