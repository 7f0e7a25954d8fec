"""What the plugin costs a pytest session that does not use it.

Run ``python tools/bench/startup.py``: an empty test file, with the plugin and with ``-p no:mlperf``, in turns. On a
busy machine the processor time is the steadier of the two figures.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def milliseconds(directory: Path, *options: str) -> tuple[float, float]:
    """Return the wall time and the processor time of one session."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_nothing.py"]
    # Compiled modules are written, as on a user's machine.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=directory, env=environment, check=True, stdout=subprocess.DEVNULL)
    end, after = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return 1e3 * (end - start), 1e3 * processor


def main() -> None:
    """Print the times without and with the plugin, and the median of their differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "test_nothing.py").write_text("def test_nothing(): pass\n")
        milliseconds(directory)
        pairs = [(milliseconds(directory, "-p", "no:mlperf"), milliseconds(directory)) for _ in range(rounds)]
    print(f"plain pytest, {rounds} rounds (aim: at most 10 ms more)")
    for kind, what in enumerate(("wall", "processor")):
        without, installed = ([each[kind] for each in times] for times in zip(*pairs, strict=True))
        more = statistics.median(b - a for a, b in zip(without, installed, strict=True))
        print(
            f"{what} time: without {statistics.median(without):.0f} ms (least {min(without):.0f}), "
            f"with {statistics.median(installed):.0f} ms (least {min(installed):.0f}), "
            f"median of the differences {more:.1f} ms"
        )


if __name__ == "__main__":
    main()
