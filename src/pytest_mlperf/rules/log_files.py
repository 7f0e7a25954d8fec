"""The files that LoadGen leaves of a run, and the samples of its power."""

from __future__ import annotations

ACCURACY_LOG = "mlperf_log_accuracy.json"
DETAIL_LOG = "mlperf_log_detail.txt"
SUMMARY_LOG = "mlperf_log_summary.txt"
SPL = "spl.txt"
