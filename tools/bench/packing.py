"""How fast a submission is packed, at each level of gzip, beside `tar -cz` and a plain copy.

Run it with ``python tools/bench/packing.py RUNS``: RUNS is a directory with finished runs (mlperf-results). Their logs
are put into a tree of many results until it has the wanted size; each way is timed several times, the best counts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.submission.tarball import pack

if TYPE_CHECKING:
    from collections.abc import Callable

TAR = shutil.which("tar") or "tar"
LOGS = ("mlperf_log_detail.txt", "mlperf_log_summary.txt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary, "submission")
        size = fill(tree, arguments.runs, arguments.megabytes * 1_000_000)
        print(f"{size / 1e6:.0f} MB in {sum(path.is_file() for path in tree.rglob('*')):,} files")
        out = Path(temporary, "out")
        for level in (1, 3, 6, 9):
            report(f"pack, level {level}", size, out, arguments.times, lambda: pack(tree, out, level=level))  # noqa: B023
            report(f"tar -c | gzip -{level}", size, out, arguments.times, lambda: tar(tree, out, level))  # noqa: B023
        report("tar -c", size, out, arguments.times, lambda: tar(tree, out, None))
        report("copy", size, out, arguments.times, lambda: shutil.copytree(tree, out))


def fill(tree: Path, runs: Path, size: int) -> int:
    """Copy the runs' logs into the tree under ever new names; return their bytes."""
    files = [path for name in LOGS for path in sorted(runs.rglob(name)) if path.stat().st_size]
    if not files:
        raise SystemExit(f"{runs} has no finished runs")
    written = number = 0
    while written < size:
        number += 1
        for path in files:
            target = tree / f"open/Bench/results/system{number:04d}" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            written += path.stat().st_size
    return written


def tar(tree: Path, out: Path, level: int | None) -> None:
    how = ["-I", f"gzip -{level}"] if level is not None else []
    # Into a file that tar does not know for /dev/null, which it would not write at all.
    subprocess.run([TAR, "-C", str(tree), *how, "-cf", str(out), "open"], check=True)
    with out.open("rb") as file:
        os.fsync(file.fileno())


def report(name: str, size: int, out: Path, times: int, run: Callable[[], object]) -> None:
    best = float("inf")
    for _ in range(times):
        shutil.rmtree(out, ignore_errors=True) if out.is_dir() else out.unlink(missing_ok=True)
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    made = out.stat().st_size if out.is_file() else size
    print(
        f"{name:20}{size / 1e6 / best:8.0f} MB/s {best:7.2f} s, {made / 1e6:8.1f} MB, {size / made:5.1f}:1", flush=True
    )


if __name__ == "__main__":
    main()
