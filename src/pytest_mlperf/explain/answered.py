"""The protocol of what a run answered, by task: its outcomes, its classes, and how a sample is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from pytest_mlperf.explain.explanation import Cause, ClassChange
    from pytest_mlperf.explain.pictures import Gallery
    from pytest_mlperf.metrics.outcomes import Outcomes


@dataclass(frozen=True)
class Shown:
    """A sample for people: its sample index and its labelled texts; its pictures are in the gallery."""

    index: int
    text: tuple[tuple[str, str], ...] = ()


class Answered(Protocol):
    """What a run answered, read from its log."""

    def outcomes(self) -> Outcomes:
        """Return the outcomes of the samples, as the metric gives them."""
        ...

    def value(self) -> float:
        """Return the metric; NaN where these samples have none."""
        ...

    def take(self, ids: Iterable[Any]) -> Self:
        """Return the answers to some samples, by what names them in the outcomes."""
        ...

    def indices(self) -> Sequence[int]:
        """Return the sample indices of the answers, in the order of the log."""
        ...

    def classes(self, now: Outcomes, before: Outcomes | None) -> Iterable[ClassChange]:
        """Return the metric of each class, from the outcomes of this run and of the baseline for the same samples."""
        ...

    def show(self, sample: Any, gallery: Gallery) -> Shown:
        """Return a sample's texts, and put its pictures into the gallery."""
        ...


class Correction(NamedTuple):
    """What the answers would be without a fault.

    Attributes
    ----------
    name
        The fault, as the cause is named.
    done
        What was done about it, for the evidence: ``with x and y of the boxes exchanged``.
    answers
        The corrected answers, to the same samples.
    """

    name: str
    done: str
    answers: Answered


#: Yields the corrections of a fault; only the best of them is named.
Correcting = Callable[[Any], Iterator[Correction]]
#: Looks for a symptom that is the cause itself: gets the answers, and the baseline's outcomes of the same samples.
Symptom = Callable[[Any, "Outcomes | None"], "Cause | None"]
