"""The recipe of the ONNX graphs of RNN-T, which are made from the published PyTorch checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.backends.model_content import require_unchanged
from pytest_mlperf.conversion.steps import reason, run_module
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

#: Increase this when the graphs are made differently.
VERSION = 1


@dataclass(frozen=True)
class CheckpointRecipe:
    """The recipe of the directory with the three graphs.

    Attributes
    ----------
    model, sha256
        The checkpoint, and its digest.
    interpreter
        A Python with torch and onnx.
    """

    model: Path
    sha256: str
    interpreter: str
    kind: str = "model"
    name: str = "rnnt graphs"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        return f"converted from {self.model.name}"

    def key(self) -> dict[str, str | int]:
        """Return what determines the graphs."""
        return {"sha256": self.sha256, "version": VERSION}

    def build(self, directory: Path) -> None:
        """Convert the checkpoint.

        Raises
        ------
        ModelError
            It is not the checkpoint of an RNN-T.
        """
        done = run_module(self.interpreter, "pytest_mlperf.benchmarks.rnnt_conversion", self.model, directory)
        if done.code:
            raise ModelError(
                f"{self.model} cannot be converted to ONNX",
                expected="a PyTorch checkpoint with the weights of RNN-T, and nothing but tensors and plain values",
                found=reason(done),
                fix="give the checkpoint that mlcommons/inference names for rnnt with --model-path,"
                " or the graphs' directory",
            )
        require_unchanged(self.model, "onnx", (), self.sha256, during="it was converted")
