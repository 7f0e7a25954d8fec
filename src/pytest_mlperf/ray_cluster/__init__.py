"""One system under test on the nodes of a Ray cluster: ``python -m pytest_mlperf.ray_cluster run.json``."""
