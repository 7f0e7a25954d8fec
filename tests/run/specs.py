"""A run.json for tests, of which they change what they are about."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from pytest_mlperf.implementations.protocol import RunSpec

_PLAIN = RunSpec(
    run_length="short",
    benchmark="b",
    backend="k",
    device="cpu",
    scenario="Offline",
    mode="performance",
    model="m",
    model_format="onnx",
    model_precision="fp32",
    precision="fp32",
    variant="",
    dataset="d",
    output="o",
    sample_count=1,
)


def a_spec(**changed: Any) -> RunSpec:
    """Return it with some fields changed."""
    return structs.replace(_PLAIN, **changed)
