"""COCO's evaluation of boxes, computed by hotcoco or pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.datasets.coco import Annotations, Boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_mlperf.metrics.detections import Found

_BATCH_IMAGES = 500


def coco_stats(truth: Annotations, image_ids: NDArray[np.int64], found: Found, scorer: str) -> tuple[float, ...]:
    """Compute COCO's twelve figures for some of the images.

    Parameters
    ----------
    truth
        The annotated boxes.
    image_ids
        ``int64[m]``: the images to evaluate.
    found
        Has the boxes in these images; those of a category that the annotation file does not have are ignored.
    scorer
        The library to use.

    Returns
    -------
    tuple of float
        COCO's figures as fractions, in the order of COCOeval.stats; -1 where the images have no such object.
    """
    boxes = truth.boxes.take(np.flatnonzero(np.isin(truth.boxes.image_ids, image_ids)))
    evaluate = _with_hotcoco if scorer == "hotcoco" else _with_pycocotools
    return evaluate(np.sort(image_ids), truth.category_ids, boxes, found)


def _with_hotcoco(
    image_ids: NDArray[np.int64], category_ids: tuple[int, ...], boxes: Boxes, found: Found
) -> tuple[float, ...]:
    import hotcoco

    categories = [{"id": category, "name": str(category)} for category in category_ids]
    # Matching some images at a time takes a third of the memory of matching all at once.
    streaming = hotcoco.StreamingEval(categories, iou_type="bbox")
    order = np.argsort(boxes.image_ids, kind="stable")
    for start in range(0, len(image_ids), _BATCH_IMAGES):
        images = image_ids[start : start + _BATCH_IMAGES]
        first, end = np.searchsorted(boxes.image_ids, (images[0], images[-1] + 1), sorter=order)
        rows = found.of_images(images).of_categories(category_ids).rows
        streaming.update([{"id": image} for image in images.tolist()], _to_dicts(boxes.take(order[first:end])), rows)
    evaluation = streaming.finalize()
    evaluation.accumulate()
    evaluation.summary_lines()  # fills stats as summarize() does, but prints nothing
    return tuple(float(value) for value in evaluation.stats)


def _with_pycocotools(
    image_ids: NDArray[np.int64], category_ids: tuple[int, ...], boxes: Boxes, found: Found
) -> tuple[float, ...]:
    from pycocotools.cocoeval import COCOeval

    detections = found.of_images(image_ids).of_categories(category_ids)
    boxes_found = Boxes(
        ids=np.arange(len(detections)),
        image_ids=detections.image_ids,
        category_ids=detections.category_ids,
        xywh=detections.xywh,
        area=detections.xywh[:, 2] * detections.xywh[:, 3],
        iscrowd=np.zeros(len(detections), np.int64),
    )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress and its table
        truth = _to_pycocotools(image_ids, category_ids, boxes)
        results = _to_pycocotools(image_ids, category_ids, boxes_found)
        # Not loadRes(): it fails without detections, and adds a polygon to each.
        for annotation, value in zip(results.dataset["annotations"], detections.scores.tolist(), strict=True):
            annotation["score"] = value
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return tuple(float(value) for value in evaluation.stats)


def _to_pycocotools(image_ids: NDArray[np.int64], category_ids: tuple[int, ...], boxes: Boxes) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in image_ids.tolist()],
        "categories": [{"id": category} for category in category_ids],
        "annotations": _to_dicts(boxes),
    }
    coco.createIndex()
    return coco


def _to_dicts(boxes: Boxes) -> list[dict[str, Any]]:
    """Boxes as COCO's annotations, numbered from 1: pycocotools treats a match with id 0 as no match."""
    columns = (boxes.image_ids, boxes.category_ids, boxes.xywh, boxes.area, boxes.iscrowd)
    return [
        {"id": number, "image_id": image, "category_id": category, "bbox": bbox, "area": area, "iscrowd": iscrowd}
        for number, (image, category, bbox, area, iscrowd) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True), 1
        )
    ]
