"""accuracy.txt: the metric in the words of the reference implementation's script."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from pytest_mlperf.errors import SubmissionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.benchmarks.base import Benchmark


def accuracy_text(benchmark: Benchmark, metric: str, value: float, details: Mapping[str, float]) -> str:
    """Return the text of accuracy.txt, without the hash that truncation adds.

    Raises
    ------
    SubmissionError
        The line that the benchmark describes needs a figure that the score does not have.
    """
    figures = {**details, "metric": metric, "value": value}
    needed = {name for _, name, _, _ in string.Formatter().parse(benchmark.accuracy_line) if name}
    if absent := sorted(needed - figures.keys()):
        raise SubmissionError(
            f"accuracy.txt of {benchmark.name} cannot be written",
            expected=f"the figures {', '.join(sorted(needed))}",
            found=f"no {', '.join(absent)}",
            fix="let the benchmark's score() return them among its details",
        )
    return benchmark.accuracy_line.format_map(figures) + "\n"
