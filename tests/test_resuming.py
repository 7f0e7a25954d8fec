"""The same command goes on where a killed accuracy run ended, and its log is that of a run that was never killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.sandbox import PATIENCE_SECONDS, item, wait_until

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

CASE = item("retinanet-tiny-onnxruntime-cpu-Offline", "accuracy")


def log_and_result(sandbox: Sandbox, *options: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    code, output = sandbox.run(CASE, *options)
    assert code == 0, output
    [result] = sandbox.results().values()
    log = json.loads((Path(result["output"]) / "mlperf_log_accuracy.json").read_text())
    return sorted(log, key=lambda each: each["qsl_idx"]), result


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_if_it_had_never_been_killed(sandbox: Sandbox) -> None:
    session = sandbox.start(CASE)

    def answers() -> list[Path]:
        return [path for path in sandbox.root.glob("**/.unfinished/*.answers") if path.stat().st_size > 300_000]

    wait_until(answers, "answers that are kept")
    for process in (*psutil.Process(session.pid).children(recursive=True), psutil.Process(session.pid)):
        process.kill()
    session.communicate(timeout=PATIENCE_SECONDS)
    [kept] = answers()

    log, result = log_and_result(sandbox)
    [note] = [each for each in result["notes"] if "answered by an interrupted run" in each]
    assert 0 < int(note.partition(" of ")[0]) <= 500
    assert not kept.exists()

    fresh, again = log_and_result(sandbox)
    assert not any("interrupted" in each for each in again["notes"])
    assert [(each["qsl_idx"], each["data"]) for each in log] == [(each["qsl_idx"], each["data"]) for each in fresh]
    assert result["accuracy"] == again["accuracy"]
