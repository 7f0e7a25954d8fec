"""Reads the published checkpoint of RNN-T and writes its graphs, in an interpreter with torch and onnx.

python -m pytest_mlperf.benchmarks.rnnt_conversion CHECKPOINT DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pytest_mlperf.benchmarks.rnnt_graphs import write_graphs
from pytest_mlperf.conversion.steps import REFUSED
from pytest_mlperf.errors import ModelError
from pytest_mlperf.printable import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NoCheckpointError(Exception):
    """The file is not a checkpoint of weights; the text says what it is."""


def main(checkpoint: str, directory: str) -> int:
    """Convert a checkpoint; see `pytest_mlperf.benchmarks.rnnt_checkpoint`."""
    try:
        write_graphs(read_checkpoint(Path(checkpoint)), Path(directory))
    except (NoCheckpointError, ModelError) as error:
        print(one_line(str(error))[:500])  # noqa: T201 - its output is read
        return REFUSED
    return 0


def read_checkpoint(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a checkpoint, by the names of the reference's network.

    As in the reference, ``joint_net`` is called ``joint.net``, and the window and the mel filters are left out.
    Nothing in the file is executed.

    Raises
    ------
    NoCheckpointError
        It cannot be read, or has no ``state_dict`` of tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # OSError, RuntimeError, UnpicklingError, EOFError: all are about this file
        raise NoCheckpointError(f"{type(error).__name__}: {error}".splitlines()[0][:200]) from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise NoCheckpointError(f"no state_dict of tensors, but {_described(content)}")
    return {
        str(name).replace("joint_net", "joint.net"): value.float().numpy()
        for name, value in state.items()
        if not str(name).startswith("audio_preprocessor.")
    }


def _described(content: Any) -> str:
    if isinstance(content, dict):
        return f"a dictionary with {', '.join(map(str, list(content)[:5])) or 'nothing'}"
    return f"a {type(content).__name__}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
