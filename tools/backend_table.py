"""Run the tiny editions on every backend in every precision, and write the table of docs/backends.md.

Run ``python tools/backend_table.py docs/backends.md``. Each case is an accuracy run in Offline, whose environment is
made if it is not there. A cell is the metric's part of the float32 reference; ``fails`` did not pass. There is no fp16:
few CPUs compute in it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PRECISIONS = ("fp32", "bf16", "int8")
BEGIN, END = "<!-- made by tools/backend_table.py: begin -->", "<!-- end -->"
NO_CASE = 4
SESSION = (
    *("--pyargs", "pytest_mlperf.benchmarks", "-k", "tiny", "--short", "--scenario=Offline", "--mode=accuracy"),
    *("--backend=all", "--mlperf-fetch"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="the page whose table is written")
    parser.add_argument("options", nargs="*", help="more options for pytest, after --")
    arguments = parser.parse_args()
    results = [result for precision in PRECISIONS for result in run(precision, arguments.options)]
    text = arguments.page.read_text(encoding="utf-8")
    made = f"{BEGIN}\n{table(results)}{END}"
    arguments.page.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: made, text, flags=re.DOTALL), encoding="utf-8")


def run(precision: str, options: list[str]) -> list[dict[str, Any]]:
    """Return the results of all cases of a precision."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "results.json")
        command = [sys.executable, "-m", "pytest", *SESSION, f"--precision={precision}", f"--mlperf-json={file}"]
        done = subprocess.run([*command, *options], cwd=directory, check=False)
        if done.returncode == NO_CASE:
            return []
        found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["results"]
        return found


def table(results: list[dict[str, Any]]) -> str:
    """Return the table: a row for each task and precision, a column for each backend."""
    cells = {(each["benchmark"], each["precision"], each["backend"]): cell(each) for each in results}
    backends = sorted({backend for _, _, backend in cells}, key=lambda name: (name != "onnxruntime", name))
    rows = sorted(
        {(task, precision) for task, precision, _ in cells}, key=lambda row: (row[0], PRECISIONS.index(row[1]))
    )
    lines = [["task", "precision", *backends], ["---"] * (2 + len(backends))]
    lines += [[*row, *(cells.get((*row, backend), "–") for backend in backends)] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(result: dict[str, Any]) -> str:
    """Return the metric's part of the reference, or that the case did not pass."""
    accuracy = result["accuracy"]
    if accuracy is None:
        return "fails"
    [limit, *_] = accuracy["limits"]
    part = accuracy["values"][limit["value"]] / limit["reference"]
    return f"{part:.4f}" if result["verdict"] == "reached" else f"{part:.4f} fails"


if __name__ == "__main__":
    main()
