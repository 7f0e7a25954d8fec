"""A busy machine is said beside the figure, and is a failure where a quiet one was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from tests.sandbox import item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Sandbox

#: 1 s of sleeping at least: the machine's time is free for others.
RUN = (item("null-slow-cpu-Offline", "performance"), "--test-query-count=200")


@pytest.fixture
def one_busy_cpu() -> Iterator[None]:
    """What the test starts may use one CPU only, and another program uses it, too."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield
    hog.kill()
    hog.wait()
    os.sched_setaffinity(0, allowed)


@pytest.mark.usefixtures("one_busy_cpu")
@pytest.mark.slow
def test_a_busy_machine_is_said_everywhere_and_fails_where_a_quiet_one_is_required(sandbox: Sandbox) -> None:
    code, output = sandbox.run(*RUN)
    assert code == 0, output
    assert "note: null-slow-cpu-Offline: busy machine: before the test other processes used " in output
    [result] = sandbox.results().values()
    assert result["verdict"] == "VALID"
    machine = result["machine"]
    assert machine["cores"]["affinity"] == 1
    assert machine["during"]["others"] > 0.05
    assert any(word.startswith("during the test other processes used ") for word in machine["busy"])
    properties = {p.get("name"): p.get("value") for p in ET.parse(sandbox.root / "xml").iter("property")}  # noqa: S314
    assert properties["mlperf.busy"] == "; ".join(machine["busy"])

    code, output = sandbox.run(*RUN, "--mlperf-require-quiet")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "the machine was busy [quiet-machine]" in output
    [result] = sandbox.results().values()
    assert result["verdict"] == "INVALID"


def test_an_accuracy_run_has_no_figure_and_needs_no_quiet(sandbox: Sandbox) -> None:
    code, output = sandbox.run(item("null-null-cpu-Offline"), "--mlperf-require-quiet")
    assert code == 0, output
    [result] = sandbox.results().values()
    assert result["machine"] is None
