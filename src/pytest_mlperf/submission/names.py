"""The names of a submission's files and directories in the official layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.log_files import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from pytest_mlperf.rules.round import Layout

SYSTEMS = "systems"
RESULTS = "results"
MEASUREMENTS = "measurements"
COMPLIANCE = "compliance"
MODEL_MAPPING = "model_mapping.json"
CALIBRATION = "calibration.md"
USER_CONF = "user.conf"
MLPERF_CONF = "mlperf.conf"
README = "README.md"
ACCURACY = "accuracy"
PERFORMANCE = "performance/run_1"
ACCURACY_TXT = "accuracy.txt"
#: REQUIRED_ACC_FILES without accuracy.txt, and REQUIRED_PERF_FILES, of the official checker.
ACCURACY_LOGS = (ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG)
PERFORMANCE_LOGS = (DETAIL_LOG, SUMMARY_LOG)


def code_directory(layout: Layout) -> str:
    """Return the directory of the code: ``code`` until v5.1, ``src`` from v6.0 on."""
    return "code" if layout == MEASUREMENTS else "src"


def calibration_file(layout: Layout) -> str:
    """Return the path of calibration.md; only v6.0 and newer have a directory for documentation."""
    return CALIBRATION if layout == MEASUREMENTS else f"documentation/{CALIBRATION}"


def measurements_directory(layout: Layout, result: PurePosixPath) -> PurePosixPath:
    """Return the directory of a result's measurements, user.conf and README; `result` is system/model/scenario."""
    from pathlib import PurePosixPath

    return PurePosixPath(MEASUREMENTS if layout == MEASUREMENTS else RESULTS) / result


def measurements_file(layout: Layout, result: PurePosixPath, implementation: str) -> str:
    """Return the measurements' file name; until v5.1 it contains system, implementation and scenario."""
    if layout == MEASUREMENTS:
        return f"{result.parts[0]}_{implementation}_{result.parts[-1]}.json"
    return "measurements.json"


def compliance_directory(layout: Layout, result: PurePosixPath, test: str) -> PurePosixPath:
    """Return the directory of a compliance test of a result."""
    from pathlib import PurePosixPath

    return PurePosixPath(COMPLIANCE if layout == MEASUREMENTS else RESULTS) / result / test
