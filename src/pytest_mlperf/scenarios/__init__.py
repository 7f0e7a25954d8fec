"""The scenarios of MLPerf, one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.scenarios import multi_stream, offline, server, single_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.scenarios.base import Scenario

SCENARIOS: Mapping[str, Scenario] = {
    each.SCENARIO.name: each.SCENARIO for each in (offline, server, single_stream, multi_stream)
}
