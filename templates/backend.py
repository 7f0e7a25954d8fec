"""A backend: copy this file into your package, and change what a comment says you should.

It runs as it is, on the benchmark of benchmark.py. pyproject.toml of your package names it:

    [project.entry-points."pytest_mlperf.backends"]
    myruntime = "my_package.backend:MyRuntime"

Then: pytest benchmarks --backend myruntime
"""

# The runtime is imported inside of functions: pytest imports this file to collect the cases, whether or not the runtime
# is installed there.

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.errors import ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.benchmarks.base import ModelFile


class MyRuntime:
    """numpy as a runtime: the format ``npz``, with an array ``matrix`` and an array ``bias``."""

    # Change these.
    devices: tuple[str, ...] = ("cpu",)
    formats: tuple[str, ...] = ("npz",)  # the preferred one first
    requirements: tuple[str, ...] = ("numpy>=1.26",)  # what pip installs for it; any one of them serves

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> MyRuntimeModel:
        """Load a model; `threads` is how many threads each inference may use."""
        del device, threads  # Change this: give them to the runtime.
        if options:
            raise OptionError(
                "--backend-option: myruntime has no options",
                expected="none",
                found=", ".join(f"{name}={value}" for name, value in options.items()),
                fix="leave --backend-option out",
            )
        return MyRuntimeModel(_arrays(Path(file)), [tensor.name for tensor in model.graph.inputs])

    def versions(self) -> Mapping[str, str]:
        """Return the versions of the packages that do the work."""
        import numpy as np

        return {"numpy": np.__version__}


class MyRuntimeModel:
    """A loaded model."""

    device: str = "cpu"  # Change this: what the runtime says after loading, not what it was asked for.
    max_batch: int | None = None  # any
    concurrent: bool = True  # `run` may be called from several threads at once
    weight_types: Sequence[str] = ("fp32",)

    def __init__(self, arrays: dict[str, NDArray[Any]], inputs: Sequence[str]) -> None:
        self._arrays = arrays
        [self._input] = inputs

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        """Run one batch; the outputs stand in the order of the `ModelFile`'s. Raise when it fails."""
        del graph  # the name of the graph, where a model has several
        return (inputs[self._input] @ self._arrays["matrix"] + self._arrays["bias"],)

    def close(self) -> None:
        """Free what the model holds."""
        self._arrays.clear()


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return {"matrix": file["matrix"], "bias": file["bias"]}
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"myruntime cannot load {path}",
            expected="an .npz file with matrix and bias",
            found=str(error),
            fix="name another file with --model-path",
        ) from error
