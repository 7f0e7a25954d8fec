"""What the plugin costs a pytest session that does not use it.

Run ``python tools/bench/startup.py``: an empty test file, with the plugin and with ``-p no:mlperf``, in turns.
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


def seconds(directory: Path, *options: str) -> float:
    """Return the wall time of one session."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_nothing.py"]
    # Compiled modules are written, as on a user's machine.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, cwd=directory, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print both medians and their difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "test_nothing.py").write_text("def test_nothing(): pass\n")
        seconds(directory)
        pairs = [(seconds(directory, "-p", "no:mlperf"), seconds(directory)) for _ in range(rounds)]
    without, installed = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
    more = 1e3 * statistics.median(with_it - without_it for without_it, with_it in pairs)
    print(f"plain pytest, {rounds} rounds: without {without:.0f} ms, with {installed:.0f} ms")
    print(f"median of the differences {more:.1f} ms (aim: at most 15)")


if __name__ == "__main__":
    main()
