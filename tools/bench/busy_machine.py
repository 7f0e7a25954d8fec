"""What a busy machine costs: tiny RetinaNet, Offline, beside none, one and two programs that never rest, in turns."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HOG = [sys.executable, "-c", "while True: pass"]
CASE = ("--pyargs", "pytest_mlperf.benchmarks", "--model=retinanet-tiny", "--scenario=Offline", "--mode=performance")


def run(hogs: int) -> dict[str, Any]:
    """Run the case beside some programs, and return its result."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        for _ in range(hogs):
            hog = stack.enter_context(subprocess.Popen(HOG))
            stack.callback(hog.kill)
        file = Path(directory, "results.json")
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *CASE, f"--mlperf-json={file}", "--mlperf-output=out"],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        [result] = json.loads(file.read_text())["results"]
        return dict(result)


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    for _ in range(parser.parse_args().rounds):
        for hogs in (0, 1, 2):
            result = run(hogs)
            figure, during = result["performance"]["value"], result["machine"]["during"]
            said = "; ".join(result["machine"]["busy"]) or "quiet"
            print(
                f"{hogs} beside it: {figure:.1f} samples/s, others {during['others']}, steal {during['steal']}: {said}"
            )


if __name__ == "__main__":
    main()
