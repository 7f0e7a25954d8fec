"""The command pytest-mlperf, one module for each tool."""
