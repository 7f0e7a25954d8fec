"""Three small benchmarks and a backend for pytest-mlperf."""
