"""BERT, answers to questions about texts: the official BERT-large on SQuAD v1.1, and a tiny edition on facts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.remote import FileRecipe
from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.benchmarks.base import (
    Benchmark,
    Derived,
    Graph,
    ModelFile,
    Records,
    Remote,
    Short,
    Tensor,
)
from pytest_mlperf.benchmarks.bert_lengths import LengthsRecipe
from pytest_mlperf.benchmarks.first_samples import first_inputs
from pytest_mlperf.benchmarks.pytorch_files import pytorch_file
from pytest_mlperf.benchmarks.tiny import TinyReference
from pytest_mlperf.conversion.recipe import SAVED_MODEL, TFLITE, converted
from pytest_mlperf.datasets import squad_lengths
from pytest_mlperf.datasets.squad import ShippedQuestions, Squad
from pytest_mlperf.metrics.span_f1 import SpanF1
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.datasets.squad_features import Feature

#: A file that takes windows of any length, so that nothing is computed for padding.
LENGTHS = "lengths"
INPUTS = ("input_ids", "input_mask", "segment_ids")
#: MultiStream is of vision tasks only.
SCENARIOS = ("Offline", "Server", "SingleStream")


def graph(length: int | None, batch: int | None = None, in_file: Sequence[str] = INPUTS) -> Graph:
    """Return the graph: numbers of pieces, 1 for each that is none of padding, segment, to the logits of the answer."""
    shape = (batch, length)
    inputs = (
        Tensor(name, "int64", shape, "" if name == there else there)
        for name, there in zip(INPUTS, in_file, strict=True)
    )
    outputs = (Tensor(f"output_{side}_logits", "float32", shape) for side in ("start", "end"))
    return Graph(tuple(inputs), tuple(outputs))


@dataclass(frozen=True, kw_only=True)
class Bert(Benchmark):
    """Finding the answer to a question in a text, scored as the F1 of its words.

    Attributes
    ----------
    sequence
        The pieces that the whole graph reads.
    """

    sequence: int

    def cost(self, sample: Feature) -> float:
        """Return the number of pieces, where the graph is not always as long as the longest."""
        return float(len(sample)) if self.variant == LENGTHS else 1.0

    def collate(self, samples: Sequence[Feature]) -> Inputs:
        """Return ids, mask and segments of a batch, int64 ``[n, length]``, padded with zeros.

        The length is that of the longest sample for a file of any length, else that of the graph.
        """
        import numpy as np

        length = max(map(len, samples)) if self.variant == LENGTHS else self.sequence
        ids, mask, segments = np.zeros((3, len(samples), length), np.int64)
        for row, sample in enumerate(samples):
            ids[row, : len(sample)] = sample.ids
            mask[row, : len(sample)] = 1
            segments[row, sample.first : len(sample)] = 1
        return dict(zip(INPUTS, (ids, mask, segments), strict=True))

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        """Return 2 float32 for each place: the logits of start and end.

        From the whole graph these are all places, as the reference logs them; else those without padding.
        """
        import numpy as np

        del indices
        logits = outputs[0] if len(outputs) == 1 else np.stack(outputs, -1)
        if self.variant != LENGTHS:
            return Records.rows(logits.astype(np.float32, copy=False))
        return Records.ragged([each[: len(sample)] for each, sample in zip(logits, samples, strict=True)])


def with_lengths(whole: ModelFile, sequence: int) -> tuple[ModelFile, ...]:
    """Return the model files for an ONNX file of one length: made to take any, which is preferred, and itself."""

    def recipe(model: Path, sha256: str, _: str) -> LengthsRecipe:
        return LengthsRecipe(model, sha256, sequence)

    origin = whole.origin
    assert isinstance(origin, Remote)  # noqa: S101 - the published file is a download
    return (ModelFile("onnx", whole.precision, Derived(origin, recipe), (graph(None),), LENGTHS, instead=whole), whole)


#: The published files of the official model, by format and precision. Addresses and MD5 are those of MLCommons'
#: automation (get-ml-model-bert-large-squad), Zenodo first, because armi.in is a personal server.
PUBLISHED: Mapping[tuple[str, str], RemoteFile] = {
    ("onnx", "fp32"): RemoteFile(
        "model.onnx",
        ("https://zenodo.org/record/3733910/files/model.onnx", "https://armi.in/files/model.onnx"),
        md5="819b25b19cd8e59080c10892689750ca",
    ),
    ("onnx", "int8"): RemoteFile(
        "bert_large_v1_1_fake_quant.onnx",
        (
            "https://zenodo.org/record/3750364/files/bert_large_v1_1_fake_quant.onnx",
            "https://mlperf-public.s3.us-west-2.amazonaws.com/bert_large_v1_1_fake_quant.onnx",
            "https://armi.in/files/bert_large_v1_1_fake_quant.onnx",
        ),
        md5="45f88ffb2915362242703c85c38ec2d4",
    ),
    ("pytorch", "fp32"): RemoteFile(
        "model.pytorch",
        ("https://zenodo.org/record/3733896/files/model.pytorch", "https://armi.in/files/fp32/model.pytorch"),
        md5="00fbcbfaebfa20d87ac9885120a6e9b4",
    ),
    ("pytorch", "int8"): RemoteFile(
        "pytorch_model.bin",
        ("https://zenodo.org/record/4792496/files/pytorch_model.bin", "https://armi.in/files/int8/pytorch_model.bin"),
        md5="0734c580cb53b4b56a3f400771ffcb7c",
    ),
    ("tf", "fp32"): RemoteFile(
        "model.pb",
        ("https://zenodo.org/record/3939747/files/model.pb",),
        md5="dd72de12e8226f25f0128a1a864b97ad",
    ),
}
_WHOLE = graph(384)
#: By format and precision, where it is not that of the ONNX file: other names, or both logits in one output.
_GRAPHS: Mapping[tuple[str, str], Graph] = {
    ("onnx", "int8"): graph(384, in_file=("input_ids", "attention_mask", "token_type_ids")),
    ("tf", "fp32"): Graph(
        graph(384, 1, tuple(f"{name}:0" for name in INPUTS)).inputs,
        (Tensor("logits", "float32", (1, 384, 2), "logits:0"),),
    ),
}


def official_models(published: Mapping[tuple[str, str], RemoteFile]) -> tuple[ModelFile, ...]:
    """Return the model files that are published; the ONNX file of the full precision also for windows of any length.

    Quantised activations of a padded window and of a short one differ by more than rounding, so that the quantised file
    is only run as it is.
    """
    rows: list[ModelFile] = []
    for (form, precision), file in published.items():
        size = 1_340_000_000
        recipe = FileRecipe(file, f"bert-large {form} {precision}")
        remote = Remote(recipe, file.name, "about 1.3 GB", size, "--model-path FILE")
        row = ModelFile(form, precision, remote, (_GRAPHS.get((form, precision), _WHOLE),))
        if form == "pytorch":  # the network for the state dict takes any length
            row = replace(row, graphs=(graph(None),), variant=LENGTHS)
        rows += with_lengths(row, 384) if (form, precision) == ("onnx", "fp32") else (row,)
    return tuple(rows)


@dataclass(frozen=True, kw_only=True)
class OfficialBert(Bert):
    """BERT-large on SQuAD v1.1."""

    def reference_data(self, samples: int) -> str | None:
        """Return the digest of dev-v1.1.json and vocab.txt, the only files for which the round's limits are known."""
        from pytest_mlperf.artifacts.content import listing_sha256

        del samples
        dataset = self.dataset
        return listing_sha256(dataset.files.files) if isinstance(dataset, Squad) else None


OFFICIAL_99 = OfficialBert(
    edition="official",
    official_name="bert-99",
    loadgen_model="bert",
    dataset=Squad(),
    metric=SpanF1(),
    models=official_models(PUBLISHED),
    scenarios=SCENARIOS,
    sequence=384,
)
OFFICIAL_99_9 = replace(OFFICIAL_99, official_name="bert-99.9")

TINY_SEQUENCE = squad_lengths.TINY.sequence
TINY_SAMPLES = 1_958
#: The same file: run as it is, and always as long as the longest.
_TINY_FILES = tuple(
    ModelFile("onnx", precision, shipped(file), (graph(length),), variant)
    for precision, file in (("fp32", "bert-tiny.onnx"), ("int8", "bert-tiny-int8.onnx"))
    for length, variant in ((None, LENGTHS), (TINY_SEQUENCE, ""))
)


def _tiny_inputs() -> Inputs:
    """Return questions, padded to what the model reads at once."""
    return first_inputs(replace(TINY_99, variant=""))


TINY_99: Bert = Bert(
    edition="tiny",
    official_name="bert-99",
    loadgen_model="bert",
    dataset=ShippedQuestions("questions about facts", squad_lengths.TINY, TINY_SAMPLES, directory="bert-tiny"),
    metric=SpanF1(squad_lengths.TINY),
    models=(
        *_TINY_FILES,
        pytorch_file(_TINY_FILES[0], lambda: TINY_99),
        converted(_TINY_FILES[1], TFLITE, "tflite", _tiny_inputs),
        *(converted(row, SAVED_MODEL, "savedmodel", _tiny_inputs) for row in _TINY_FILES[:2]),
    ),
    scenarios=SCENARIOS,
    short=Short(samples=500, seconds=1.0, rehearsal=16),
    sequence=TINY_SEQUENCE,
    reference=TinyReference("bert-tiny", "F1", common=None),
)
TINY_99_9 = replace(
    TINY_99, official_name="bert-99.9", reference=TinyReference("bert-tiny", "F1", share=0.999, common=None)
)
