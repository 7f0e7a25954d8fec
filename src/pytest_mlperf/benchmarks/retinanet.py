"""RetinaNet, object detection: the official ResNeXt50 on OpenImages, and a tiny edition on scenes of digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.remote import FileRecipe
from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.benchmarks.base import Benchmark, Derived, Graph, ModelFile, Records, Remote, Tensor, Url
from pytest_mlperf.benchmarks.first_samples import first_inputs
from pytest_mlperf.benchmarks.pytorch_files import pytorch_file
from pytest_mlperf.benchmarks.retinanet_heads import HeadsRecipe
from pytest_mlperf.benchmarks.tiny import TinyReference
from pytest_mlperf.conversion.recipe import SAVED_MODEL, TFLITE, converted
from pytest_mlperf.datasets.detection import DigitScenes, OpenImages
from pytest_mlperf.metrics.mean_average_precision import MeanAveragePrecision
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs

#: PostProcessOpenImagesRetinanet in vision/classification_and_detection/python/openimages.py.
SCORE_THRESHOLD = 0.05


def whole_graph(size: int) -> Graph:
    """Return the graph of a detector for square images: boxes are x1, y1, x2, y2 in pixels of the input.

    The batch is 1, because the detections have no batch dimension. Scores are in descending order.
    """
    return Graph(
        inputs=(Tensor("images", "float32", (1, 3, size, size)),),
        outputs=(
            Tensor("boxes", "float32", (None, 4)),
            Tensor("labels", "int64", (None,)),
            Tensor("scores", "float32", (None,)),
        ),
        unordered=True,
    )


HEADS, BATCHED_HEADS = "heads", "batched-heads"


def heads_graph(size: int, batch: int | None) -> Graph:
    """Return the graph of a detector that ends at its heads, with all levels in one tensor."""
    return Graph(
        inputs=(Tensor("images", "float32", (batch, 3, size, size)),),
        outputs=(
            Tensor("logits", "float32", (batch, None, None)),
            Tensor("deltas", "float32", (batch, None, 4)),
        ),
    )


def with_heads(whole: ModelFile, size: int) -> tuple[ModelFile, ...]:
    """Return the model files for a whole file: itself, and cut at its heads, for one image and for batches."""

    def cut(variant: str, batch: int | None) -> ModelFile:
        def recipe(model: Path, sha256: str, _: str) -> HeadsRecipe:
            return HeadsRecipe(model, sha256, size, open_batch=batch is None)

        origin = whole.origin
        assert not isinstance(origin, Url)  # noqa: S101 - a file is a file
        graphs = (heads_graph(size, batch),)
        return ModelFile("onnx", whole.precision, Derived(origin, recipe), graphs, variant, instead=whole)

    return (whole, cut(HEADS, 1), cut(BATCHED_HEADS, None))


@dataclass(frozen=True, kw_only=True)
class RetinaNet(Benchmark):
    """Object detection in images stretched to a square, scored as mAP for IoU 0.50:0.95."""

    size: int

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        """Return 7 float32 for each detection: sample index, ymin, xmin, ymax, xmax over the size, score, label."""
        del samples
        if self.variant in (HEADS, BATCHED_HEADS):
            from pytest_mlperf.benchmarks.retinanet_decoder import decoder_for

            found = decoder_for(self.size).decode(*outputs)
            return Records.ragged([self._record(*each, index) for each, index in zip(found, indices, strict=True)])
        boxes, labels, scores = outputs
        return Records.ragged([self._record(boxes, labels, scores, indices[0])])

    def _record(
        self, boxes: NDArray[Any], labels: NDArray[Any], scores: NDArray[Any], index: int
    ) -> NDArray[np.float32]:
        """Return an image's detections, up to the first score below the threshold, as in the reference."""
        import numpy as np

        low = scores < SCORE_THRESHOLD
        count = int(low.argmax()) if low.any() else len(scores)
        # By columns: after an inference the caches are cold, and this takes half as long as assigning to strided rows.
        columns = np.empty((7, count), np.float32)
        columns[0] = index
        for place, edge in enumerate((1, 0, 3, 2), start=1):
            columns[place] = boxes[:count, edge]
        columns[1:5] /= self.size
        columns[5] = scores[:count]
        columns[6] = labels[:count]
        return columns.T.copy()


#: The published files of the official model, by format.
PUBLISHED: Mapping[str, RemoteFile] = {
    # Addresses and MD5 are those of MLCommons' automation (get-ml-model-retinanet), Zenodo first,
    # because armi.in is a personal server.
    "onnx": RemoteFile(
        "resnext50_32x4d_fpn.onnx",
        (
            "https://zenodo.org/record/6617879/files/resnext50_32x4d_fpn.onnx",
            "https://storage.googleapis.com/resnet50_assets/resnext50_32x4d_fpn.onnx",
            "https://armi.in/files/resnext50_32x4d_fpn.onnx",
        ),
        size=148_688_824,
        md5="4544f4e56e0a4684215831cc937ea45c",
    ),
    "pytorch": RemoteFile(
        "resnext50_32x4d_fpn.pth",
        (
            "https://zenodo.org/record/6617981/files/resnext50_32x4d_fpn.pth",
            "https://armi.in/files/resnext50_32x4d_fpn.pth",
        ),
        md5="a55f6bec3464f605ce8d686da8ac1533",
    ),
}


#: By format: the graph, and the variant. The network for the state dict ends at its heads.
_PARTS: Mapping[str, tuple[tuple[Graph, ...], str]] = {
    "onnx": ((whole_graph(800),), ""),
    "pytorch": ((heads_graph(800, None),), BATCHED_HEADS),
}


def official_models(published: Mapping[str, RemoteFile]) -> tuple[ModelFile, ...]:
    """Return the model files that are published, by format."""
    rows = [
        ModelFile(
            form,
            "fp32",
            Remote(
                FileRecipe(file, f"retinanet {form} fp32"),
                file.name,
                f"{file.size:,} bytes" if file.size is not None else "about 150 MB",
                file.size or 150_000_000,
                "--model-path FILE",
            ),
            *_PARTS[form],
        )
        for form, file in published.items()
    ]
    return tuple(row for each in rows for row in (with_heads(each, 800) if each.format == "onnx" else (each,)))


OFFICIAL = RetinaNet(
    edition="official",
    official_name="retinanet",
    loadgen_model="retinanet",
    dataset=OpenImages("OpenImages", 800),
    metric=MeanAveragePrecision(),
    models=official_models(PUBLISHED),
    size=800,
)

_TINY_WHOLE, _TINY_HEADS, _TINY_BATCHED = with_heads(
    ModelFile("onnx", "fp32", shipped("retinanet-tiny.onnx"), (whole_graph(192),)), 192
)


def _tiny_inputs() -> Inputs:
    return first_inputs(TINY)


TINY: RetinaNet = RetinaNet(
    edition="tiny",
    official_name="retinanet",
    loadgen_model="retinanet",
    dataset=DigitScenes("digit scenes", 192, size=500),
    metric=MeanAveragePrecision(),
    models=(
        _TINY_WHOLE,
        _TINY_HEADS,
        _TINY_BATCHED,
        ModelFile("onnx", "int8", shipped("retinanet-tiny-int8.onnx"), (whole_graph(192),)),
        converted(_TINY_HEADS, TFLITE, "tflite", _tiny_inputs),
        ModelFile("tflite", "int8", shipped("retinanet-tiny-heads-int8.tflite"), _TINY_HEADS.graphs, HEADS),
        *(converted(row, SAVED_MODEL, "savedmodel", _tiny_inputs) for row in (_TINY_HEADS, _TINY_BATCHED)),
        pytorch_file(_TINY_BATCHED, lambda: TINY),
    ),
    size=192,
    reference=TinyReference("retinanet-tiny", "mAP"),
)
