"""What can be wrong with a model's inputs and outputs, as variations of a run: tried on a few samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlperf.benchmarks.bert import INPUTS, Bert
from pytest_mlperf.benchmarks.rnnt import Rnnt
from pytest_mlperf.benchmarks.rnnt_decoder import BLANK
from pytest_mlperf.benchmarks.yolo import Yolo
from pytest_mlperf.datasets.imagenet_preprocessing import VGG_MEANS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.benchmarks.base import Benchmark

#: Means and deviations of ImageNet's channels, as torchvision states them.
_MEANS: Final = np.array((0.485, 0.456, 0.406), np.float32)
_DEVIATIONS: Final = np.array((0.229, 0.224, 0.225), np.float32)
#: Values farther from 0 are grey levels less their mean, not standard deviations.
_LARGEST_DEVIATION: Final = 20.0


def _same_inputs(graph: str, inputs: Inputs) -> Inputs:
    del graph
    return inputs


def _same_outputs(graph: str, outputs: Outputs) -> Outputs:
    del graph
    return outputs


@dataclass(frozen=True)
class Variation:
    """A fault, and what undoes it at the model's inputs and outputs, by graph.

    Attributes
    ----------
    name
        The fault, as the cause is named.
    done
        What is done about it, for the evidence.
    inputs, outputs
        Get the graph's name and its inputs or outputs.
    """

    name: str
    done: str
    inputs: Callable[[str, Inputs], Inputs] = _same_inputs
    outputs: Callable[[str, Outputs], Outputs] = _same_outputs


#: The same answers as in the run, if nothing but the model makes them.
AS_IT_IS: Final = Variation("the runtime", "answered by ONNX Runtime on the CPU")


def variations_of(benchmark: Benchmark, first: Inputs) -> list[Variation]:
    """Return what is tried for a benchmark, whose first sample has these inputs."""
    found = list(_of_images(first))
    if isinstance(benchmark, Yolo):
        found += _of_yolo(benchmark.size)
    if isinstance(benchmark, Bert):
        found += _of_bert()
    if isinstance(benchmark, Rnnt):
        found += _of_rnnt()
    return found


def _of_images(first: Inputs) -> Iterator[Variation]:
    """Yield channels in the other order, and other normalisations, for an input that is images of three channels."""
    name = next((name for name, value in first.items() if _channel_axis(value) is not None), None)
    if name is None:
        return
    value = first[name]
    axis = _channel_axis(value)
    assert axis is not None  # noqa: S101 - see above

    def each(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[str, Inputs], Inputs]:
        return lambda _, inputs: {**inputs, name: np.ascontiguousarray(change(inputs[name])).astype(np.float32)}

    yield Variation(
        "channels swapped", "with red and blue exchanged at the input", each(lambda images: np.flip(images, axis))
    )
    by_channel = [1] * value.ndim
    by_channel[axis] = 3
    means, deviations = _MEANS.reshape(by_channel), _DEVIATIONS.reshape(by_channel)
    levels = np.array(VGG_MEANS, np.float32).reshape(by_channel)

    def to_unit(images: NDArray[Any]) -> NDArray[Any]:
        """Return images in 0 to 1, whatever the benchmark has made of them."""
        if value.min() >= 0 and value.max() <= 1:
            return images
        if np.abs(value).max() > _LARGEST_DEVIATION:
            return (images + levels) / np.float32(255)
        return images * deviations + means

    wanted: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        "with inputs from 0 to 255": lambda images: to_unit(images) * 255,
        "with inputs from 0 to 1": to_unit,
        "with inputs from -1 to 1": lambda images: 2 * to_unit(images) - 1,
        "with the mean taken off and divided by the deviation": lambda images: (to_unit(images) - means) / deviations,
        "with the mean grey levels taken off": lambda images: 255 * to_unit(images) - levels,
    }
    for done, change in wanted.items():
        if not np.allclose(change(value), value, atol=1e-3):
            yield Variation("normalisation left out or another one", done, each(change))


def _channel_axis(value: NDArray[Any]) -> int | None:
    if value.ndim != 4 or value.dtype != np.float32:
        return None
    return next((axis for axis in (1, 3) if value.shape[axis] == 3), None)


def _of_yolo(size: int) -> Iterator[Variation]:
    """Yield other forms of the boxes, which suppression makes unrecognisable in the answers."""

    def boxes(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[str, Outputs], Outputs]:
        return lambda _, outputs: [np.concatenate((change(outputs[0][:, :4]), outputs[0][:, 4:]), axis=1)]

    def corners(raw: NDArray[Any]) -> NDArray[Any]:
        low, high = raw[:, :2], raw[:, 2:]
        return np.concatenate(((low + high) / 2, high - low), axis=1)

    order, scale = "boxes in another order", "boxes in another scale"
    yield Variation(order, "read as x1, y1, x2, y2", outputs=boxes(corners))
    yield Variation(
        order,
        "read as left, top, width, height",
        outputs=boxes(lambda raw: np.concatenate((raw[:, :2] + raw[:, 2:] / 2, raw[:, 2:]), axis=1)),
    )
    yield Variation(order, "with x and y of the boxes exchanged", outputs=boxes(lambda raw: raw[:, [1, 0, 3, 2]]))
    yield Variation(scale, "read as fractions instead of pixels", outputs=boxes(lambda raw: raw * np.float32(size)))
    yield Variation(scale, "read as corners in fractions", outputs=boxes(lambda raw: corners(raw) * np.float32(size)))


def _of_bert() -> Iterator[Variation]:
    _, mask, segments = INPUTS

    def exchanged(_: str, inputs: Inputs) -> Inputs:
        return {**inputs, mask: inputs[segments], segments: inputs[mask]}

    yield Variation("inputs exchanged", "with the mask and the segments exchanged at the input", exchanged)
    yield Variation(
        "start and end exchanged",
        "with both outputs exchanged",
        outputs=lambda _, outputs: outputs[::-1] if len(outputs) == 2 else [outputs[0][..., ::-1]],
    )


def _of_rnnt() -> Iterator[Variation]:
    """Yield the blank as the first label, where MLPerf's is the last."""

    def labels(graph: str, inputs: Inputs) -> Inputs:
        if graph != "prediction":
            return inputs
        return {**inputs, "label": (inputs["label"] + 1) % (BLANK + 1)}

    def logits(graph: str, outputs: Outputs) -> Outputs:
        return [np.roll(outputs[0], -1, axis=1)] if graph == "joint" else outputs

    yield Variation("labels shifted by one", "with the blank as the first label", labels, logits)
