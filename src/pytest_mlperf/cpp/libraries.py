"""Finds the shared library of a runtime: in a directory that the user names, or in the installed package."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pytest_mlperf.errors import RequirementError

#: Where a build has its library, below its directory.
_PLACES = (".", "lib", "lib64", "capi", "onnxruntime/capi")
#: LiteRT's package, and the first version with the functions that the program calls.
LITERT, LITERT_SINCE = "ai-edge-litert", (2, 2)


def onnxruntime_library(directory: Path | None) -> Path:
    """Return the library in `directory`; if that is None, the one of the package in this interpreter's environment.

    Raises
    ------
    RequirementError
        There is none.
    """
    pattern = "libonnxruntime.so*"
    if directory is not None:
        if (found := _in(directory, pattern)) is None:
            raise RequirementError(
                f"{directory} has no ONNX Runtime",
                expected="libonnxruntime.so there or in its directory lib",
                found="neither" if directory.is_dir() else "no such directory",
                fix="name the directory of a build or of an unpacked release with --onnxruntime-dir",
            )
        return found
    places = _of_package("onnxruntime")
    found = next(filter(None, (_in(place, pattern) for place in places)), None)
    if found is None:
        raise RequirementError(
            "the implementation cpp needs ONNX Runtime's shared library",
            expected="libonnxruntime.so in the package onnxruntime",
            found=f"none in {places[0]}" if places else "no package onnxruntime",
            fix="install onnxruntime 1.17 or newer, or name a directory with the library with --onnxruntime-dir",
        )
    return found


def litert_library(directory: Path | None = None) -> Path:
    """Return the library of the package ai-edge-litert in this interpreter's environment.

    Raises
    ------
    RequirementError
        There is none, or one with other functions.
    """
    del directory
    places = _of_package("ai_edge_litert")
    found = next(filter(None, (_in(place, "libLiteRt.so") for place in places)), None)
    release = version(LITERT) if places else ""
    if found is None or _numbers(release) < LITERT_SINCE:
        lacking = f"none in {places[0]}" if places else f"no package {LITERT}"
        raise RequirementError(
            "the implementation tflite-cpp needs LiteRT's shared library",
            expected=f"libLiteRt.so in the package {LITERT} {'.'.join(map(str, LITERT_SINCE))} or newer",
            found=f"version {release}" if found is not None else lacking,
            fix=f"install another {LITERT}, or use --implementation python",
        )
    return found


def _of_package(name: str) -> list[Path]:
    spec = find_spec(name)
    return [Path(place) for place in spec.submodule_search_locations or ()] if spec is not None else []


def _in(directory: Path, pattern: str) -> Path | None:
    files = (file for place in _PLACES for file in sorted((directory / place).glob(pattern)) if file.is_file())
    found = next(files, None)
    return found.resolve() if found is not None else None


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".")[:2] if part.isdecimal())
