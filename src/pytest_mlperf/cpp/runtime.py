"""Finds the shared library of ONNX Runtime: in a directory that the user names, or in the installed package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pytest_mlperf.errors import RequirementError

#: Where a build has its library, below its directory.
_PLACES = (".", "lib", "lib64", "capi", "onnxruntime/capi")
_PATTERN = "libonnxruntime.so*"


def onnxruntime_library(directory: Path | None) -> Path:
    """Return the library in `directory`; if that is None, the one of the package in this interpreter's environment.

    Raises
    ------
    RequirementError
        There is none.
    """
    if directory is not None:
        if (found := _in(directory)) is None:
            raise RequirementError(
                f"{directory} has no ONNX Runtime",
                expected="libonnxruntime.so there or in its directory lib",
                found="neither" if directory.is_dir() else "no such directory",
                fix="name the directory of a build or of an unpacked release with --onnxruntime-dir",
            )
        return found
    spec = find_spec("onnxruntime")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    found = next(filter(None, (_in(Path(place)) for place in places)), None)
    if found is None:
        raise RequirementError(
            "the implementation cpp needs ONNX Runtime's shared library",
            expected="libonnxruntime.so in the package onnxruntime",
            found=f"none in {places[0]}" if places else "no package onnxruntime",
            fix="install onnxruntime 1.17 or newer, or name a directory with the library with --onnxruntime-dir",
        )
    return found


def _in(directory: Path) -> Path | None:
    files = (file for place in _PLACES for file in sorted((directory / place).glob(_PATTERN)) if file.is_file())
    found = next(files, None)
    return found.resolve() if found is not None else None
