"""How long ``pytest-mlperf cache show`` takes on a thousand entries.

Run ``python tools/bench/cache_show.py``: whole processes, in turns with a Python that does nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from pytest_mlperf.artifacts.entries import File, Manifest
from pytest_mlperf.artifacts.layout import CONTENT, MANIFEST
from pytest_mlperf.artifacts.recipe import FORMAT, entry_name

_NOTHING = [sys.executable, "-c", "pass"]


def fill(root: Path, entries: int, files: int) -> None:
    """Make entries as the store does, with short files and manifests that list `files` of them."""
    listed = tuple(File(f"images/{number:016x}.jpg", 100_000, f"{number:064x}") for number in range(files))
    for number in range(entries):
        kind, name, key = ("model", "dataset")[number % 2], f"retinanet OpenImages {number}", {"number": number}
        source = f"https://zenodo.org/records/{number}/files/resnext50_32x4d_fpn.onnx"
        size, created, made_by = files * 100_000, "2026-01-01T00:00:00+00:00", "pytest-mlperf, Python"
        manifest = Manifest(FORMAT, kind, name, {**key}, source, listed, (), size, created, made_by, 1.0)
        entry = root / kind / entry_name(kind, name, key)
        (entry / CONTENT).mkdir(parents=True)
        (entry / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def seconds(command: list[str]) -> float:
    """Return the wall time of one process."""
    # Compiled modules are written, as on a user's machine.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print the median, and the ratio to a bare Python."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--files", type=int, default=20, help="files that each manifest lists")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name), options.entries, options.files)
        show = [sys.executable, "-m", "pytest_mlperf", "cache", "show", "--cache", name]
        seconds(show)
        pairs = [(seconds(_NOTHING), seconds(show)) for _ in range(options.rounds)]
    nothing, shown = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"cache show, {options.entries} entries of {options.files} files, {options.rounds} rounds: {shown:.3f} s")
    print(f"python -c pass: {nothing:.3f} s; ratio {statistics.median(b / a for a, b in pairs):.1f} (aim: under 0.3 s)")


if __name__ == "__main__":
    main()
