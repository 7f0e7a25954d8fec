"""Which of OpenVINO's properties a user may set, and with which values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: By property: the option that decides instead.
_DECIDED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "INFERENCE_PRECISION_HINT",
            "EXECUTION_MODE_HINT",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE",
            "KV_CACHE_PRECISION",
            "KEY_CACHE_PRECISION",
            "VALUE_CACHE_PRECISION",
        ),
        "--precision",
    ),
    **dict.fromkeys(
        ("INFERENCE_NUM_THREADS", "NUM_STREAMS", "PERFORMANCE_HINT", "PERFORMANCE_HINT_NUM_REQUESTS"), "--num-threads"
    ),
    "DEVICE_ID": "--device",
}
_NO_NEWS = ("Exception from", "Check '")


def checked(given: Mapping[str, str], core: Any) -> dict[str, str]:
    """Return the user's options, if all of them can be set.

    Parameters
    ----------
    given
        The options, by name.
    core
        An ``openvino.Core``. The options are set there, too: OpenVINO then looks at the values.

    Raises
    ------
    OptionError
        There is no such option, another option decides it, or its value is invalid.
    """
    known = core.get_property("CPU", "SUPPORTED_PROPERTIES")
    allowed = [name for name, access in known.items() if access == "RW" and name not in _DECIDED]
    for name, value in given.items():
        if name in _DECIDED:
            raise OptionError(
                f"--backend-option: {name} is not to be set",
                expected=f"{_DECIDED[name]}, which decides it",
                found=f"{name}={value}",
                fix=f"leave it out, and give {_DECIDED[name]}",
            )
        if name not in allowed:
            raise OptionError(
                f"--backend-option: openvino has no option {name}",
                expected=f"one of {', '.join(allowed)}",
                found=f"{name}={value}",
                fix="see the properties of OpenVINO's CPU device",
            )
        try:
            core.set_property("CPU", {name: value})
        except Exception as error:  # OpenVINO's own have no public base class
            raise OptionError(
                f"--backend-option: {name} cannot be {value}",
                expected="a value that OpenVINO takes",
                found=reason(error),
                fix="see the properties of OpenVINO's CPU device",
            ) from error
    return dict(given)


def reason(error: Exception) -> str:
    """Return what an exception of OpenVINO says, without the places in its source that it begins with."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(_NO_NEWS)]
    return " ".join(said or lines)[:300] or type(error).__name__
