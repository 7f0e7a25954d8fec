"""verify_accuracy.txt and verify_performance.txt: the real comparisons, with the texts of mlcommons/inference.

Sources of the texts: compliance/TEST01/verify_accuracy.py and verify_performance.py, compliance/TEST04/
verify_performance.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SCORES = {
    "Offline": "result_samples_per_second",
    "SingleStream": "early_stopping_latency_ss",
    "MultiStream": "early_stopping_latency_ms",
    "Server": "result_completed_samples_per_sec",
}
THRESHOLD = 0.10


def accuracy_verified(accuracy_log: Path, test_log: Path) -> str:
    """Compare the answers of a TEST01 run with those of the accuracy run; SystemExit when one differs."""
    reference = json.loads(accuracy_log.read_text("utf-8"))
    test = json.loads(test_log.read_text("utf-8"))
    answers = {entry["qsl_idx"]: entry["data"] for entry in reference}
    differing = [entry["qsl_idx"] for entry in [*reference, *test] if answers.get(entry["qsl_idx"]) != entry["data"]]
    if differing or not test:
        raise SystemExit(f"{test_log}: {len(test)} answers; {len(differing)} differ from those of {accuracy_log}")
    return (
        "Verifying accuracy. This might take a while...\n"
        "Reading accuracy mode results...\n"
        "Reading performance mode results...\n"
        f"num_acc_log_entries = {len(reference)}\n"
        # LoadGen fills the last query of MultiStream with samples that it has asked for already.
        f"num_acc_log_duplicate_keys = {len(reference) - len(answers)}\n"
        "num_acc_log_data_mismatch = 0\n"
        f"num_perf_log_entries = {len(test)}\n"
        f"num_perf_log_qsl_idx_match = {len(test)}\n"
        "num_perf_log_data_mismatch = 0\n"
        "num_missing_qsl_idxs = 0\n"
        "TEST PASS\n\n"
    )


def performance_verified(kind: str, scenario: str, reference_log: Path, test_log: Path) -> str:
    """Compare the scores of a compliance run and its performance run; SystemExit when they do not agree."""
    reference, test = _score(reference_log, scenario), _score(test_log, scenario)
    label = "{} score = {}\n"
    if kind == "TEST04":
        if scenario in ("SingleStream", "MultiStream"):
            reference, test = 1e9 / reference, 1e9 / test
        agree = test < reference * (1 + THRESHOLD)
        names = "reference", "test"
    else:
        agree = reference * (1 - THRESHOLD) <= test <= reference * (1 + THRESHOLD)
        names = "Reference", "Test"
    if not agree:
        raise SystemExit(f"{test_log}: score {test}, of the performance run {reference}")
    scores = label.format(names[0], reference) + label.format(names[1], test)
    return "Verifying performance.\n" + scores + "TEST PASS\n"


def read_log(path: Path) -> dict[str, Any]:
    """Return the values of a detail log; the first of a key counts."""
    values: dict[str, Any] = {}
    for line in path.read_text("utf-8").splitlines():
        entry = json.loads(line.removeprefix(":::MLLOG "))
        values.setdefault(entry["key"], entry["value"])
    return values


def _score(path: Path, scenario: str) -> float:
    values = read_log(path)
    if values["result_validity"] != "VALID":
        raise SystemExit(f"{path}: the result is not valid")
    return float(values[SCORES[scenario]])
