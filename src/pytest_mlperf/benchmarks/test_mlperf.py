"""Every selected case in accuracy and performance mode; compliance and conformance where they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_mlperf.plugin.fixtures import MLPerf


@pytest.mark.mlperf(mode="accuracy")
def test_accuracy(mlperf: MLPerf) -> None:
    """The metric on the data set reaches the benchmark's target."""
    mlperf.require(mlperf.run())


@pytest.mark.mlperf(mode="performance")
def test_performance(mlperf: MLPerf) -> None:
    """LoadGen calls the run valid."""
    mlperf.require(mlperf.run())


@pytest.mark.mlperf(mode="conformance")
def test_conformance(mlperf: MLPerf) -> None:
    """The backend does what every backend must do."""
    mlperf.require(mlperf.run())


@pytest.mark.mlperf(mode="compliance")
def test_compliance(mlperf: MLPerf) -> None:
    """The round's compliance test agrees with the case's accuracy and performance runs."""
    mlperf.require(mlperf.run())
