"""How long all tiny editions take in every scenario and mode, and the most memory that a child needs."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEBIBYTE = 1 << 20
COMMAND = ("--pyargs", "pytest_mlperf.benchmarks", "-k", "tiny", "--short", "-q")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", dest="workers", type=int, default=0, help="workers of pytest-xdist")
    parser.add_argument("--slowest", type=int, default=10, help="how many of the slowest items to print")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        results = Path(directory, "results.json")
        start = time.perf_counter()
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                *COMMAND,
                f"-n{arguments.workers}",
                f"--mlperf-json={results}",
                "--mlperf-output=out",
            ],
            cwd=directory,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        print(done.stdout if done.returncode else done.stdout.splitlines()[-1])
        found = json.loads(results.read_text())["results"]
    print(f"{len(found)} items in {seconds:.0f} s with -n {arguments.workers}")
    print(f"the largest child: {max(each['peak_memory_bytes'] for each in found) / MEBIBYTE:,.0f} MiB")
    for each in sorted(found, key=lambda each: -each["seconds"].get("wall", 0))[: arguments.slowest]:
        print(f"{each['seconds'].get('wall', 0):6.1f} s  {each['case']} {each['mode']}")


if __name__ == "__main__":
    main()
