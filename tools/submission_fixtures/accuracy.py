"""accuracy.txt and the truncation of accuracy logs.

The rule is that of tools/submission/truncate_accuracy_log.py in mlcommons/inference: the SHA-256 of the whole log
goes into accuracy.txt, and of the log the first and the last 4096 bytes remain.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from submission_fixtures.bases import Benchmark

VIEWABLE_SIZE = 4096
GAP = b"\n\n...\n\n"


def accuracy_text(benchmark: Benchmark, entries: int) -> str:
    """Return what the benchmark's accuracy script might print for a log of so many entries."""
    if benchmark.conf_name == "resnet50":
        good = round(0.76456 * entries)
        return f"accuracy={100 * good / entries:.3f}%, good={good}, total={entries}\n"
    if benchmark.conf_name == "retinanet":
        return "mAP=37.552%\n"
    return "Accuracy: mean = 0.86170, kidney = 0.93470, tumor = 0.78870\n"


def write_truncated(log: Path, folder: Path, text: str) -> None:
    """Write accuracy.txt with `text` and the hash of `log`, and what a submission shows of the log."""
    whole = log.read_bytes()
    digest = hashlib.sha256(whole).hexdigest()
    shown = whole if len(whole) < VIEWABLE_SIZE else whole[:VIEWABLE_SIZE] + GAP + whole[-VIEWABLE_SIZE:]
    (folder / "accuracy.txt").write_text(f"{text}\nhash={digest}\n", "utf-8")
    (folder / log.name).write_bytes(shown)
