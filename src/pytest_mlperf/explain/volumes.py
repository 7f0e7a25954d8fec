"""What a run of 3D-UNet answered: a class for each voxel of a volume."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlperf.explain.answered import Shown
from pytest_mlperf.explain.explanation import ClassChange
from pytest_mlperf.explain.pictures import Contour, with_contours
from pytest_mlperf.metrics.mean_dice import KIDNEY, TUMOR, CaseDice, dice
from pytest_mlperf.metrics.outcomes import Scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.explain.pictures import Colour, Gallery
    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.outcomes import Outcomes

    Labels = NDArray[np.uint8]

#: The classes, and the colours of their outlines as they should be and as they are given.
CLASSES: Final = ((KIDNEY, "kidney"), (TUMOR, "tumor"))
_EXPECTED: Final[Mapping[int, Colour]] = {KIDNEY: (255, 255, 255), TUMOR: (255, 221, 51)}
_GIVEN: Final[Mapping[int, Colour]] = {KIDNEY: (86, 180, 233), TUMOR: (255, 60, 180)}
_AXES: Final = ("first", "second", "third")


@dataclass(eq=False)
class VolumeAnswers:
    """Labels by volume.

    Attributes
    ----------
    benchmark, dataset
        The benchmark and the data set's directory.
    given
        By sample index: ``uint8[D, H, W]``, 0 to 2, in the shape of the truth.
    """

    benchmark: Benchmark
    dataset: Path
    given: dict[int, Labels]
    _truth: dict[int, Labels] = field(default_factory=dict)

    def truth(self, sample: int) -> Labels:
        """Return the true labels of a volume."""
        if sample not in self._truth:
            volumes: Any = self.benchmark.metric
            self._truth[sample] = volumes.volumes.truth(self.dataset, sample)
        return self._truth[sample]

    def _coefficients(self) -> dict[int, CaseDice]:
        return {n: dice(given.reshape(-1), self.truth(n).reshape(-1)) for n, given in sorted(self.given.items())}

    def outcomes(self) -> Scores:
        """Return each volume's mean of both coefficients."""
        found = self._coefficients()
        return Scores(np.array(list(found), np.int64), np.array([each.composite for each in found.values()]))

    def value(self) -> float:
        """Return the mean Dice coefficient."""
        return self.outcomes().value() if self.given else float("nan")

    def mapped(self, change: Callable[[Labels], Labels]) -> VolumeAnswers:
        """Return the same volumes with other labels."""
        return replace(self, given={sample: change(labels) for sample, labels in self.given.items()})

    def take(self, ids: Iterable[Any]) -> VolumeAnswers:
        """Return the answers to some volumes."""
        wanted = set(ids)
        return replace(self, given={sample: labels for sample, labels in self.given.items() if sample in wanted})

    def indices(self) -> Sequence[int]:
        """Return the sample indices of the volumes."""
        return sorted(self.given)

    def classes(self, now: Outcomes, before: Outcomes | None) -> Iterator[ClassChange]:
        """Yield the mean Dice coefficient of each class; a baseline keeps only the mean of both."""
        del now, before
        found = list(self._coefficients().values())
        for place, (_, name) in enumerate(CLASSES):
            yield ClassChange(name=name, before=None, now=float(np.mean([each[place] for each in found])))

    def show(self, sample: Any, gallery: Gallery) -> Shown:
        """Draw along each axis the slice with most wrong voxels, with the outlines of both labels."""
        given, truth = self.given[sample], self.truth(sample)
        opened = self.benchmark.dataset.open(self.dataset, sample + 1, self.benchmark.variant)
        volume = np.asarray(opened[sample]["input"])
        wrong = given != truth
        for axis in range(3):
            place = int(wrong.sum(axis=tuple(other for other in range(3) if other != axis)).argmax())
            cut = tuple(place if each == axis else slice(None) for each in range(3))
            contours = [Contour(truth[cut] == number, _EXPECTED[number]) for number, _ in CLASSES]
            contours += [Contour(given[cut] == number, _GIVEN[number], dashed=True) for number, _ in CLASSES]
            count = int(wrong[cut].sum())
            caption = (
                f"slice {place} of {truth.shape[axis]} along the {_AXES[axis]} axis, {count} wrong voxels; "
                "expected: kidney white, tumor yellow; given, dashed: kidney blue, tumor pink"
            )
            gallery.add(with_contours(volume[cut], contours), f"{sample:06d}-{_AXES[axis]}", caption)
        counts = [
            f"{name} {int((given == number).sum()):,} voxels, {int((truth == number).sum()):,} expected"
            for number, name in CLASSES
        ]
        coefficients = dice(given.reshape(-1), truth.reshape(-1))
        return Shown(
            sample,
            (
                ("volume", " x ".join(map(str, truth.shape))),
                ("Dice", f"kidney {coefficients.kidney:.4f}, tumor {coefficients.tumor:.4f}"),
                ("size", "; ".join(counts)),
            ),
        )


def read_volume_answers(benchmark: Benchmark, dataset: Path, records: Iterable[Record]) -> VolumeAnswers:
    """Return the answers of a run, or of a part of it: a volume may take tens of megabytes."""
    found = VolumeAnswers(benchmark, dataset, {})
    for sample, data in records:
        found.given[sample] = np.frombuffer(data, np.uint8).reshape(found.truth(sample).shape)
    return found
