"""The runtimes that a C++ program can be linked for, and all in which they differ for the process that prepares."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pytest_mlperf.backends.contract import require_file
from pytest_mlperf.backends.onnxruntime import known_weights, require_session_options
from pytest_mlperf.backends.tflite import load_interpreter, precision_of, uses_xnnpack
from pytest_mlperf.backends.tflite_file import require_tflite, weight_types
from pytest_mlperf.cpp.libraries import LITERT, litert_library, onnxruntime_library
from pytest_mlperf.errors import RequirementError
from pytest_mlperf.printable import said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Runtime:
    """A runtime, as an implementation in C++ uses it.

    Attributes
    ----------
    implementation, backend
        The names of the implementation, and of the backend whose answers it gives.
    devices
        The kinds of devices that it supports.
    engine
        The directory of its sources below ``source``.
    package
        The package whose version is recorded.
    library
        Finds the shared library: in a directory, or in the environment of this interpreter.
    check_options
        Raises for an option that the backend does not have.
    check_file
        Raises for a file that is no model of its format.
    weight_types
        Reads the types of a file's weights.
    precision
        The precision in which a file with weights of some types is run; None for that of the file's row.
    has_directory
        Whether ``--onnxruntime-dir`` is about its library.
    """

    implementation: str
    backend: str
    devices: tuple[str, ...]
    engine: str
    package: str
    library: Callable[[Path | None], Path]
    check_options: Callable[[Mapping[str, str]], object]
    check_file: Callable[[Path], None]
    weight_types: Callable[[Path], Sequence[str]]
    precision: Callable[[Sequence[str]], str] | None = None
    has_directory: bool = False

    def version(self, told: str) -> str:
        """Return the library's version: as it told it itself, or that of its package."""
        try:
            return told or version(self.package)
        except PackageNotFoundError:
            return "unknown"

    def require_precision(self, weights: Sequence[str], wanted: str) -> None:
        """Raise unless a file with weights of these types is run in a precision.

        Raises
        ------
        RequirementError
            It is run in another one.
        """
        found = self.precision(weights) if self.precision is not None else wanted
        if found != wanted:
            raise RequirementError(
                f"{self.backend} did not run in {wanted}",
                expected=wanted,
                found=found,
                fix=f"choose another --precision, or an option of {self.backend} with --backend-option",
            )


def _check_tflite(model: Path) -> None:
    require_file(model, "a TensorFlow Lite model")
    require_tflite(model)
    # LiteRT's C API trusts the file, and crashes on one that is cut off; the interpreter of the same package does not.
    try:
        load_interpreter(model, threads=1, xnnpack=False)
    except (ImportError, OSError) as error:
        raise RequirementError(
            f"{LITERT} cannot be used",
            expected="a package that Python can import",
            found=said(error),
            fix=f"install another {LITERT}, or choose another --backend",
        ) from error


def _any_file(model: Path) -> None:
    """Take what is there: the program says what it cannot load."""


ONNXRUNTIME = Runtime(
    implementation="cpp",
    backend="onnxruntime",
    devices=("cpu", "cuda"),
    engine="onnxruntime",
    package="onnxruntime",
    library=onnxruntime_library,
    check_options=require_session_options,
    check_file=_any_file,
    weight_types=known_weights,
    has_directory=True,
)
LITE = Runtime(
    implementation="tflite-cpp",
    backend="tflite",
    devices=("cpu",),
    engine="litert",
    package=LITERT,
    library=litert_library,
    check_options=uses_xnnpack,
    check_file=_check_tflite,
    weight_types=weight_types,
    precision=precision_of,
)
#: By the implementation's name.
RUNTIMES = {runtime.implementation: runtime for runtime in (ONNXRUNTIME, LITE)}
