"""ResNet-50 v1.5, image classification: the official files on ImageNet, and a tiny edition on pictures of digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.remote import FileRecipe
from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.benchmarks.base import (
    Benchmark,
    Graph,
    MissingFile,
    ModelFile,
    Records,
    Remote,
    Short,
    Tensor,
)
from pytest_mlperf.benchmarks.first_samples import first_inputs
from pytest_mlperf.benchmarks.pytorch_files import pytorch_file
from pytest_mlperf.benchmarks.tiny import TinyReference
from pytest_mlperf.conversion.recipe import SAVED_MODEL, TFLITE, converted
from pytest_mlperf.datasets.classification import IMAGE, DigitPictures, ImageNet
from pytest_mlperf.metrics.top_1 import Top1
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_mlperf.backends.base import Inputs, Outputs


@dataclass(frozen=True)
class Answer:
    """How a model file answers.

    Attributes
    ----------
    offset
        What has to be added for the label: -1 where class 0 is the background.
    scores
        Whether it gives the scores of all classes, not the class.
    """

    offset: int
    scores: bool = False


#: By variant of the model file. What each wants of the images is in `datasets.imagenet_preprocessing`.
ANSWERS: Mapping[str, Answer] = {
    "": Answer(-1),
    "opset-8": Answer(-1),
    "NHWC": Answer(-1),
    "NHWC-scores": Answer(-1, scores=True),
    "torchvision": Answer(0, scores=True),
    "edgetpu": Answer(0, scores=True),
}


@dataclass(frozen=True, kw_only=True)
class ResNet50(Benchmark):
    """Classification of the centre of an image, scored as top-1 accuracy."""

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        """Return the label of each image as one float32; -1 for the background."""
        import numpy as np

        del samples, indices
        answer = ANSWERS[self.variant]
        classes = outputs[0].argmax(axis=1) if answer.scores else outputs[0]
        return Records.rows((classes + answer.offset).astype(np.float32))


def class_graph(size: int, *, interleaved: bool = False) -> Graph:
    """Return the graph that gives the class: ``ArgMax:0``, 0 for the background."""
    return Graph(inputs=(_images(size, interleaved),), outputs=(Tensor("class", "int64", (None,), "ArgMax:0"),))


def _images(size: int, interleaved: bool) -> Tensor:
    shape = (None, size, size, 3) if interleaved else (None, 3, size, size)
    return Tensor(IMAGE, "float32", shape, "input_tensor:0")


# Addresses and MD5 are those of MLCommons' automation (get-ml-model-resnet50), Zenodo first, because armi.in is a
# personal server. Nobody states sizes.
_OPSET_11 = RemoteFile(
    "resnet50_v1.onnx",
    (
        "https://zenodo.org/record/4735647/files/resnet50_v1.onnx",
        "https://storage.googleapis.com/resnet50_assets/resnet50_v1.onnx",
        "https://armi.in/files/resnet50_v1_op11/resnet50_v1.onnx",
    ),
    md5="f6a4da60cd5f084d97efc2c1ddb10beb",
)
_OPSET_8 = RemoteFile(
    "resnet50_v1.onnx",
    ("https://zenodo.org/record/2592612/files/resnet50_v1.onnx", "https://armi.in/files/resnet50_v1.onnx"),
    md5="a638cf028b5870da29e09ccc2f7182e7",
)
_PB = RemoteFile(
    "resnet50_v1.pb",
    ("https://zenodo.org/record/2535873/files/resnet50_v1.pb", "https://armi.in/files/resnet50_v1.pb"),
    md5="7b94a2da05dd30f6c0af23a46bc08886",
)
_PYTORCH = RemoteFile(
    "resnet50-19c8e357.pth",
    ("https://zenodo.org/record/4588417/files/resnet50-19c8e357.pth",),
    md5="9e9c86b324d80e65229fab49b8d9a8e8",
)
_PYTORCH_INT8 = RemoteFile(
    "resnet50_INT8bit_quantized.pt",
    ("https://zenodo.org/record/4589637/files/resnet50_INT8bit_quantized.pt",),
    md5="6893ea9769b0afce65bb0ddf002f4438",
)
_TFLITE_SCORES = RemoteFile(
    "resnet50_v1.no-argmax.tflite",
    ("https://www.dropbox.com/s/vhuqo0wc39lky0a/resnet50_v1.no-argmax.tflite?dl=1",),
    md5="53e81f9f9b459ecfb6d64add3da91564",
)
_TFLITE_INT8 = RemoteFile(
    "resnet50_quant_full_mlperf_edgetpu.tflite",
    ("https://zenodo.org/record/8234946/files/resnet50_quant_full_mlperf_edgetpu.tflite?download=1",),
    md5="a657cf1f97545aefd058c1c718cc0e17",
)


def _published(file: RemoteFile, megabytes: int, words: str) -> Remote:
    return Remote(
        FileRecipe(file, f"resnet50 {words}"),
        file.name,
        f"about {megabytes} MB",
        megabytes * 1_000_000,
        "--model-path FILE",
    )


#: The published archive is a .gz of one file, which nothing here unpacks.
_TFLITE = MissingFile(
    "resnet50_v1.tflite, unpacked from https://www.dropbox.com/s/cvv2zlfo80h54uz/resnet50_v1.tflite.gz?dl=1",
    "about 102 MB",
    "--model-path FILE",
)

#: torchvision's network gives the scores of all classes.
_SCORES = Graph((Tensor(IMAGE, "float32", (None, 3, 224, 224)),), (Tensor("scores", "float32", (None, 1000)),))

OFFICIAL = ResNet50(
    edition="official",
    official_name="resnet",
    loadgen_model="resnet50",
    dataset=ImageNet("ImageNet", 224),
    metric=Top1(),
    models=(
        ModelFile("onnx", "fp32", _published(_OPSET_11, 102, "onnx fp32"), (class_graph(224),)),
        ModelFile("onnx", "fp32", _published(_OPSET_8, 102, "onnx fp32 opset 8"), (class_graph(224),), "opset-8"),
        ModelFile("pytorch", "fp32", _published(_PYTORCH, 102, "pytorch fp32"), (_SCORES,), "torchvision"),
        ModelFile("pytorch", "int8", _published(_PYTORCH_INT8, 26, "pytorch int8"), (_SCORES,), "torchvision"),
        ModelFile("pb", "fp32", _published(_PB, 102, "pb fp32"), (class_graph(224, interleaved=True),), "NHWC"),
        ModelFile("tflite", "fp32", _TFLITE, variant="NHWC"),
        ModelFile("tflite", "fp32", _published(_TFLITE_SCORES, 102, "tflite fp32"), variant="NHWC-scores"),
        ModelFile("tflite", "int8", _published(_TFLITE_INT8, 26, "tflite int8"), variant="edgetpu"),
    ),
)

TINY_SIZE = 48
_TINY_FILES = tuple(
    ModelFile("onnx", precision, shipped(file), (class_graph(TINY_SIZE),))
    for precision, file in (("fp32", "resnet50-tiny.onnx"), ("int8", "resnet50-tiny-int8.onnx"))
)


def _tiny_inputs() -> Inputs:
    return first_inputs(TINY)


TINY: ResNet50 = ResNet50(
    edition="tiny",
    official_name="resnet",
    loadgen_model="resnet50",
    dataset=DigitPictures("pictures of digits", TINY_SIZE, size=4000),
    metric=Top1(),
    models=(
        *_TINY_FILES,
        pytorch_file(_TINY_FILES[0], lambda: TINY),
        converted(_TINY_FILES[0], TFLITE, "tflite", _tiny_inputs, ready=shipped("resnet50-tiny.tflite")),
        ModelFile("tflite", "int8", shipped("resnet50-tiny-int8.tflite"), _TINY_FILES[0].graphs),
        converted(_TINY_FILES[0], SAVED_MODEL, "savedmodel", _tiny_inputs),
    ),
    short=Short(samples=2000, seconds=1.0),
    reference=TinyReference("resnet50-tiny", "acc"),
)
