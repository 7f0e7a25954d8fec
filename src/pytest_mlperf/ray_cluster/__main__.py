"""Runs one case as the worker does, with models and samples in Ray actors: reads run.json, writes result.json."""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_mlperf.ray_cluster.place import RayPlace
from pytest_mlperf.worker.__main__ import main

if __name__ == "__main__":
    main(Path(sys.argv[1]), RayPlace)
