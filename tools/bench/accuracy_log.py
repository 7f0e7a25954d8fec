"""How fast an accuracy log of RetinaNet's size is read, and in how much memory.

Run it with ``python tools/bench/accuracy_log.py``; it writes a log of 24,781 records of 300 boxes (420 MB)
to a temporary directory and reads it in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

READ = """
import resource, sys, time
from pathlib import Path
from pytest_mlperf.metrics.accuracy_log import float32_rows, read_records

start_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start, cpu = time.perf_counter(), time.process_time()
records = float32_rows(read_records(Path(sys.argv[1])), 7)
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{len(records.qsl_idx):,} records, {records.values.nbytes / 1e6:.0f} MB of boxes")
print(f"{'float32_rows':14}{wall:7.2f} s wall, {cpu:.2f} s cpu, peak {peak:.0f} MiB, was {start_rss:.0f}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=24_781)
    parser.add_argument("--boxes", type=int, default=300)
    parser.add_argument("--json", action="store_true", help="also time json.loads of the file, the usual way")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "mlperf_log_accuracy.json"
        write(path, arguments.records, arguments.boxes)
        print(f"{path.stat().st_size / 1e6:.0f} MB of log")
        subprocess.run([sys.executable, "-c", READ, str(path)], check=True)
        if arguments.json:
            subprocess.run([sys.executable, "-c", READ_WITH_JSON, str(path)], check=True)


READ_WITH_JSON = """
import json, resource, sys, time
import numpy as np
from pathlib import Path

start = time.perf_counter()
entries = json.loads(Path(sys.argv[1]).read_text())
boxes = [np.frombuffer(bytes.fromhex(entry["data"]), "<f4") for entry in entries]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{'json.loads':14}{time.perf_counter() - start:7.2f} s wall, peak {peak:.0f} MiB")
"""


def write(path: Path, records: int, boxes: int) -> None:
    random = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("[\n")
        for index in range(records):
            rows = random.random((boxes, 7), np.float32)
            rows[:, 0] = index
            line = {"seq_id": index, "qsl_idx": index, "data": rows.tobytes().hex().upper()}
            file.write(json.dumps(line, separators=(", ", " : ")) + (",\n" if index < records - 1 else "\n"))
        file.write("]\n")


if __name__ == "__main__":
    main()
