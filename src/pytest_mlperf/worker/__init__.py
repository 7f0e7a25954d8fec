"""One LoadGen test in a process of its own: ``python -m pytest_mlperf.worker run.json``."""
