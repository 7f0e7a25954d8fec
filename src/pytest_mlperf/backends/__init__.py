"""The backends, one module each, found by the entry points ``pytest_mlperf.backends``."""
