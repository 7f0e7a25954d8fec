"""GPUs by their numbers: ``cuda:1`` is the second of those that CUDA_VISIBLE_DEVICES leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Mapping

CUDA, VISIBLE, ORDER = "cuda", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"


def number_of(device: str) -> int:
    """Return the number of a GPU: 1 for ``cuda:1``, 0 for ``cuda``."""
    return int(device.partition(":")[2] or 0)


def no_device(device: str, count: int | None) -> RequirementError:
    """Return the error about a GPU that is not there; `count` is how many there are, None if that is not known."""
    last = "cuda:0 alone" if count == 1 else f"cuda:0 to cuda:{(count or 0) - 1}"
    return RequirementError(
        f"there is no device {device}",
        expected="a GPU that CUDA shows" if not count else f"one of the GPUs that CUDA shows: {last}",
        found=device,
        fix="choose another --device, or look at CUDA_VISIBLE_DEVICES",
    )


def same_order(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variable with which CUDA numbers GPUs as nvidia-smi does, unless the user has set it.

    CUDA's own order begins with the fastest: name and clocks of another GPU would be recorded.
    """
    return {} if ORDER in environment else {ORDER: "PCI_BUS_ID"}


def on_machine(device: str, environment: Mapping[str, str]) -> str:
    """Return what a device is called on the machine, whatever CUDA_VISIBLE_DEVICES hides from this process.

    ``cuda:0`` is ``cuda:3`` where that variable is ``3``. If it names GPUs otherwise than by numbers, or does not have
    that one, the device is all of them.
    """
    kind, _, number = device.partition(":")
    visible = environment.get(VISIBLE)
    if kind != CUDA or not number or visible is None:
        return device
    places = [place.strip() for place in visible.split(",")]
    place = places[int(number)] if int(number) < len(places) else ""
    return f"{CUDA}:{int(place)}" if place.isdecimal() else CUDA
