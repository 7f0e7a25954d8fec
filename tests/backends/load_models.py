"""Loads models with a backend, runs them on colours, and prints what came of each; run where the runtime is installed.

Argument: a list in JSON of objects with ``backend``, ``benchmark`` and ``row`` as the package names them, ``file``,
``batches``, and ``options``. It prints a list with an ``error``, or with what the model is and answers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np

from pytest_mlperf.errors import MLPerfError

#: Red, green, blue, of 224 pixels, less the means, with the channels last.
COLOURS = np.array([[130, -110, -100], [-120, 130, -100], [-120, -110, 150], [60, 8, 7]], np.float32)


def images(count: int, shape: tuple[int | None, ...]) -> Any:
    """Return images of one colour each; `shape` is of the input, and its 3 says where the channels are."""
    colours = COLOURS[np.arange(count) % len(COLOURS)]
    if shape[-1] == 3:
        return np.broadcast_to(colours[:, None, None], (count, 224, 224, 3)).copy()
    return np.broadcast_to(colours[:, :, None, None], (count, 3, 48, 48)).copy()


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    benchmark = resolve_name(case["benchmark"])
    row = benchmark.model_file(*case["row"])
    backend = resolve_name(case["backend"])()
    try:
        model = backend.load(Path(case["file"]), row, "cpu", 1, case.get("options", {}))
    except MLPerfError as error:
        return {"error": f"{error.what}\n{error.expected}\n{error.found}\n{error.fix}"}
    shape = row.graph.inputs[0].shape if row.graphs else (None, 224, 224, 3)
    answers = [[value.tolist() for value in model.run({"image": images(size, shape)})] for size in case["batches"]]
    found = {
        "max_batch": model.max_batch,
        "weights": list(model.weight_types),
        "device": model.device,
        "answers": answers,
        "versions": backend.versions(),
    }
    model.close()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps([outcome(case) for case in json.loads(sys.argv[1])]))
