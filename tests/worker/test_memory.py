from __future__ import annotations

import subprocess
import sys

MEBIBYTE = 1 << 20
ASK = "from pytest_mlperf.worker.peak import PeakMemory; print(PeakMemory().size)"


def test_a_childs_peak_memory_is_its_own_and_not_its_parents() -> None:
    ballast = bytearray(400 * MEBIBYTE)
    ballast[:: 1 << 12] = b"x" * len(ballast[:: 1 << 12])
    answer = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert 5 * MEBIBYTE < int(answer.stdout) < 300 * MEBIBYTE
