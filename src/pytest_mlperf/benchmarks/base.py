"""The protocol of benchmarks: data set, metric, model files, and how samples become answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_mlperf.backends.model_file import Graph, ModelFile, Tensor
from pytest_mlperf.datasets.base import Dataset, Samples
from pytest_mlperf.metrics.base import Metric
from pytest_mlperf.origin import Derived, MissingFile, Remote, Url

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Model, Outputs
    from pytest_mlperf.rules.accuracy import Limit

#: All that a benchmark's file needs, from one place.
__all__ = [
    "Benchmark",
    "Dataset",
    "Derived",
    "Edition",
    "FirstToken",
    "Graph",
    "Metric",
    "MissingFile",
    "ModelFile",
    "Records",
    "Remote",
    "Samples",
    "Short",
    "Tensor",
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
        offsets = [0]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        return cls(np.concatenate(parts) if parts else np.empty(0, np.uint8), offsets)


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

    def limits(self, samples: int) -> Sequence[Limit]:
        """Return the limits of the metric for the first `samples` samples.

        Empty for an official edition, because its limits are in the round's file.
        """
        del samples
        return ()

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

    def model_file(self, model_format: str, precision: str, variant: str) -> ModelFile:
        """Return the entry of `models` with these properties."""
        wanted = (model_format, precision, variant)
        return next(row for row in self.models if (row.format, row.precision, row.variant) == wanted)


def stack(samples: Sequence[Mapping[str, NDArray[Any]]]) -> Inputs:
    """Return the stacked inputs of samples of one shape; the first dimension is the batch."""
    import numpy as np

    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
