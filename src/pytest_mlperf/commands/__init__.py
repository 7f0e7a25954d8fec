"""The command pytest-mlperf, one module a tool."""
