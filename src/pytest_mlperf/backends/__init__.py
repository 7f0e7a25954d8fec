"""The runtimes: one module each, found through the entry points ``pytest_mlperf.backends``."""
