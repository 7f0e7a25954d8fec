"""The protocol of metrics: from answers to values, and to the line of accuracy.txt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_mlperf.metrics.accuracy_log import Record


class Metric(Protocol):
    """A measure of quality.

    Attributes
    ----------
    name
        The value's name: ``mAP``.
    unit
        The unit in which MLPerf states it: ``%``, or empty.
    requirements
        Packages for computing it, besides numpy.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def unit(self) -> str: ...  # noqa: D102 - see the class

    @property
    def requirements(self) -> tuple[str, ...]: ...  # noqa: D102 - see the class

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Compute the metric, and possibly further values, from the answers: one record for each sample.

        Raises
        ------
        AccuracyLogError
            The answers are not what the metric expects.
        DatasetError
            The data set's directory is not what the metric expects.
        """
        ...

    def text(self, values: Mapping[str, float]) -> str:
        """Return the content of accuracy.txt: the line of the official script, which the official checker reads."""
        ...


@runtime_checkable
class ScoresParts(Protocol):
    """A metric of more than samples, such as of questions that have several samples each.

    The first samples of the data set are a part of it: without this, a metric is over what the answers are of.
    """

    def over(self, samples: int) -> Metric:
        """Return the same metric, over what the first `samples` samples are of."""
        ...
