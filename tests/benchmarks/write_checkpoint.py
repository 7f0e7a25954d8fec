"""Writes checkpoints with PyTorch: ``write_checkpoint.py KIND FILE [WEIGHTS.npz]``, in an interpreter that has it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch


def published(weights: str) -> dict[str, Any]:
    """Return a checkpoint as the published one is laid out."""
    with np.load(weights) as file:
        state = {name.replace("joint.net", "joint_net"): torch.from_numpy(file[name]) for name in file.files}
    state["audio_preprocessor.featurizer.fb"] = torch.zeros(1, 80, 257)
    state["audio_preprocessor.featurizer.window"] = torch.zeros(320)
    return {"epoch": 100, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}


OTHERS: dict[str, Any] = {
    "code": {"state_dict": Path("x")},
    "a dictionary with model": {"model": {}},
    "numbers": {"state_dict": {"a": 1}},
    "a list": [1],
}

if __name__ == "__main__":
    kind, target, *weights = sys.argv[1:]
    content = OTHERS[kind] if kind in OTHERS else published(*weights)
    torch.save(content, target, _use_new_zipfile_serialization=kind != "old")
