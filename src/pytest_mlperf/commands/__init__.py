"""The tools of the command pytest-mlperf that are no part of the cache, one module each."""
