"""The protocol of benchmarks: data set, metric, model files, and how samples become answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_mlperf.backends.model_file import ENDPOINT, FUNCTION, Graph, ModelFile, Tensor
from pytest_mlperf.benchmarks.tiny import TinyReference
from pytest_mlperf.datasets.base import Dataset, Samples
from pytest_mlperf.metrics.base import Metric
from pytest_mlperf.metrics.limit import Limit
from pytest_mlperf.origin import Derived, MissingFile, Remote, Url

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Model, Outputs

#: All that a benchmark's file needs, from one place.
__all__ = [
    "Benchmark",
    "Dataset",
    "Derived",
    "Edition",
    "FirstToken",
    "Graph",
    "Limit",
    "Metric",
    "MissingFile",
    "ModelFile",
    "Records",
    "Remote",
    "Samples",
    "Short",
    "Tensor",
    "TinyReference",
    "TokenRecords",
    "Url",
]

Edition = Literal["official", "tiny"]
SCENARIOS = ("Offline", "Server", "SingleStream", "MultiStream")
#: Called with a sample's place in the batch and its first token's bytes, for the time to the first token.
FirstToken = Callable[[int, "NDArray[Any]"], None]


class Records(NamedTuple):
    """Responses of a batch for LoadGen's accuracy log: sample i is ``data[offsets[i]:offsets[i + 1]]``.

    ``data`` is a contiguous uint8 array, ``offsets`` has one more entry than the batch has samples.
    """

    data: NDArray[np.uint8]
    offsets: Sequence[int]

    @classmethod
    def rows(cls, values: NDArray[Any]) -> Records:
        """Return records of equal length: row i of an array of any dtype is sample i's."""
        import numpy as np

        data = np.ascontiguousarray(values)
        size = data.nbytes // len(data) if len(data) else 0
        return cls(data.reshape(-1).view(np.uint8), range(0, data.nbytes + 1, size or 1))

    @classmethod
    def ragged(cls, values: Sequence[NDArray[Any]]) -> Records:
        """Return records of any length: array i, of any dtype, is sample i's."""
        import numpy as np

        parts = [np.ascontiguousarray(value).reshape(-1).view(np.uint8) for value in values]
        if len(parts) == 1:
            return cls(parts[0], (0, len(parts[0])))
        offsets = [0]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        return cls(np.concatenate(parts) if parts else np.empty(0, np.uint8), offsets)


class TokenRecords(Records):
    """Records of a task whose tokens LoadGen counts, with the number of tokens of each sample's answer."""

    tokens: Sequence[int]

    @classmethod
    def counted(cls, records: Records, tokens: Sequence[int]) -> TokenRecords:
        """Return the records with these numbers."""
        made = cls(*records)
        made.tokens = tokens
        return made


@dataclass(frozen=True)
class Short:
    """The length of a short run of a benchmark.

    Attributes
    ----------
    samples
        The most samples of an accuracy run.
    seconds
        The duration that a performance run aims at.
    most_queries
        The most queries (in Offline: samples) of a performance run, however fast the system is.
    rehearsal
        Samples loaded for the warm-up.
    """

    samples: int = 500
    seconds: float = 2.0
    most_queries: int = 24_576
    rehearsal: int = 16


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One MLPerf benchmark in one edition. The name of its entry point is its name.

    Attributes
    ----------
    edition
        ``official``, or ``tiny`` for a small model that ships with the package.
    loadgen_model
        The name of its section in LoadGen's mlperf.conf.
    dataset, metric
        Its data set, and the metric of its answers.
    models
        Its model files, the preferred ones first.
    official_name
        Its name in MLPerf's rounds; empty if MLPerf does not have the benchmark, and then no round applies.
    scenarios
        The scenarios that it can run.
    short
        The length of a short run.
    variant
        The variant of the model file in use; `encode` and `collate` may read it.
    reference
        For a tiny edition: what its model reached in the training framework.
    """

    edition: Edition
    loadgen_model: str
    dataset: Dataset
    metric: Metric
    models: tuple[ModelFile, ...]
    official_name: str = ""
    scenarios: tuple[str, ...] = SCENARIOS
    short: Short = field(default_factory=Short)
    variant: str = ""
    reference: TinyReference | None = None

    def limits(self, samples: int) -> Sequence[Limit]:
        """Return the limits of the metric for the first `samples` samples; by default those of `reference`.

        Empty for an official edition, because its limits are in the round's file.
        """
        return (self.reference.limit(samples),) if self.reference is not None else ()

    def reference_data(self, samples: int) -> str | None:
        """Return the digest of the data that `limits` for `samples` samples are known for; None if it is not known.

        It is that of `pytest_mlperf.artifacts.content.listing_sha256`. On other data the limits are not applied. By
        default it is that of `reference`: empty for more samples than that is known for.
        """
        return self.reference.data(samples) if self.reference is not None else None

    def cost(self, sample: Any) -> float:
        """Return the relative cost of a sample; batches are made of samples with similar cost."""
        del sample
        return 1.0

    def collate(self, samples: Sequence[Any]) -> Inputs:
        """Return the inputs of a batch. The default stacks samples that are mappings of arrays of one shape."""
        own = getattr(samples, "stack", None)  # adjacent samples need no copy
        inputs: Inputs = own() if own is not None else stack(samples)
        return inputs

    def encode(self, outputs: Outputs, samples: Sequence[Any], indices: Sequence[int]) -> Records:
        """Convert a batch's outputs, in the graph's order, to the log records of the reference implementation.

        By default a sample's record is its row of the first output.
        """
        del samples, indices
        return Records.rows(outputs[0])

    def answer(self, model: Model, samples: Sequence[Any], indices: Sequence[int], first: FirstToken) -> Records:
        """Answer a batch. Override this for a task with a loop or with windows."""
        del first
        return self.encode(model.run(self.collate(samples)), samples, indices)

    def compared(self, outputs: Outputs, inputs: Inputs, graph: str) -> Outputs:
        """Return what is compared of a call's outputs: override it where a part of them is never read.

        Two runtimes may leave what they like behind the end of a padded sample.
        """
        del inputs, graph
        return outputs

    def model_file(self, model_format: str, precision: str, variant: str) -> ModelFile:
        """Return the entry of `models` with these properties, or of what answers instead of a file."""
        wanted = (model_format, precision, variant)
        return next(row for row in self.rows(model_format) if (row.format, row.precision, row.variant) == wanted)

    def rows(self, model_format: str) -> tuple[ModelFile, ...]:
        """Return the entries of `models` with this format, the preferred ones first.

        Every ONNX file may be served, and a function may answer instead of any file: without entries of its own, there
        is one for each of these.
        """
        rows = tuple(row for row in self.models if row.format == model_format)
        if not rows and model_format == ENDPOINT:
            return tuple(row.served() for row in self.models if row.format == "onnx" and row.graphs)
        if not rows and model_format == FUNCTION:
            seen = {(row.precision, row.variant): row.called() for row in reversed(self.models) if row.graphs}
            return tuple(reversed(seen.values()))
        return rows


def stack(samples: Sequence[Mapping[str, NDArray[Any]]]) -> Inputs:
    """Return the stacked inputs of samples of one shape; the first dimension is the batch."""
    import numpy as np

    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
