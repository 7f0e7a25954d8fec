"""What of the backend openvino needs no runtime: what it makes of what OpenVINO says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlperf.backends.base import Traits
from pytest_mlperf.backends.openvino import OpenVino
from pytest_mlperf.backends.openvino_options import checked
from pytest_mlperf.backends.openvino_precision import (
    HINTS,
    Layer,
    check_precision,
    computed_in,
    require_precision,
)
from pytest_mlperf.environments.installed import installed_version
from pytest_mlperf.errors import OptionError, RequirementError

FILE = Path("model.onnx")
OLD_CPU = ["WINOGRAD", "FP32", "INT8", "BIN", "EXPORT_IMPORT"]


class Core:
    """The properties of OpenVINO's CPU device, as 2026.4.1 lists them."""

    def __init__(self) -> None:
        self.properties = {
            "FULL_DEVICE_NAME": "RO",
            **dict.fromkeys(("INFERENCE_PRECISION_HINT", "NUM_STREAMS", "ENABLE_CPU_PINNING"), "RW"),
        }

    def get_property(self, device: str, name: str) -> dict[str, str]:
        assert (device, name) == ("CPU", "SUPPORTED_PROPERTIES")
        return self.properties

    def set_property(self, device: str, values: dict[str, str]) -> None:
        if values != {"ENABLE_CPU_PINNING": "YES"}:
            raise RuntimeError("Exception from src/core.cpp:264:\nWrong value. Expected only true/false.\n\n")


def test_a_precision_is_always_set_and_a_cpu_without_it_is_an_error() -> None:
    assert set(HINTS) == {"fp32", "bf16", "fp16", "int8"}
    require_precision("fp32", OLD_CPU, "an old one")
    require_precision("bf16", ["BF16", *OLD_CPU], "a new one")
    for precision in ("bf16", "fp16"):
        with pytest.raises(RequirementError, match=f"does not compute in {precision}[^$]*an old one: WINOGRAD"):
            require_precision(precision, OLD_CPU, "an old one")


@pytest.mark.parametrize(
    ("found", "precision", "computed"),
    [
        ([("Convolution", "f32"), ("Input", "f32"), ("Softmax", "bf16")], "fp32", ("fp32",)),
        ([("Convolution", "bf16"), ("FullyConnected", "f32"), ("Convolution", "bf16")], "bf16", ("bf16", "fp32")),
        ([("FullyConnected", "u8"), ("RNNSeq", "f32"), ("RNNSeq", "f32")], "int8", ("fp32", "int8")),
        ([("Eltwise", "f32")], "fp32", ()),
    ],
)
def test_what_the_layers_with_weights_compute_in_is_what_ran(
    found: list[tuple[str, str]], precision: str, computed: tuple[str, ...]
) -> None:
    assert computed_in(Layer(*each) for each in found) == computed
    assert check_precision(FILE, precision, HINTS[precision], computed) == precision


@pytest.mark.parametrize(
    ("asked", "hint", "computed", "ran"),
    [
        ("fp32", "bf16", ("bf16",), "bf16"),  # what OpenVINO does by default
        ("fp16", "bf16", ("bf16",), "bf16"),  # what it does where the CPU has bf16 only
        ("bf16", "f32", ("fp32",), "fp32"),  # and where it has none
        ("bf16", "f32", (), "fp32"),
        ("fp32", "f32", ("int8", "fp32"), "int8"),  # a quantised file given for a whole one
        ("int8", "f32", ("fp32",), "fp32"),  # and the other way round
    ],
)
def test_another_precision_than_the_one_asked_for_is_an_error(
    asked: str, hint: str, computed: tuple[str, ...], ran: str
) -> None:
    with pytest.raises(RequirementError, match=f"does not compute model.onnx in {asked}[^$]*found: .*{ran}"):
        check_precision(FILE, asked, hint, computed)


def test_a_property_that_openvino_takes_is_passed_on() -> None:
    assert checked({"ENABLE_CPU_PINNING": "YES"}, Core()) == {"ENABLE_CPU_PINNING": "YES"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("INFERENCE_PRECISION_HINT", "bf16", "is not to be set[^$]*--precision"),
        ("NUM_STREAMS", "4", "is not to be set[^$]*--num-threads"),
        ("FULL_DEVICE_NAME", "x", "has no option FULL_DEVICE_NAME[^$]*one of ENABLE_CPU_PINNING"),
        ("session.x", "1", "openvino has no option session.x"),
        ("ENABLE_CPU_PINNING", "blue", "cannot be blue[^$]*found: Wrong value. Expected only true/false."),
    ],
)
def test_other_options_are_refused_with_the_reason(name: str, value: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        checked({name: value}, Core())


def test_one_that_is_not_installed_or_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mlperf.environments.installed._version", {"openvino": "2024.6.0"}.get)
    with pytest.raises(RequirementError, match=r"needs the package openvino[^$]*found: openvino 2024.6.0"):
        installed_version(OpenVino.requirements, "the backend openvino")
    monkeypatch.setattr("pytest_mlperf.environments.installed._version", {}.get)
    with pytest.raises(RequirementError, match=r"found: nothing, in [^$]*pip install 'openvino>=2025"):
        installed_version(OpenVino.requirements, "the backend openvino")


def test_it_runs_only_where_it_is_asked_for_and_takes_fp32_files_in_two_more_precisions() -> None:
    traits = Traits.of(OpenVino)
    assert not traits.default
    assert [each for each in HINTS if traits.can_run(each, "fp32")] == ["fp32", "bf16", "fp16"]
    assert OpenVino.devices == ("cpu",)
