"""How fast a whole round's submissions are checked, and in how much memory.

Run it with ``python tools/bench/checker.py``; it makes a tree of 500 results from the tests' closed submission of v6.1
(every result with its compliance tests, as in closed division) and checks it in a process of its own on one core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.rules.submissions import EDGE, unpack_base

CHECK = """
import sys, time
from pathlib import Path
start, cpu = time.perf_counter(), time.process_time()
from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.round import find_round
round_ = find_round(sys.argv[2])
imported = time.perf_counter()
submission = read_submission(Path(sys.argv[1]), round_.layout)
read = time.perf_counter()
report = check(submission, round_, "strict")
end = time.perf_counter()
results = sum(1 for _ in report.results())
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(f"{results} results: {report.verdict}; {end - start:.2f} s ({imported - start:.2f} start, "
      f"{read - imported:.2f} reading, {end - read:.2f} judging; {time.process_time() - cpu:.2f} cpu), "
      f"{(end - imported) / results * 1e3:.2f} ms a result, peak {int(peak.split()[1]) / 1024:.0f} MiB")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--base", default="v6.1_closed", help="v6.1_closed (default), v6.1_open, v5.1_closed, v5.1_open"
    )
    parser.add_argument("--results", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", metavar="DIR", type=Path, help="make the tree there, and leave it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.keep or Path(temporary) / "round"
        if not root.exists():
            grow(unpack_base(arguments.base, root), arguments.results)
        files = [path.stat().st_size for path in root.rglob("*") if path.is_file()]
        print(f"{len(files):,} files, {sum(files) / 1e6:.0f} MB")
        for _ in range(arguments.repeat):
            command = [sys.executable, "-c", CHECK, str(root), arguments.base.partition("_")[0]]
            subprocess.run(command, check=True, preexec_fn=_one_core)


def grow(root: Path, results: int) -> None:
    """Copy the edge system, with all that it has, under further names until there are as many results."""
    submitter = next(root.glob("*/*"))
    there = len(list(submitter.glob("results/*/*/*")))
    each = len(list(submitter.glob(f"results/{EDGE}/*/*")))
    for number in range((results - there) // each):
        name = f"{EDGE}-{number:03}"
        shutil.copyfile(submitter / "systems" / f"{EDGE}.json", submitter / "systems" / f"{name}.json")
        for part in ("results", "measurements", "compliance"):
            if (submitter / part / EDGE).is_dir():
                shutil.copytree(submitter / part / EDGE, submitter / part / name)
        for file in submitter.glob(f"measurements/{name}/*/*/{EDGE}_*"):
            file.rename(file.with_name(file.name.replace(EDGE, name)))


def _one_core() -> None:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


if __name__ == "__main__":
    main()
