"""Runs the worker as the plugin does, for the benches that compare it with a bare loop."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from pytest_mlperf.implementations.base import Program
from pytest_mlperf.implementations.protocol import ExecutionLayout, RunSpec
from pytest_mlperf.implementations.python import PYTHON
from pytest_mlperf.rules.detail_log import DetailLog, read_detail_log
from pytest_mlperf.run.child import execute

#: Where the test runtimes and the benches' own are.
RUNTIMES = (Path(__file__).parents[2] / "tests" / "support", Path(__file__).parent)
PROGRAM = Program((sys.executable, "-m", "pytest_mlperf.worker"))
ONNXRUNTIME = "pytest_mlperf.backends.onnxruntime:OnnxRuntime"


def run(program: Program = PROGRAM, **settings: Any) -> tuple[DetailLog, ExecutionLayout]:
    """Run one performance case with a program; return LoadGen's detail log and the layout that the warm-up chose."""
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, RUNTIMES))
    with tempfile.TemporaryDirectory() as output:
        defaults: dict[str, Any] = {"device": "cpu", "mode": "performance", "run_length": "short", "output": output}
        defaults |= {"model_format": "onnx", "model_precision": "fp32", "precision": "fp32", "variant": ""}
        finished = execute(RunSpec(**defaults | settings), PYTHON, program, lambda _: None)
        layout = finished.result.layout
        if layout is None:
            raise RuntimeError("the run has no layout")
        return read_detail_log(Path(output) / "mlperf_log_detail.txt"), layout
