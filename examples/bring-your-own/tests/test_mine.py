"""A model, a function and a backend of one's own, as tests."""

import pytest

from functions import same_as_onnxruntime


@pytest.mark.mlperf("balanced-tiny", backend="plain", scenario=["Offline", "SingleStream"])
def test_my_backend(mlperf):
    assert mlperf.run().accuracy.value >= 0.99 * mlperf.reference


@pytest.mark.mlperf("balanced-tiny", backend="onnxruntime", scenario="Offline")
def test_my_function(mlperf):
    result = mlperf.run(backend=same_as_onnxruntime)
    mlperf.require(result)
    assert result.backend == "functions.same_as_onnxruntime"
