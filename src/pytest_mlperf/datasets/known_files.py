"""The files of a tiny edition's data set as they are known: names and digests, written by the training script."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def known_files(name: str) -> tuple[tuple[str, str], ...]:
    """Return name and SHA-256 of each file in ``data/<name>.sha256``, in its order, which is that of ``sha256sum``.

    Files that every sample needs, such as annotations, come first; then those of the samples, in sample order.
    """
    text = files("pytest_mlperf").joinpath("data", f"{name}.sha256").read_text("utf-8")
    lines = (line.split("  ", 1) for line in text.splitlines())
    return tuple((file, sha256) for sha256, file in lines)
