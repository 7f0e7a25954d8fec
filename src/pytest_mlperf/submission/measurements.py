"""Writes measurements.json, which describes the model's weights and inputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.submission.system import UNKNOWN

if TYPE_CHECKING:
    from pytest_mlperf.run.result import RunResult

_MLPERF_WORDS = {"float32": "fp32", "float16": "fp16", "float64": "fp64", "bfloat16": "bf16"}
_UNQUANTISED = frozenset({"fp64", "fp32", "fp16", "bf16"})


@dataclass(frozen=True)
class Measurements:
    """SYSTEM_IMP_REQUIRED_FILES of the official checker; no field may be empty."""

    input_data_types: str
    retraining: str
    starting_weights_filename: str
    weight_data_types: str
    weight_transformations: str

    @property
    def quantised(self) -> bool:
        """Whether some weights are integers or narrower than 16 bits."""
        types = self.weight_data_types.split(", ")
        return self.weight_data_types != UNKNOWN and not _UNQUANTISED.issuperset(types)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names of the unknown fields."""
        return tuple(name for name, value in vars(self).items() if value == UNKNOWN)

    def to_json(self) -> bytes:
        """Return the file's content."""
        return json.dumps(vars(self), indent=2, ensure_ascii=False).encode() + b"\n"


def measurements_of(result: RunResult) -> Measurements:
    """Return the measurements of a run's model file.

    This package does not change weights; if they are quantised, how that was done is not known.
    """
    inputs = dict.fromkeys(_MLPERF_WORDS.get(dtype, dtype) for dtype in result.input_types)
    measured = Measurements(
        input_data_types=", ".join(inputs) or UNKNOWN,
        retraining="no",
        starting_weights_filename=Path(result.model.partition("?")[0] if result.network else result.model).name,
        weight_data_types=", ".join(result.weight_types) or UNKNOWN,
        weight_transformations="none",
    )
    if not measured.quantised:
        return measured
    return Measurements(**{**vars(measured), "weight_transformations": UNKNOWN})
