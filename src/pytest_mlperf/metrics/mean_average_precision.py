"""Mean average precision of boxes, as mlcommons/inference computes it for RetinaNet on OpenImages and YOLO on COCO."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, cast

from pytest_mlperf.datasets.layout import ANNOTATIONS
from pytest_mlperf.errors import AccuracyLogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pytest_mlperf.datasets.coco import Annotations
    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.average_precision import Matches
    from pytest_mlperf.metrics.detections import Edges

Scorer = Literal["hotcoco", "pycocotools"]
#: COCO's twelve figures, in the order of COCOeval.stats.
COCO_STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def openimages_truth(directory: Path) -> Annotations:
    """Return the annotations in a directory with OpenImages' layout.

    Raises
    ------
    DatasetError
        See `pytest_mlperf.datasets.coco.read_annotations`.
    """
    from pytest_mlperf.datasets.coco import read_annotations

    return read_annotations(directory / ANNOTATIONS)


@dataclass(frozen=True)
class MeanAveragePrecision:
    """COCO's mAP (IoU 0.50:0.95, all areas, 100 detections) in percent.

    Attributes
    ----------
    scorer
        ``hotcoco`` is fast and needs little memory; ``pycocotools`` is what the reference uses, and needs kilobytes
        for each box. Their figures are the same. Empty: hotcoco if it is installed, else pycocotools.
    truth
        Reads the annotations in the data set's directory.
    edges
        The precision in which the reference computes boxes in pixels: double under NumPy 1, single under NumPy 2.
    """

    scorer: Scorer | Literal[""] = ""
    truth: Callable[[Path], Annotations] = openimages_truth
    edges: Edges = "float64"
    name: str = "mAP"
    unit: str = "%"
    requirements: tuple[str, ...] = ("hotcoco>=1.3", "pycocotools>=2.0.8")

    def with_scorer(self, scorer: str) -> MeanAveragePrecision:
        """Return the same metric, computed by another library."""
        return replace(self, scorer=cast("Scorer", scorer))

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Score answers as ``tools/accuracy-openimages.py`` and ``accuracy-coco.py`` of mlcommons/inference do.

        A sample index is a position among the annotation file's images. All answered images are scored,
        with or without detections; a part of the data set gives the mAP of that part. There are two differences: the
        mAP is 0 if there is no detection at all, where the reference crashes; and an answer with the index of another
        sample is an error, where the reference scores it.

        Parameters
        ----------
        answers
            One record for each sample: rows of 7 float32, qsl_idx, ymin, xmin, ymax, xmax, score, label.
        dataset
            The data set's directory.

        Returns
        -------
        mapping of str to float
            ``mAP`` in percent; COCO's twelve figures as fractions by the names of `COCO_STATS`, -1 where the images
            have no such object; and ``detections``, the number of boxes.

        Raises
        ------
        AccuracyLogError
            An answer does not match the annotation file or has values that are not finite, or the answered images
            have no annotated object.
        DatasetError
            The annotation file is invalid.
        """
        return self.score_against(answers, self.truth(dataset))

    def score_against(self, answers: Iterable[Record], truth: Annotations) -> Mapping[str, float]:
        """Score answers against annotations that are already read; see `score`."""
        from pytest_mlperf.metrics.coco_evaluation import coco_stats
        from pytest_mlperf.metrics.detections import read_detections

        found = read_detections(answers, truth, self.edges)
        scorer = self.scorer or ("hotcoco" if find_spec("hotcoco") else "pycocotools")
        stats = coco_stats(truth, found.image_ids, found, scorer)
        if stats[0] < 0:
            raise AccuracyLogError(
                f"the {len(found.image_ids)} answered images cannot be scored",
                expected="at least one annotated object",
                found=f"none in these images of {truth.path}",
                fix="run more samples, or another part of the data set",
            )
        named = dict(zip(COCO_STATS, stats, strict=True))
        return {self.name: 100 * stats[0], **named, "detections": len(found)}

    def outcomes(self, answers: Iterable[Record], dataset: Path) -> Matches:
        """Return the detections with the objects that they match; see `score`."""
        return self._matches(answers, self.truth(dataset))

    def named_matches(self, answers: Iterable[Record], dataset: Path) -> tuple[Matches, tuple[str, ...]]:
        """Return the same, and the name of each category by its number in it."""
        truth = self.truth(dataset)
        return self._matches(answers, truth), tuple(truth.name_of(category) for category in sorted(truth.category_ids))

    def _matches(self, answers: Iterable[Record], truth: Annotations) -> Matches:
        from pytest_mlperf.metrics.detections import read_detections
        from pytest_mlperf.metrics.matching import match

        found = read_detections(answers, truth, self.edges)
        return match(truth, found.image_ids, found)

    def text(self, values: Mapping[str, float]) -> str:
        """Return the line that the reference's scripts print."""
        return f"mAP={values[self.name]:.3f}%\n"
