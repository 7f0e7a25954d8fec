"""The process that publishes to one dashboard: ``python -m … NAME FROM TO SECONDS``."""

from __future__ import annotations

import math
import os
import signal
import sys
from pathlib import Path

import msgspec

from pytest_mlperf.errors import MLPerfError
from pytest_mlperf.printable import said
from pytest_mlperf.registry import Registry
from pytest_mlperf.report.dashboards.base import Publication
from pytest_mlperf.report.dashboards.publishing import Answer, end_children


def main(name: str, given: Path, answer: Path, seconds: float) -> None:
    """Publish, and write an `Answer`."""
    # The session ends this process in time; where the session is killed, nobody else would.
    signal.alarm(math.ceil(seconds) + 5)
    content = msgspec.json.decode(given.read_bytes(), type=Publication)
    try:
        left = Answer(seen=tuple(map(str, Registry().dashboard(name).publish(content))))
    except MLPerfError as error:
        left = Answer(what=error.what, expected=error.expected, found=error.found, fix=error.fix)
    except Exception as error:  # a client raises what it likes
        left = Answer(
            what=f"the results were not published to {name}, or not all of them",
            expected="a server that takes them",
            found=said(error),
            fix="look whether its server can be reached, and takes the key that is set",
        )
    answer.write_bytes(msgspec.json.encode(left))
    if left.what:
        # A client that has failed would try once more at the interpreter's end, for minutes.
        end_children(os.getpid())
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
