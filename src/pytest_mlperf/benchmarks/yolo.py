"""YOLO, object detection: the official YOLOv11l on COCO, and a tiny edition on scenes of digits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_mlperf.benchmarks.base import Benchmark, Graph, MissingFile, ModelFile, Records, Short, Tensor
from pytest_mlperf.benchmarks.pytorch_files import pytorch_file
from pytest_mlperf.benchmarks.tiny import TinyReference
from pytest_mlperf.datasets.coco_val import coco_truth
from pytest_mlperf.datasets.letterboxed import CocoImages, LetterboxedScenes
from pytest_mlperf.metrics.mean_average_precision import MeanAveragePrecision
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Inputs, Outputs

#: COCO's ids of the 80 classes, in order: of the numbers from 1 to 90, ten were never used.
COCO_CATEGORIES: Final = tuple(n for n in range(1, 91) if n not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83))
#: The tiny network's classes go digit by digit: warm 0, cold 0, warm 1, ...; the annotations have all warm ones first.
SCENE_CATEGORIES: Final = tuple(10 * ink + digit for digit in range(10) for ink in range(2))


def raw_graph(size: int, classes: int, points: int) -> Graph:
    """Return the graph of a detector as Ultralytics exports it, without suppression."""
    return Graph(
        inputs=(Tensor("images", "float32", (None, 3, size, size)),),
        outputs=(Tensor("output0", "float32", (None, 4 + classes, points)),),
    )


@dataclass(frozen=True, kw_only=True)
class Yolo(Benchmark):
    """Object detection in letterboxed images, scored as mAP for IoU 0.50:0.95.

    Attributes
    ----------
    size
        Side of the square input in pixels.
    category_ids
        The annotation file's category of each class of the model.
    """

    size: int
    category_ids: tuple[int, ...]
    scenarios: tuple[str, ...] = ("Offline", "SingleStream", "MultiStream")

    def collate(self, samples: Sequence[Any]) -> Inputs:
        """Return the stacked images; the sizes of the originals are for `encode`."""
        return {"images": super().collate(samples)["images"]}

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        """Return 7 float32 for each detection: sample index, ymin, xmin, ymax, xmax over the image's sides, score, id.

        They are those of ``yolo/yolo_loadgen.py`` in mlcommons/inference: best first, the id is COCO's.
        """
        import numpy as np

        from pytest_mlperf.benchmarks.yolo_decoder import YoloDecoder
        from pytest_mlperf.datasets.letterbox import Letterbox

        shapes = [sample["shape"].tolist() for sample in samples]
        boxes = [Letterbox(height, width, self.size) for height, width in shapes]
        category_ids = np.array(self.category_ids, np.float32)
        records = []
        for index, box, found in zip(indices, boxes, YoloDecoder().decode(outputs[0], boxes), strict=True):
            record = np.empty((len(found.scores), 7), np.float32)
            record[:, 0] = index
            record[:, 1:5] = found.boxes[:, [1, 0, 3, 2]]
            record[:, 1:5] /= np.array([box.height, box.width] * 2, np.float32)
            record[:, 5] = found.scores
            record[:, 6] = category_ids[found.classes]
            records.append(record)
        return Records.ragged(records)


OFFICIAL_95 = Yolo(
    edition="official",
    official_name="yolo-95",
    loadgen_model="yolo",
    dataset=CocoImages("COCO val2017, permitted licences", 640),
    # yolo/requirements.txt of mlcommons/inference asks for NumPy 2.
    metric=MeanAveragePrecision(truth=coco_truth, edges="float32"),
    models=(
        ModelFile(
            "onnx",
            "fp32",
            MissingFile(
                "yolo11l.onnx",
                "about 100 MB; its weights are under AGPL-3.0 and are not fetched: download yolo11l.pt from "
                "Ultralytics or MLCommons, and export it with `yolo export model=yolo11l.pt format=onnx imgsz=640`",
                "--model-path FILE",
            ),
            (raw_graph(640, len(COCO_CATEGORIES), 8400),),
        ),
    ),
    size=640,
    category_ids=COCO_CATEGORIES,
)
OFFICIAL_99 = replace(OFFICIAL_95, official_name="yolo-99")

_TINY_FILES = tuple(
    ModelFile("onnx", precision, shipped(file), (raw_graph(192, len(SCENE_CATEGORIES), 720),))
    for precision, file in (("fp32", "yolo-tiny.onnx"), ("int8", "yolo-tiny-int8.onnx"))
)
TINY_95: Yolo = Yolo(
    edition="tiny",
    official_name="yolo-95",
    loadgen_model="yolo",
    dataset=LetterboxedScenes("digit scenes", 192, size=500),
    metric=MeanAveragePrecision(),
    models=(*_TINY_FILES, pytorch_file(_TINY_FILES[0], lambda: TINY_95)),
    size=192,
    category_ids=SCENE_CATEGORIES,
    short=Short(samples=250, seconds=1.0),
    reference=TinyReference("yolo-tiny", "mAP", share=0.95),
)
TINY_99 = replace(TINY_95, official_name="yolo-99", reference=TinyReference("yolo-tiny", "mAP", share=0.99))
