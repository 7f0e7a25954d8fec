"""A plugin of pytest for the tests' own sessions: their device leases may lie in a directory of the test."""

from __future__ import annotations

import os
from pathlib import Path

if _place := os.environ.get("MLPERF_TEST_LEASES"):
    from pytest_mlperf.run import device

    device.PLACES = (Path(_place),)
