"""The figures of results as OpenMetrics text, each a gauge with the case and the run as labels."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from pytest_mlperf.printable import one_line
from pytest_mlperf.report.flat import figures, part_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_mlperf.run.result import RunResult

#: What says how a run was made and judged, or is another with each run: not what a change is to be seen in.
_LEFT_OUT = frozenset(
    "target samples valid wall_seconds errors checks baseline drop drop_lower drop_upper".split()  # noqa: SIM905
)
_PREFIX = "mlperf_"


def openmetrics(results: Iterable[RunResult]) -> str:
    """Return the text, with the gauges and their labels in an order that depends on the results' names only."""
    gauges: dict[str, list[str]] = {}
    repeated: Counter[tuple[str, ...]] = Counter()
    for result in results:
        run = (result.case, part_of(result), result.label)
        repeated[run] += 1
        labels = _labels(*run, repetition=repeated[run])
        for name, value in figures(result).items():
            if name not in _LEFT_OUT:
                gauges.setdefault(_PREFIX + re.sub(r"\W", "_", name), []).append(f"{labels} {value!r}")
    return "\n".join([*_lines(gauges), "# EOF", ""])


def _lines(gauges: dict[str, list[str]]) -> Iterator[str]:
    for name, samples in sorted(gauges.items()):
        yield f"# TYPE {name} gauge"
        yield from (f"{name}{sample}" for sample in samples)


def _labels(case: str, run: str, label: str, *, repetition: int) -> str:
    known = {"case": case, "run": run, "label": label, "repetition": str(repetition) if repetition > 1 else ""}
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in known.items() if value) + "}"


def _escaped(text: str) -> str:
    # To GitLab a # begins a comment wherever it stands.
    return one_line(text).replace("#", "_").replace("\\", "\\\\").replace('"', '\\"')
