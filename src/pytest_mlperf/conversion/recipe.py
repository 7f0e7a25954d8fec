"""The recipe of a converted model: a script of this directory, run with a tool's Python, which checks what it made."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.model_content import require_unchanged
from pytest_mlperf.errors import ModelError
from pytest_mlperf.origin import Derived, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from pytest_mlperf.artifacts.recipe import KeyValue
    from pytest_mlperf.backends.model_file import ModelFile

    #: Returns some real inputs by their names in the ONNX file; the first dimension is the sample.
    RealInputs = Callable[[], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Form:
    """A form into which ONNX files are converted.

    Attributes
    ----------
    words
        What it is called, for messages.
    script
        The script of this directory. Its arguments are the ONNX file, an .npz with real inputs, and what to make; it
        compares the outputs of both files for each of the inputs.
    suffix
        That of the file; empty for a directory.
    tool
        The packages that the script imports.
    version
        Increase this when the file is made differently.
    """

    words: str
    script: str
    suffix: str
    tool: Tool
    version: int = 1


TFLITE = Form("TensorFlow Lite", "to_tflite.py", ".tflite", Tool(("onnx2tf==2.6.9",), python=">=3.12"))
#: The tool's environment is that of the backend's cases, see its pinned set: TensorFlow has more than a gigabyte.
SAVED_MODEL = Form("a SavedModel", "to_savedmodel.py", "", Tool(("tensorflow-cpu==2.21.0", "onnx", "onnxruntime")))


@dataclass(frozen=True)
class ConversionRecipe:
    """The recipe of a converted model.

    Attributes
    ----------
    model, sha256
        The ONNX file, and its digest; see `pytest_mlperf.backends.model_content`.
    interpreter
        The Python that has the tool's packages.
    form
        What it is converted into.
    inputs
        Gives the inputs on which both files must agree.
    """

    model: Path
    sha256: str
    interpreter: str
    form: Form
    inputs: RealInputs
    kind: str = "model"

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"{self.model.stem} {self.form.suffix.lstrip('.') or 'savedmodel'}"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        return f"converted from {self.model.name} with {self.form.tool.requirements[0]}"

    def key(self) -> dict[str, KeyValue]:
        """Return what determines the model: the tool's environment has pinned packages."""
        return {
            "sha256": self.sha256,
            "script": self.form.script,
            "tool": list(self.form.tool.requirements),
            "version": self.form.version,
        }

    def build(self, directory: Path) -> None:
        """Convert the file, and compare the outputs of both for real inputs.

        Raises
        ------
        ModelError
            It cannot be converted, or its outputs are others; or the ONNX file is not that with the digest.
        """
        from pytest_mlperf.environments.commands import run_command

        target = directory / f"{self.model.stem}{self.form.suffix}" if self.form.suffix else directory
        with tempfile.TemporaryDirectory() as place:
            inputs = Path(place) / "inputs.npz"
            _save(inputs, self.inputs())
            script = Path(__file__).with_name(self.form.script)
            arguments = [str(script), str(self.model.absolute()), str(inputs), str(target.absolute())]
            done = run_command([self.interpreter, "-I", *arguments], {"TF_CPP_MIN_LOG_LEVEL": "2"})
        if done.code != 0:
            raise ModelError(
                f"{self.model.name} cannot be converted to {self.form.words}",
                expected=f"a model with the outputs of {self.model}",
                found=done.last_lines(6),
                fix="run it with the backend onnxruntime, or give a converted model with --model-path",
            )
        require_unchanged(self.model, "onnx", (), self.sha256, during="it was converted")


def converted(row: ModelFile, form: Form, to: str, inputs: RealInputs, *, ready: Path | None = None) -> ModelFile:
    """Return the model file that is converted from an ONNX file.

    Parameters
    ----------
    row
        The ONNX file, which may be made from another one.
    form, to
        What it is converted into, and the format's name.
    inputs
        Real inputs, on which both must agree.
    ready
        The converted file where it ships.
    """
    from dataclasses import replace

    from pytest_mlperf.origin import Url

    def recipe(model: Path, sha256: str, interpreter: str) -> ConversionRecipe:
        return ConversionRecipe(model, sha256, interpreter, form, inputs)

    assert not isinstance(row.source, Url)  # noqa: S101 - a file is a file
    source = Derived(row.source, recipe, form.tool, source_format="onnx", ready=ready)
    return replace(row, format=to, source=source, directory=not form.suffix, instead=None)


def _save(place: Path, inputs: Mapping[str, NDArray[Any]]) -> None:
    import numpy as np

    arrays: dict[str, Any] = dict(inputs)
    np.savez(place, **arrays)
