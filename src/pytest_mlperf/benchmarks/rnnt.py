"""RNN-T, speech recognition: the official network on LibriSpeech, and a tiny edition on spoken numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.remote import FileRecipe
from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.benchmarks.base import (
    Benchmark,
    Derived,
    FirstToken,
    Graph,
    ModelFile,
    Records,
    Remote,
    Short,
    Tensor,
)
from pytest_mlperf.benchmarks.pytorch_files import pytorch_file
from pytest_mlperf.benchmarks.rnnt_checkpoint import CheckpointRecipe
from pytest_mlperf.benchmarks.tiny import TinyReference
from pytest_mlperf.conversion.steps import PYTORCH
from pytest_mlperf.datasets.speech import LibriSpeech, SpokenNumbers
from pytest_mlperf.metrics.word_error_rate import WordErrorRate
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mlperf.backends.base import Inputs, Model, Outputs

#: LoadGen's MultiStream is for tasks of vision.
SCENARIOS = ("Offline", "Server", "SingleStream")


@dataclass(frozen=True)
class Sizes:
    """Hidden values of the encoder, and hidden values and layers of the prediction network."""

    encoder: int
    prediction: int
    layers: int


def graphs(sizes: Sizes) -> tuple[Graph, ...]:
    """Return the three graphs of a model's directory; see `pytest_mlperf.benchmarks.rnnt_graphs.write_graphs`."""
    state = (None, sizes.layers, sizes.prediction)
    encoded, predicted = (None, sizes.encoder), (None, sizes.prediction)
    return (
        Graph(
            (Tensor("features", "float32", (None, None, 240)), Tensor("lengths", "int64", (None,))),
            (Tensor("encoded", "float32", (None, None, sizes.encoder)),),
            "encoder",
            "encoder.onnx",
        ),
        Graph(
            (Tensor("label", "int64", (None,)), Tensor("hidden", "float32", state), Tensor("cell", "float32", state)),
            (
                Tensor("predicted", "float32", predicted),
                Tensor("next_hidden", "float32", state),
                Tensor("next_cell", "float32", state),
            ),
            "prediction",
            "prediction.onnx",
        ),
        Graph(
            (Tensor("encoded", "float32", encoded), Tensor("predicted", "float32", predicted)),
            (Tensor("logits", "float32", (None, 29)),),
            "joint",
            "joint.onnx",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Rnnt(Benchmark):
    """Speech recognition, letter by letter, scored as the accuracy of words: 100 less the word error rate."""

    sizes: Sizes

    def cost(self, sample: Any) -> float:
        """Return the sample's length: batches are made of waveforms of similar length."""
        return float(len(sample))

    def answer(self, model: Model, samples: Sequence[Any], indices: Sequence[int], first: FirstToken) -> Records:
        """Return the labels of each waveform as int64: 0 is the space, 1 to 26 are the letters, 27 the apostrophe.

        Computing the features is part of the work, as in the reference.
        """
        import numpy as np

        from pytest_mlperf.benchmarks.rnnt_decoder import decode
        from pytest_mlperf.benchmarks.rnnt_features import batch_features

        del indices
        features, lengths = batch_features(list(samples))
        [encoded] = model.run({"features": features, "lengths": lengths}, "encoder")
        labels = decode(
            model,
            encoded,
            (lengths + 1) // 2,
            (self.sizes.layers, self.sizes.prediction),
            lambda row, label: first(row, np.array([label], np.int64)),
        )
        return Records.ragged([np.array(each, np.int64) for each in labels])

    def compared(self, outputs: Outputs, inputs: Inputs, graph: str) -> Outputs:
        """Leave out what the encoder gives for the padding of shorter samples."""
        import numpy as np

        if graph != "encoder":
            return outputs
        [encoded] = outputs
        steps = (inputs["lengths"] + 1) // 2
        return [np.where(np.arange(encoded.shape[1])[:, None] < steps[:, None, None], encoded, np.float32(0))]


#: Its address is that of the reference's README; nobody states a checksum.
CHECKPOINT = RemoteFile(
    "DistributedDataParallel_1576581068.9962234-epoch-100.pt",
    ("https://zenodo.org/record/3662521/files/DistributedDataParallel_1576581068.9962234-epoch-100.pt?download=1",),
)
#: 45.3 million weights in float32.
CHECKPOINT_BYTES = 181_000_000

OFFICIAL_SIZES = Sizes(1024, 320, 2)
TINY_SIZES = Sizes(128, 64, 1)


def official_models(checkpoint: RemoteFile) -> tuple[ModelFile, ...]:
    """Return the graphs that are made from the published checkpoint, and the checkpoint itself."""
    published = Remote(
        FileRecipe(checkpoint, "rnnt pytorch fp32"),
        checkpoint.name,
        "about 181 MB",
        CHECKPOINT_BYTES,
        "--model-path FILE, or a directory with encoder.onnx, prediction.onnx and joint.onnx",
    )
    made = Derived(published, CheckpointRecipe, PYTORCH)
    return (
        ModelFile("onnx", "fp32", made, graphs(OFFICIAL_SIZES), directory=True),
        ModelFile("pytorch", "fp32", published, graphs(OFFICIAL_SIZES)),
    )


OFFICIAL = Rnnt(
    edition="official",
    official_name="rnnt",
    loadgen_model="rnnt",
    scenarios=SCENARIOS,
    dataset=LibriSpeech("LibriSpeech dev-clean"),
    metric=WordErrorRate(),
    models=official_models(CHECKPOINT),
    short=Short(samples=100),
    sizes=OFFICIAL_SIZES,
)

_TINY_FILES = tuple(
    ModelFile("onnx", precision, shipped(place), graphs(TINY_SIZES), directory=True)
    for precision, place in (("fp32", "rnnt-tiny"), ("int8", "rnnt-tiny-int8"))
)
TINY: Rnnt = Rnnt(
    edition="tiny",
    official_name="rnnt",
    loadgen_model="rnnt",
    scenarios=SCENARIOS,
    dataset=SpokenNumbers("spoken numbers", size=400),
    metric=WordErrorRate(),
    models=(*_TINY_FILES, pytorch_file(_TINY_FILES[0], lambda: TINY, "rnnt-tiny.pth")),
    short=Short(samples=150, seconds=1.0, rehearsal=8),
    reference=TinyReference("rnnt-tiny", "word accuracy", common=2),
    sizes=TINY_SIZES,
)
