"""The mean Dice coefficient of kidneys and tumours, as accuracy_kits.py of mlcommons/inference computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.errors import AccuracyLogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.datasets.volumes import CtVolumes
    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.outcomes import Scores

#: Added above and below the line, so that a class that is nowhere, and found nowhere, counts as found.
SMOOTH = 1e-6
KIDNEY, TUMOR = 1, 2


class CaseDice(NamedTuple):
    """The coefficients of one volume, and their mean."""

    kidney: float
    tumor: float
    composite: float


@dataclass(frozen=True)
class MeanDice:
    """The mean over the answered cases of each case's mean of two Dice coefficients, a fraction.

    Attributes
    ----------
    volumes
        The data set, which has the truth.
    """

    volumes: CtVolumes
    name: str = "DICE"
    unit: str = ""
    requirements: tuple[str, ...] = ("nibabel>=5.3", "scipy>=1.13")

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Score answers, one volume at a time: only one answer and its truth are in memory.

        The reference refuses a log without all cases. Here those that are answered are scored, so that a part of the
        data set has a score; that all samples are answered is a rule of its own (`pytest_mlperf.rules`).

        Parameters
        ----------
        answers
            One record for each sample: a class for each voxel, uint8, the last axis fastest.
        dataset
            The data set's directory.

        Returns
        -------
        mapping of str to float
            ``DICE``, ``kidney`` and ``tumor``, fractions.

        Raises
        ------
        AccuracyLogError
            An answer has not the size of its volume, or a class that does not exist; a sample is answered twice, or
            does not exist; or there is no answer.
        DatasetError
            The labels of a case are missing or broken.
        """
        import numpy as np

        cases = self._cases(answers, dataset)
        kidney, tumor, composite = np.array([cases[index] for index in sorted(cases)]).mean(0).tolist()
        return {self.name: composite, "kidney": kidney, "tumor": tumor}

    def outcomes(self, answers: Iterable[Record], dataset: Path) -> Scores:
        """Return each volume's mean of both coefficients; see `score`."""
        import numpy as np

        from pytest_mlperf.metrics.outcomes import Scores

        cases = self._cases(answers, dataset)
        ids = sorted(cases)
        return Scores(np.array(ids, np.int64), np.array([cases[index].composite for index in ids]))

    def _cases(self, answers: Iterable[Record], dataset: Path) -> dict[int, CaseDice]:
        """Return the coefficients of each volume."""
        cases: dict[int, CaseDice] = {}
        for index, data in answers:
            if index in cases:
                raise AccuracyLogError(
                    f"sample {index} is answered twice",
                    expected="one answer for each case",
                    found="another one",
                    fix="give the log of one accuracy run, unchanged",
                )
            cases[index] = dice(self._prediction(index, data), self.volumes.truth(dataset, index).reshape(-1))
        if not cases:
            raise AccuracyLogError(
                "no volume is answered",
                expected="at least one answer",
                found="none",
                fix="run the benchmark in accuracy mode again",
            )
        return cases

    def text(self, values: Mapping[str, float]) -> str:
        """Return the line that ``accuracy_kits.py`` prints."""
        mean, kidney, tumor = values[self.name], values["kidney"], values["tumor"]
        return f"Accuracy: mean = {mean:.5f}, kidney = {kidney:.4f}, tumor = {tumor:.4f}\n"

    def _prediction(self, index: int, data: bytes) -> NDArray[np.uint8]:
        import numpy as np

        found = np.frombuffer(data, np.uint8)
        if found.size and (largest := int(found.max())) > TUMOR:
            raise AccuracyLogError(
                f"the answer of sample {index} has a class that does not exist",
                expected="0 (background), 1 (kidney) or 2 (tumour) for each voxel",
                found=str(largest),
                fix="check that the log is from this benchmark, and that its outputs are encoded correctly",
            )
        return found


def dice(prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> CaseDice:
    """Return the coefficients of two volumes of classes 0 to 2; raises AccuracyLogError if their sizes differ."""
    if prediction.shape != truth.shape:
        raise AccuracyLogError(
            "an answer is not as large as its volume",
            expected=f"{truth.size:,} bytes, one for each voxel",
            found=f"{prediction.size:,}",
            fix="check that the log is of a run with this data set",
        )
    kidney, tumor = (_of_class(prediction == number, truth == number) for number in (KIDNEY, TUMOR))
    return CaseDice(kidney, tumor, (kidney + tumor) / 2)


def _of_class(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    import numpy as np

    both, either = np.count_nonzero(prediction & truth), np.count_nonzero(prediction) + np.count_nonzero(truth)
    return (2.0 * both + SMOOTH) / (either + SMOOTH)
