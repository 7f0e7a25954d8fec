"""The benchmarks: one module a task, found through the entry points ``pytest_mlperf.benchmarks``."""
