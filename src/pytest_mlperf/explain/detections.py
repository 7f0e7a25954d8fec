"""What a run of object detection answered: boxes on images, and the mAP of each class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlperf.datasets.coco_val import ALL_IMAGES
from pytest_mlperf.datasets.coco_val import IMAGES as COCO_IMAGES
from pytest_mlperf.datasets.layout import IMAGES
from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.explain.answered import Shown
from pytest_mlperf.explain.explanation import ClassChange
from pytest_mlperf.explain.pictures import RIGHT, WRONG, Box, scaled, with_boxes
from pytest_mlperf.metrics.accuracy_log import Record, float32_rows
from pytest_mlperf.metrics.average_precision import Matches, mean_average_precision
from pytest_mlperf.metrics.detections import read_detections
from pytest_mlperf.metrics.matching import match, overlaps
from pytest_mlperf.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.datasets.coco import Annotations
    from pytest_mlperf.explain.pictures import Gallery
    from pytest_mlperf.metrics.detections import Edges
    from pytest_mlperf.metrics.outcomes import Outcomes

COLUMNS: Final = 7
#: Detections with such a score are shown besides the best ones of an image; more boxes than this are not readable.
_SURE, _MOST_BOXES = 0.5, 30
#: Of a category, on a picture.
_LONGEST_NAME = 30
#: The IoU at which a box counts as found, as in AP50.
_FOUND = 0.5


@dataclass(frozen=True, eq=False)
class DetectionAnswers:
    """Detections by image.

    Attributes
    ----------
    benchmark, dataset
        The benchmark and the data set's directory.
    truth
        The annotations of the whole data set.
    samples
        ``int64[n]``: the sample index of each answered image.
    of
        ``int64[m]``: the position in `samples` of each detection.
    values
        ``float32[m, 7]``: sample index, ymin, xmin, ymax, xmax as fractions, score, label.
    edges
        The precision of boxes in pixels.
    """

    benchmark: Benchmark
    dataset: Path
    truth: Annotations
    samples: NDArray[np.int64]
    of: NDArray[np.int64]
    values: NDArray[np.float32]
    edges: Edges

    def outcomes(self) -> Matches:
        """Return which detections match which objects."""
        found = read_detections(self._records(), self.truth, self.edges)
        return match(self.truth, found.image_ids, found)

    def value(self) -> float:
        """Return the mAP in percent, by the metric's own scorer, which is faster than the outcomes."""
        metric: Any = self.benchmark.metric
        try:
            values: Mapping[str, float] = metric.score_against(self._records(), self.truth)
        except AccuracyLogError:  # these images have no object
            return float("nan")
        return values[metric.name]

    def _records(self) -> Iterator[Record]:
        order = np.argsort(self.of, kind="stable")
        ends = np.searchsorted(self.of[order], np.arange(len(self.samples) + 1))
        for place, sample in enumerate(self.samples.tolist()):
            yield Record(sample, self.values[order[ends[place] : ends[place + 1]]].tobytes())

    def changed(self, values: NDArray[np.float32]) -> DetectionAnswers:
        """Return the same answers with other values."""
        return replace(self, values=values)

    def with_corners(self, corners: NDArray[np.float32]) -> DetectionAnswers:
        """Return the same answers with other ymin, xmin, ymax, xmax."""
        return self.changed(np.concatenate((self.values[:, :1], corners, self.values[:, 5:]), axis=1))

    def with_labels(self, labels: NDArray[Any]) -> DetectionAnswers:
        """Return the same answers with other labels."""
        return self.changed(np.concatenate((self.values[:, :6], labels[:, None].astype(np.float32)), axis=1))

    def take(self, ids: Iterable[Any]) -> DetectionAnswers:
        """Return the answers to the images with these ids."""
        wanted = set(ids)
        kept = [n for n, index in enumerate(self.samples.tolist()) if self.truth.images[index].id in wanted]
        place = np.full(len(self.samples), -1, np.int64)
        place[kept] = np.arange(len(kept))
        rows = place[self.of] >= 0
        return replace(self, samples=self.samples[kept], of=place[self.of[rows]], values=self.values[rows])

    def indices(self) -> Sequence[int]:
        """Return the sample indices of the images."""
        found: list[int] = self.samples.tolist()
        return found

    def classes(self, now: Outcomes, before: Outcomes | None) -> Iterator[ClassChange]:
        """Yield the average precision of each class that the images have, in percent."""
        if not isinstance(now, Matches):
            return
        for place, category in enumerate(sorted(self.truth.category_ids)):
            if now.objects[:, place].any():
                known = isinstance(before, Matches) and before.objects[:, place].any()
                earlier = _of_class(before, place) if known and isinstance(before, Matches) else None
                yield ClassChange(name=self.name(category), before=earlier, now=_of_class(now, place))

    def name(self, category: int) -> str:
        """Return a category's name, or else its number."""
        return one_line(self.truth.name_of(category))[:_LONGEST_NAME]

    def show(self, sample: Any, gallery: Gallery) -> Shown:
        """Draw the expected and the given boxes of an image."""
        index = next(n for n in self.samples.tolist() if self.truth.images[n].id == sample)
        image = self.truth.images[index]
        boxes = self.truth.boxes.take(np.flatnonzero(self.truth.boxes.image_ids == sample))
        found = self.values[self.of == np.flatnonzero(self.samples == index)[0]]
        found = found[np.argsort(-found[:, 5], kind="stable")]
        shown = found[(np.arange(len(found)) < len(boxes)) | (found[:, 5] >= _SURE)][:_MOST_BOXES]
        ltrb = shown[:, [2, 1, 4, 3]].astype(np.float64)
        sides = np.array([image.width, image.height] * 2)
        xywh = np.concatenate((ltrb[:, :2], ltrb[:, 2:] - ltrb[:, :2]), axis=1) * sides
        hits = overlaps(xywh, boxes.xywh, np.zeros(len(boxes), np.bool_)) >= _FOUND
        hits &= shown[:, 6].astype(np.int64)[:, None] == boxes.category_ids[None]
        there = boxes.xywh / sides
        there[:, 2:] += there[:, :2]
        found_objects: NDArray[np.bool_] = np.any(hits, axis=0)
        right: NDArray[np.bool_] = np.any(hits, axis=1)
        missed = int(np.count_nonzero(~found_objects))
        picture = self._picture(index)
        expected = self._boxes(there, boxes.category_ids, found_objects)
        given = self._boxes(ltrb, shown[:, 6].astype(np.int64), right, shown[:, 5])
        gallery.add(
            with_boxes(picture, expected),
            f"{index:06d}-expected",
            f"expected: {_count(len(boxes), 'object')}; the {missed} in orange were not found",
        )
        gallery.add(with_boxes(picture, given), f"{index:06d}-given", _caption(ltrb, right, len(found)))
        return Shown(index, (("image", image.file_name),))

    def _boxes(
        self,
        corners: NDArray[np.float64],
        categories: NDArray[np.int64],
        right: NDArray[np.bool_],
        scores: NDArray[np.float32] | None = None,
    ) -> list[Box]:
        """Return boxes for a picture, the most certain last: it is drawn over the others."""
        labels = [self.name(category) for category in categories.tolist()]
        if scores is not None:
            labels = [f"{label} {score:.2f}" for label, score in zip(labels, scores.tolist(), strict=True)]
        rows = zip(corners.tolist(), labels, right.tolist(), strict=True)
        return [Box((a, b, c, d), label, RIGHT if hit else WRONG) for (a, b, c, d), label, hit in rows]

    def _picture(self, index: int) -> Image.Image:
        """Return an image: its file, or else what the model gets of it, at its size."""
        from pytest_mlperf.datasets.images import load_image

        image = self.truth.images[index]
        for folder in (IMAGES, COCO_IMAGES, ALL_IMAGES):
            if (path := self.dataset / folder / image.file_name).is_file():
                return scaled(load_image(path))
        sample = self.benchmark.dataset.open(self.dataset, index + 1, self.benchmark.variant)[index]
        pixels = np.clip(sample["images"].transpose(1, 2, 0) * 255, 0, 255).astype(np.uint8)
        return scaled(pixels, (image.width, image.height))


def read_detection_answers(benchmark: Benchmark, dataset: Path, records: Iterable[Record]) -> DetectionAnswers:
    """Return the answers of a run; raises AccuracyLogError."""
    metric: Any = benchmark.metric
    rows = float32_rows(records, COLUMNS)
    of = np.repeat(np.arange(len(rows.qsl_idx)), np.diff(rows.offsets))
    return DetectionAnswers(benchmark, dataset, metric.truth(dataset), rows.qsl_idx, of, rows.values, metric.edges)


def _of_class(matches: Matches, place: int) -> float:
    """Return the average precision of one category in percent."""
    rows = matches.category == place
    one = replace(
        matches,
        image=matches.image[rows],
        category=np.zeros(np.count_nonzero(rows), np.int16),
        score=matches.score[rows],
        matched=matches.matched[rows],
        ignored=matches.ignored[rows],
        objects=matches.objects[:, place : place + 1],
    )
    return 100.0 * mean_average_precision(one)


def _caption(corners: NDArray[np.float64], right: NDArray[np.bool_], every: int) -> str:
    if not every:
        return "given: no detections"
    outside = int(np.count_nonzero((corners[:, :2] >= 1).any(axis=1) | (corners[:, 2:] <= 0).any(axis=1)))
    words = [f"given: the best {len(corners)} of {_count(every, 'detection')}"]
    words.append(f"the {int(np.count_nonzero(~right))} in orange match no object")
    if outside:
        words.append(f"{outside} outside of the image")
    return "; ".join(words)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
