"""All results of a session in one JSON file, for --mlperf-json."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf import __version__
from pytest_mlperf.report.rescue import write_or_rescue

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.report.finished import Finished


def write_results(path: Path, finished: Finished) -> None:
    """Write the results to `path`; if that fails, to a file beside the results or in the temporary directory.

    Raises
    ------
    OutputError
        `path` cannot be written; the message says where the results are instead.
    """
    content = msgspec.json.encode({"pytest_mlperf": __version__, "results": finished.results})
    write_or_rescue(path, msgspec.json.format(content, indent=2) + b"\n", "--mlperf-json", finished)
