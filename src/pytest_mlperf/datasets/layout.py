"""The paths of OpenImages in a data set's directory, as MLPerf's scripts write it."""

from __future__ import annotations

from pathlib import Path

ANNOTATIONS = Path("annotations", "openimages-mlperf.json")
IMAGES = Path("validation", "data")
CALIBRATION_IMAGES = Path("calibration", "data")
