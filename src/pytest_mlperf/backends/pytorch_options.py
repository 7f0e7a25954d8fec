"""The options of the backend pytorch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from pytest_mlperf.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class PyTorchOptions:
    """What ``--backend-option`` sets.

    Attributes
    ----------
    compile
        Whether the program is compiled with ``torch.compile``, which on the cpu needs a C++ compiler.
    channels_last
        Whether images and the weights of convolutions are laid out with the channels last.
    keep_memory
        Whether freed memory is kept for the next inference, and not given back to the system.
    """

    compile: bool = False
    channels_last: bool = True
    keep_memory: bool = True

    @classmethod
    def of(cls, given: Mapping[str, str]) -> PyTorchOptions:
        """Return the options by their names.

        Raises
        ------
        OptionError
            There is no such option, or its value is none.
        """
        known = [each.name for each in fields(cls)]
        for name, value in given.items():
            if name not in known:
                raise OptionError(
                    f"--backend-option: pytorch has no option {name}",
                    expected=f"one of {', '.join(known)}",
                    found=f"{name}={value}",
                    fix="leave it out, or choose one of these",
                )
            if value.lower() not in (*_TRUE, *_FALSE):
                raise OptionError(
                    f"--backend-option: {name} is true or false",
                    expected="true or false",
                    found=f"{name}={value}",
                    fix=f"write {name}=true",
                )
        return cls(**{name: value.lower() in _TRUE for name, value in given.items()})
