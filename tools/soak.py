"""Runs many short sessions under pytest-xdist, and says how long each lived on after it had written its results.

Run ``python tools/soak.py --sessions 500``. A session that does not end within ``--limit`` seconds after it has
written its JSON file is described in ``hang-N.txt`` (its processes, their open files, and their stacks where py-spy is
installed) and killed. ``--at-once`` makes the machine as busy as is wanted. Each session has a temporary directory of
its own: under ``-n``, pytest removes those of earlier sessions when it ends, which may take minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
#: Two benchmark runs for each worker, of a model that does nothing.
CASES = ("--model=null", "--backend=null", "--scenario=Offline,SingleStream")
EASY = ("--dataset-size=8", "--test-query-count=70", "--target-qps=2000")
#: What a session may take to its results.
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Ended:
    """One session: its exit code, the seconds to its results and from there to its end, and whether it was killed."""

    code: int
    ran: float
    closed: float
    hung: bool


def session(directory: Path, number: int, limit: float, arguments: list[str]) -> Ended:
    """Run one session and watch its end."""
    here = directory / f"session-{number}"
    (here / "tmp").mkdir(parents=True)
    report = here / "results.json"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(ROOT / "benchmarks"), "-n2"]
    path = os.pathsep.join(filter(None, [str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(here / "tmp")}
    started = time.monotonic()
    with (here / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, *CASES, *EASY, f"--mlperf-json={report}", *arguments],
            cwd=here,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        written = results_of(process, report, started + PATIENCE_SECONDS)
        hung = not waited(process, limit)
        closed = time.monotonic()
        if hung:
            describe(process, directory / f"hang-{number}.txt", (here / "output").read_text(errors="replace"))
    if not hung and process.returncode == 0:
        shutil.rmtree(here)
    return Ended(process.wait(), written - started, closed - written, hung)


def results_of(process: subprocess.Popen[bytes], report: Path, deadline: float) -> float:
    """Return when the results were written, or the process ended without."""
    while not report.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return time.monotonic()


def waited(process: subprocess.Popen[bytes], limit: float) -> bool:
    """Return whether the process ends within `limit` seconds."""
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        return False
    return True


def describe(process: subprocess.Popen[bytes], file: Path, output: str) -> None:
    """Write down what a session's processes do, then kill them."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=Path(sys.executable).parent)
    lines = [output]
    for each in family:
        try:
            lines.append(f"--- {each.pid}, child of {each.ppid()}: {each.status()} {each.cmdline()}")
            lines += [f"{fd.name} -> {fd.readlink()}" for fd in Path(f"/proc/{each.pid}/fd").iterdir()]
        except (psutil.Error, OSError) as error:
            lines.append(str(error))
        if spy:
            done = subprocess.run([spy, "dump", "--pid", str(each.pid)], capture_output=True, text=True, check=False)
            lines.append(done.stdout + done.stderr)
    file.write_text("\n".join(lines))
    for each in family:
        each.kill()


def failed(ended: Ended) -> bool:
    return ended.code != 0


def main() -> None:
    """Run the sessions and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=1, help="how many sessions run at the same time")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds from the results to the end")
    parser.add_argument("--directory", type=Path, help="where sessions that hang or fail leave their files")
    parser.add_argument("arguments", nargs="*", help="more arguments for pytest, after --")
    options = parser.parse_args()
    directory = options.directory or Path(tempfile.mkdtemp(prefix="soak-"))
    found: list[Ended] = []
    with ThreadPoolExecutor(options.at_once) as pool:
        numbers = range(options.sessions)
        for each in pool.map(lambda n: session(directory, n, options.limit, options.arguments), numbers):
            found.append(each)
            closed = [one.closed for one in found]
            counts = f"{len(found)} sessions, {sum(one.hung for one in found)} hung, {sum(map(failed, found))} failed"
            ends = f"median {statistics.median(closed):.1f} s, longest {max(closed):.1f} s"
            print(f"{counts}; from the results to the end: {ends}", flush=True)
    print(f"files of those that hung or failed: {directory}")


if __name__ == "__main__":
    main()
