"""Writes what a training script records beside a tiny model: its reference, and the digests of what that is of."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def write_digests(files: Iterable[tuple[str, bytes]], target: Path) -> None:
    """Write the digests of named files, as sha256sum does."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files]
    target.write_text("".join(lines), encoding="utf-8")


def write_record(
    model: Path, metric: str, by_count: Sequence[float | None], *, seed: int, command: str, **facts: float
) -> None:
    """Write what the benchmark needs to know of a model, and print its reference.

    Parameters
    ----------
    model
        The ONNX file, or the directory of several; the record is beside it.
    metric
        The name of the value.
    by_count
        The reference on the first 1, 2, 3 ... samples; None where nothing can be scored.
    seed, command
        How it was made.
    facts
        What else is told of it.
    """
    record = {
        "metric": metric,
        "reference": by_count[-1],
        **facts,
        "seed": seed,
        "torch": torch.__version__.partition("+")[0],
        "sha256": _digests(model),
        "command": command,
        "reference_by_count": list(by_count),
    }
    model.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{metric} {by_count[-1]}")


def _digests(model: Path) -> str | dict[str, str]:
    if model.is_dir():
        return {file.name: _sha256(file) for file in sorted(model.glob("*.onnx"))}
    return _sha256(model)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
