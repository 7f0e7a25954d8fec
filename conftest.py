"""Says what to type in a checkout where the package is not installed, before its options are called unknown."""

import sys
from importlib.util import find_spec

if find_spec("pytest_mlperf") is None:
    sys.stderr.write(
        f"pytest-mlperf is not installed for {sys.executable}\n"
        "run `make bench`; or `python -m pip install --editable .`, and then this command again\n"
    )
    raise SystemExit(4)  # pytest's exit code for a usage error
