"""Makes the ONNX graphs of RNN-T from the published PyTorch checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

#: Increase this when the graphs are made differently.
VERSION = 1
FIX = "give the checkpoint that mlcommons/inference names for rnnt with --model-path, or the graphs' directory"


@dataclass(frozen=True)
class CheckpointRecipe:
    """The recipe of the directory with the three graphs.

    Attributes
    ----------
    model, sha256
        The checkpoint, and its digest.
    """

    model: Path
    sha256: str
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
        RequirementError
            The packages torch and onnx, which only this needs, are not installed.
        ModelError
            It is not the checkpoint of an RNN-T.
        """
        from pytest_mlperf.backends.model_content import model_content
        from pytest_mlperf.environments.installed import installed_version

        for requirement in ("torch>=2.6", "onnx>=1.17"):
            installed_version([requirement], "converting RNN-T's PyTorch checkpoint to ONNX")
        from pytest_mlperf.benchmarks.rnnt_graphs import write_graphs

        write_graphs(read_checkpoint(self.model), directory)
        if (found := model_content(self.model, "onnx").sha256) != self.sha256:
            raise ModelError(
                f"{self.model} was changed while it was converted",
                expected=f"SHA-256 {self.sha256}",
                found=f"SHA-256 {found}",
                fix="leave the model alone while a session runs, and run it again",
            )


def read_checkpoint(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a checkpoint, by the names of the reference's network.

    As in the reference, ``joint_net`` is called ``joint.net``, and the window and the mel filters are left out.
    Nothing in the file is executed.

    Raises
    ------
    ModelError
        It cannot be read, or has no ``state_dict`` of tensors.
    """
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # OSError, RuntimeError, UnpicklingError, EOFError: all are about this file
        raise ModelError(
            f"cannot read {path}",
            expected="a PyTorch checkpoint that holds tensors and plain values only",
            found=f"{type(error).__name__}: {error}".splitlines()[0][:200],
            fix=FIX,
        ) from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(
            f"{path} has no weights",
            expected="a dictionary with state_dict, whose values are tensors",
            found=_described(content),
            fix=FIX,
        )
    return {
        str(name).replace("joint_net", "joint.net"): value.float().numpy()
        for name, value in state.items()
        if not str(name).startswith("audio_preprocessor.")
    }


def _described(content: Any) -> str:
    if isinstance(content, dict):
        return f"a dictionary with {', '.join(map(str, list(content)[:5])) or 'nothing'}"
    return f"a {type(content).__name__}"
