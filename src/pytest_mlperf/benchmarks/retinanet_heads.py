"""Cuts a RetinaNet ONNX file at its heads: the result returns class logits and box deltas, for our decoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import onnx
    from numpy.typing import NDArray

    from pytest_mlperf.benchmarks.retinanet_decoder import Decoder, Detections

#: Increase this when the cut file is made differently.
VERSION = 1
IMAGES, LOGITS, DELTAS = "images", "logits", "deltas"
#: Number of scenes of digits on which a cut file must agree with the whole one.
CHECKED_SCENES = 4
BOX_PIXELS, SCORE = 1e-2, 1e-5


class Head(NamedTuple):
    """A tensor ``[images, anchors, values]`` that a head returns for one level of the pyramid."""

    name: str
    anchors: int
    values: int


@dataclass(frozen=True)
class HeadsRecipe:
    """The recipe of a cut file.

    Attributes
    ----------
    model, sha256
        The whole file, and its digest; see `pytest_mlperf.backends.model_content`.
    size
        Side of the model's input, in pixels.
    open_batch
        Whether the file takes batches. ONNX Runtime's results for such a graph differ in the last bits, so that
        detections of nearly equal scores change places; a file for one image at a time gives the whole file's.
    """

    model: Path
    sha256: str
    size: int
    open_batch: bool = False
    kind: str = "model"

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"{self.model.stem} {'batched ' if self.open_batch else ''}heads"

    @property
    def source(self) -> str:
        """The source, as shown to users."""
        return f"cut from {self.model.name}"

    def key(self) -> dict[str, str | int]:
        """Return what determines the file."""
        return {"sha256": self.sha256, "size": self.size, "open_batch": self.open_batch, "version": VERSION}

    def build(self, directory: Path) -> None:
        """Cut the file, and compare the detections of both files in a few scenes.

        Raises
        ------
        RequirementError
            The package onnx is not installed.
        ModelError
            Its heads are not found, or what the decoder makes of them is not what the whole file finds; or it is not
            the file with that digest.
        """
        from pytest_mlperf.backends.model_content import model_content
        from pytest_mlperf.benchmarks.retinanet_decoder import decoder_for
        from pytest_mlperf.environments.installed import installed_version

        installed_version(["onnx>=1.17"], "cutting a model at its heads")
        decoder = decoder_for(self.size)
        target = directory / f"{self.model.stem}-heads.onnx"
        cut_at_heads(self.model, target, decoder, open_batch=self.open_batch)
        _compare(self.model, target, decoder, _scenes(self.size))
        if (found := model_content(self.model, "onnx").sha256) != self.sha256:
            raise ModelError(
                f"{self.model} was changed while it was cut at its heads",
                expected=f"SHA-256 {self.sha256}",
                found=f"SHA-256 {found}",
                fix="leave the model alone while a session runs, and run it again",
            )


def cut_at_heads(model: Path, target: Path, decoder: Decoder, *, open_batch: bool = False) -> None:
    """Write the part of a RetinaNet that ends at its heads.

    The heads are found by the graph's structure, whatever its tensors are called: the last Reshape behind the last
    convolution of each level and head gives ``[images, anchors, values]``, with 4 values in box heads, and the same
    number of another kind in class heads.

    Parameters
    ----------
    model
        An ONNX file whose one input is a batch of images.
    target
        The file to write: ``images`` to ``logits`` [n, anchors, classes] and ``deltas`` [n, anchors, 4], all levels
        together, the largest map first.
    decoder
        Says how many anchors there are.
    open_batch
        Whether the file takes batches.

    Raises
    ------
    ModelError
        The file cannot be read, has no such heads, or cannot take batches.
    """
    import onnx

    try:
        whole = onnx.load(model)
    except (
        Exception
    ) as error:  # protobuf's DecodeError has no specific base class; a missing file of weights is an OSError
        raise ModelError(
            f"cannot read {model}",
            expected="an ONNX model",
            found=f"{type(error).__name__}: {error}"[:200],
            fix="give the benchmark's ONNX file with --model-path",
        ) from error
    candidates = list(_reshapes_behind_convolutions(whole.graph))
    heads = _measured(whole, candidates, decoder.input_size)
    logits, deltas = _by_kind(model, heads, int(decoder.level_starts[-1]))
    part = _part(whole, logits, deltas)
    if open_batch:
        part = _open_batch(part)
        if not _runs_batches(part, decoder.input_size):
            raise ModelError(
                f"{model} cannot take batches",
                expected="a graph with the same outputs for two images as for each of them",
                found="another result",
                fix="run it for one image at a time: --mlperf-variant heads",
            )
    onnx.save(part, target)


def _reshapes_behind_convolutions(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the outputs of Reshape nodes with only Reshape and Transpose between them and a Conv."""
    made_by = {output: node for node in graph.node for output in node.output}
    used_by: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            used_by.setdefault(name, []).append(node.op_type)
    for node in graph.node:
        if node.op_type != "Reshape":
            continue
        before = made_by.get(node.input[0])
        while before is not None and before.op_type in ("Reshape", "Transpose"):
            before = made_by.get(before.input[0])
        if before is not None and before.op_type == "Conv" and used_by.get(node.output[0]) != ["Transpose"]:
            yield node.output[0]


def _measured(whole: onnx.ModelProto, names: Sequence[str], size: int) -> list[Head]:
    """Return the candidates that are ``[1, anchors, values]``, as a run on an empty image shows."""
    import numpy as np
    import onnx

    if not names:
        return []
    probe = onnx.ModelProto()
    probe.CopyFrom(whole)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    shapes = [value.shape for value in _session(probe)(np.zeros((1, 3, size, size), np.float32), names)]
    found = zip(names, shapes, strict=True)
    return [Head(name, shape[1], shape[2]) for name, shape in found if len(shape) == 3 and shape[0] == 1]


def _by_kind(model: Path, heads: Sequence[Head], anchors: int) -> tuple[list[str], list[str]]:
    """Return the names of the class heads' and of the box heads' tensors, by level."""
    by_values: dict[int, dict[int, str]] = {}
    for head in heads:
        by_values.setdefault(head.values, {})[head.anchors] = head.name
    whole = {values: levels for values, levels in by_values.items() if sum(levels) == anchors}
    boxes = whole.pop(4, None)
    if boxes is None or len(whole) != 1 or (classes := next(iter(whole.values()))).keys() != boxes.keys():
        shapes = ", ".join(f"[1,{head.anchors},{head.values}]" for head in heads) or "none"
        raise ModelError(
            f"the heads of {model} cannot be identified",
            expected=f"for each level [1,n,classes] and [1,n,4] behind a convolution, {anchors:,} anchors in all",
            found=shapes[:300],
            fix="run the whole graph: --mlperf-variant whole",
        )
    levels = sorted(boxes, reverse=True)
    return [classes[level] for level in levels], [boxes[level] for level in levels]


def _part(whole: onnx.ModelProto, logits: Sequence[str], deltas: Sequence[str]) -> onnx.ModelProto:
    """Return the nodes for the heads, with all levels in one tensor."""
    import onnx

    made_by = {output: node for node in whole.graph.node for output in node.output}
    needed, open_names = set(), [*logits, *deltas]
    while open_names:
        name = open_names.pop()
        if name not in needed:
            needed.add(name)
            open_names += made_by[name].input if name in made_by else ()
    nodes = [node for node in whole.graph.node if needed.intersection(node.output)]
    nodes += [
        onnx.helper.make_node("Concat", list(parts), [name], axis=1)
        for parts, name in ((logits, LOGITS), (deltas, DELTAS))
    ]
    [images] = [value for value in whole.graph.input if value.name in needed]
    outputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in (LOGITS, DELTAS)]
    initializers = [value for value in whole.graph.initializer if value.name in needed]
    graph = onnx.helper.make_graph(nodes, "heads", [images], outputs, initializers)
    part = onnx.helper.make_model(graph, opset_imports=whole.opset_import)
    part.ir_version = whole.ir_version
    _rename(part, images.name, IMAGES)
    return part


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    model.graph.input[0].name = new
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def _open_batch(part: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with an open batch: a Reshape to a first length of 1 keeps the first length that it is given."""
    import onnx
    from onnx import numpy_helper

    opened = onnx.ModelProto()
    opened.CopyFrom(part)
    graph = opened.graph
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    for number, node in enumerate(graph.node):
        shape = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is not None and shape.size and shape[0] == 1:
            kept = shape.copy()
            kept[0] = 0  # ONNX: the length of the input
            name = f"open_batch_{number}"
            graph.initializer.append(numpy_helper.from_array(kept, name))
            node.input[1] = name
    return opened


def _runs_batches(model: onnx.ModelProto, size: int) -> bool:
    """Return whether a batch of two has the same outputs as two batches of one."""
    import numpy as np

    images = np.random.default_rng(0).random((2, 3, size, size), np.float32)
    run = _session(model)
    try:
        both = run(images, [LOGITS, DELTAS])
    except Exception:
        return False
    alone = [run(images[n : n + 1], [LOGITS, DELTAS]) for n in range(2)]
    return all(
        np.allclose(together[n : n + 1], one[place], rtol=1e-3, atol=1e-4)
        for place, together in enumerate(both)
        for n, one in enumerate(alone)
    )


def _session(model: Path | onnx.ModelProto) -> Callable[[NDArray[np.float32], Sequence[str]], list[Any]]:
    """Return a function that runs a model on images and returns some outputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    content = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    [images] = session.get_inputs()
    return lambda batch, names: list(session.run(list(names), {images.name: batch}))


def _scenes(size: int) -> NDArray[np.float32]:
    """Return scenes of digits as float32 ``[n, 3, size, size]``: real input for the tiny edition."""
    import tempfile

    import numpy as np

    from pytest_mlperf.datasets.digit_scenes import generate
    from pytest_mlperf.datasets.images import preprocess_stretch
    from pytest_mlperf.datasets.openimages import image_paths

    with tempfile.TemporaryDirectory() as name:
        generate(Path(name), "validation", CHECKED_SCENES)
        return np.stack([preprocess_stretch(path, size) for path in image_paths(Path(name), CHECKED_SCENES)])


def _compare(whole: Path, heads: Path, decoder: Decoder, images: NDArray[np.float32]) -> None:
    """Raise if the detections of the cut file differ from those of the whole file."""
    run_whole, run_heads = _session(whole), _session(heads)
    for number, image in enumerate(images):
        batch = image[None]
        boxes, labels, scores = run_whole(batch, ["boxes", "labels", "scores"])
        [found] = decoder.decode(*run_heads(batch, [LOGITS, DELTAS]))
        if not _same(found, boxes, labels, scores):
            raise ModelError(
                f"{whole.name} cut at its heads has other detections than the whole file",
                expected=f"{len(scores)} detections in scene {number}",
                found=f"{len(found.scores)}, or different ones",
                fix="run the whole graph: --mlperf-variant whole",
            )


def _same(
    found: Detections, boxes: NDArray[np.float32], labels: NDArray[np.int64], scores: NDArray[np.float32]
) -> bool:
    import numpy as np

    if len(found.scores) != len(scores) or not np.allclose(found.scores, scores, rtol=0, atol=SCORE):
        return False
    # Detections with almost equal scores may be in another order, so each one is matched separately.
    alike = (
        (np.abs(found.scores[:, None] - scores) <= SCORE)
        & (found.labels[:, None] == labels)
        & (np.abs(found.boxes[:, None] - boxes).max(-1, initial=0) <= BOX_PIXELS)
    )
    return bool(alike.any(0).all() and alike.any(1).all())
