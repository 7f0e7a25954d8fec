"""The peak memory of an Offline run at RetinaNet's official size, against its samples, its model and the runtime.

    python tools/bench/export_full_size.py retinanet-full.onnx
    python tools/bench/peak_memory.py retinanet-full.onnx

The run has 64 samples in memory, as LoadGen loads them for this benchmark. It is held against their size and the peak
of a process that only loads the model into ONNX Runtime, with the layout of the run, and answers one image with each
session.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from full_size import make_dataset
from plugin_run import ONNXRUNTIME, PROGRAM

from pytest_mlperf.implementations.protocol import RunSpec
from pytest_mlperf.implementations.python import PYTHON
from pytest_mlperf.run.child import execute

MEBIBYTE, SAMPLES, SAMPLE = 1 << 20, 64, 3 * 800 * 800 * 4
BARE = """
import sys, threading
import numpy as np, onnxruntime
from pytest_mlperf.worker.peak import PeakMemory

model, streams, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
sessions = [onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]) for _ in range(streams)]
image = {"images": np.zeros((1, 3, 800, 800), np.float32)}
workers = [threading.Thread(target=session.run, args=(None, image)) for session in sessions]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(PeakMemory().size)
"""


def main() -> None:
    """Print both peaks and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        dataset, output = Path(name, "data"), Path(name, "output")
        dataset.mkdir()
        output.mkdir()
        make_dataset(dataset, SAMPLES)
        spec = RunSpec(
            benchmark="pytest_mlperf.benchmarks.retinanet:OFFICIAL",
            backend=ONNXRUNTIME,
            device="cpu",
            scenario="Offline",
            mode="performance",
            run_length="short",
            model=str(options.model.absolute()),
            model_format="onnx",
            model_precision="fp32",
            precision="fp32",
            variant="",
            dataset=str(dataset),
            output=str(output),
            sample_count=SAMPLES,
            test_query_count=SAMPLES,
        )
        result = execute(spec, PYTHON, PROGRAM, lambda _: None).result
    if result.layout is None:
        raise RuntimeError("the run has no layout")
    words = [str(options.model), str(result.layout.streams), str(result.layout.threads)]
    bare = int(subprocess.run([sys.executable, "-c", BARE, *words], check=True, capture_output=True, text=True).stdout)
    whole = bare + SAMPLES * SAMPLE
    print(json.dumps({"layout": words[1:], "run": result.peak_memory_bytes, "bare": bare, "samples": SAMPLES * SAMPLE}))
    print(
        f"the run {result.peak_memory_bytes / MEBIBYTE:,.0f} MiB, model and runtime {bare / MEBIBYTE:,.0f} MiB, "
        f"{SAMPLES} samples {SAMPLES * SAMPLE / MEBIBYTE:,.0f} MiB"
    )
    print(f"ratio {result.peak_memory_bytes / whole:.3f} (aim: at most 1.2)")


if __name__ == "__main__":
    main()
