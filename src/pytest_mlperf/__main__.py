"""``python -m pytest_mlperf``: the command pytest-mlperf."""

import sys

from pytest_mlperf.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
