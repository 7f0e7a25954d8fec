"""A function of the user's as a backend: ``predict(inputs)`` gives the outputs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from inspect import isclass
from typing import TYPE_CHECKING, Any, cast

from pytest_mlperf.backends.model_file import FUNCTION
from pytest_mlperf.errors import ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Backend, Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile


def as_backend(found: Any) -> Backend:
    """Return a backend for what a reference names: a class of backends, or a function.

    Raises
    ------
    TypeError
        It is neither.
    """
    if isclass(found) and hasattr(found, "load") and hasattr(found, "formats"):
        return cast("Backend", found())
    if callable(found):
        return Function(found)
    raise TypeError(f"{found!r} is neither a function nor a class of backends")


class Function:
    """Answers with a function.

    It may have these attributes: ``devices``, by default ``("cpu",)``; ``max_batch``; ``concurrent``, whether several
    threads may call it at once; ``weight_types`` and ``versions``, for the results.
    """

    formats: tuple[str, ...] = (FUNCTION,)
    requirements: tuple[str, ...] = ("numpy>=1.26",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.devices: tuple[str, ...] = tuple(getattr(function, "devices", ("cpu",)))
        self._turns: AbstractContextManager[Any] = threading.Lock()
        if getattr(function, "concurrent", False):
            self._turns = nullcontext()

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> FunctionModel:
        """Return the function as a model; it is not told the number of threads."""
        del threads
        if options:
            raise OptionError(
                "--backend-option: a function has no options",
                expected="none",
                found=", ".join(f"{name}={value}" for name, value in options.items()),
                fix="leave --backend-option out",
            )
        return FunctionModel(self._function, str(file), model.graphs, device, self._turns)

    def versions(self) -> Mapping[str, str]:
        """Return the function's ``versions``, and NumPy's."""
        import numpy as np

        return {"numpy": np.__version__, **getattr(self._function, "versions", {})}


class FunctionModel:
    """A function that answers for a model's graphs; if there are several, it is also given the graph's name."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        graphs: Sequence[Graph],
        device: str,
        turns: AbstractContextManager[Any],
    ) -> None:
        self._function = function
        self._name = name
        self._graphs = {graph.name: graph for graph in graphs}
        self._turns = turns
        self.device = device
        self.concurrent = bool(getattr(function, "concurrent", False))
        self.weight_types: Sequence[str] = tuple(getattr(function, "weight_types", ()))
        firsts = [tensor.shape[0] for graph in graphs for tensor in graph.inputs if tensor.shape]
        batches = [*filter(None, firsts), *filter(None, [getattr(function, "max_batch", None)])]
        self.max_batch = min(batches) if batches else None

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Call the function; what it returns may be one array, several, or a mapping by the names of the outputs."""
        with self._turns:
            found = self._function(inputs, graph) if len(self._graphs) > 1 else self._function(inputs)
        return self._outputs(self._graphs[graph], found)

    def close(self) -> None:
        """Do nothing: the function holds what it holds until the process ends."""

    def _outputs(self, graph: Graph, found: Any) -> list[NDArray[Any]]:
        import numpy as np

        names = [tensor.name for tensor in graph.outputs]
        values = [found[name] for name in names if name in found] if isinstance(found, Mapping) else found
        if isinstance(values, np.ndarray) or not isinstance(values, Sequence):
            values = [values]
        if len(values) < len(names) or any(value is None for value in values):
            raise ModelError(
                f"{self._name} does not return the outputs of the benchmark's model",
                expected=f"{', '.join(names)}: arrays in this order, or a mapping with these names",
                found=", ".join(map(str, found)) if isinstance(found, Mapping) else f"{len(values)} of {type(found)}",
                fix="return an array for each of them",
            )
        arrays = [np.asarray(value) for value in values]
        return [_like(array, tensor.dtype) for array, tensor in zip(arrays, graph.outputs, strict=False)]


def _like(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return an array in the type that the benchmark reads, if it is only wider or narrower."""
    import numpy as np

    return array.astype(dtype, copy=False) if array.dtype.kind == np.dtype(dtype).kind else array
