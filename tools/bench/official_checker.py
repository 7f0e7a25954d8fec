"""How fast real submissions are checked, beside the round's official checker, one after the other on one core.

    python tools/bench/official_checker.py INFERENCE ROUND TREE [TREE ...]

INFERENCE is a checkout of mlcommons/inference with the round's checker; the trees are submissions' directories. They
are put together to one with hard links, and both check that: time, per result, and peak memory, start included.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_mlperf.rules.round import find_round
from pytest_mlperf.submission.official_checker import find_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inference", type=Path)
    parser.add_argument("round")
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--repeat", type=int, default=2)
    options = parser.parse_args()
    round_ = find_round(options.round)
    script = find_script(options.inference, round_)
    with tempfile.TemporaryDirectory(dir=options.trees[0].parent) as temporary:
        whole = Path(temporary) / "whole"
        for tree in options.trees:
            shutil.copytree(tree, whole, symlinks=True, copy_function=os.link, dirs_exist_ok=True)
        results = sum(1 for _ in whole.glob("*/*/results/*/*/*"))
        print(f"{results:,} results")
        start = "import sys; from pytest_mlperf.commands.main import main; sys.exit(main())"
        ours = [sys.executable, "-c", start, "check", str(whole), "--round", round_.name]
        theirs = [sys.executable, "-B", str(script), "--input", str(whole), "--version", round_.name]
        theirs += ["--csv", str(Path(temporary) / "summary.csv")]
        for _ in range(options.repeat):
            for name, command in (("official", theirs), ("ours", ours)):
                seconds, cpu, mebibytes = measured(command, Path(temporary) / "output")
                each = f"{seconds / results * 1e3:.2f} ms a result"
                print(f"{name:8}  {seconds:6.2f} s ({cpu:.2f} s of cpu), {each}, peak {mebibytes:,.0f} MiB", flush=True)


def measured(command: list[str], output: Path) -> tuple[float, float, float]:
    """Run a command on one core; return its seconds, its seconds of the processor, and its peak memory in MiB."""
    start = time.perf_counter()
    with output.open("wb") as target:
        child = subprocess.Popen(command, stdout=target, stderr=target, preexec_fn=_one_core)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = status
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _one_core() -> None:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


if __name__ == "__main__":
    main()
