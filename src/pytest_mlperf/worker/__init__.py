"""Runs one LoadGen test in its own process: ``python -m pytest_mlperf.worker run.json``."""
