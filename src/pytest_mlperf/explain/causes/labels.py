"""Causes of a low top-1 accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlperf.explain.answered import Correcting, Correction, Symptom
from pytest_mlperf.explain.explanation import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.explain.labels import LabelAnswers
    from pytest_mlperf.metrics.outcomes import Outcomes

#: The part of the answers that are one class, the part that may be it, and the fewest answers that show it.
_ONE_CLASS, _OFTEN, _FEWEST = 0.9, 0.5, 10


def one_class(answers: LabelAnswers, before: Outcomes | None) -> Cause | None:
    """Nearly every picture gets the same class: the model does not see its input."""
    del before
    if len(answers.given) < _FEWEST:
        return None
    values, counts = np.unique(answers.given, return_counts=True)
    most, count = int(values[counts.argmax()]), int(counts.max())
    expected = float(np.mean(answers.expected == most))
    if count < _ONE_CLASS * len(answers.given) or expected > _OFTEN:
        return None
    words = f"{count:,} of {len(answers.given):,} answers are class {most}, which {100 * expected:.2g} % should be"
    return Cause(name="always the same answer", evidence=words)


def labels_shifted(answers: LabelAnswers) -> Iterator[Correction]:
    """Classes with a background at the start where the labels have none, or the other way round: 1,001 and 1,000."""
    for step, words in ((-1, "lower"), (1, "higher")):
        yield Correction(
            "labels shifted by one", f"with every class one {words}", answers.with_given(answers.given + step)
        )


SYMPTOMS: Final[tuple[Symptom, ...]] = (one_class,)
CORRECTIONS: Final[tuple[Correcting, ...]] = (labels_shifted,)
