"""Runtimes that do nothing or little, and systems that are honest or not, as another package would add them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlperf.benchmarks.base import Benchmark, Graph, Limit, ModelFile, Tensor
from pytest_mlperf.metrics.accuracy_log import float32_rows
from pytest_mlperf.origin import Derived, Tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_mlperf.artifacts.recipe import LocalRecipe
    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.metrics.accuracy_log import Record

GRAPH = Graph((Tensor("x", "float32", (None, 1)),), (Tensor("y", "float32", (None, 1)),))


class NullSamples:
    """Samples of one number: their own index."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Inputs:
        return {"x": np.full(1, index, np.float32)}


@dataclass(frozen=True)
class NullDataset:
    """As many samples as asked for."""

    size: int | None = 1000
    name: str = "numbers"
    requirements: tuple[str, ...] = ()

    def source(self, count: int) -> Path | LocalRecipe:
        return Path(__file__).parent

    def open(self, directory: Path, count: int, variant: str) -> NullSamples:
        return NullSamples(count)


@dataclass(frozen=True)
class Answered:
    """The part of the samples that are answered with their own index."""

    line: str = "answered={:.3f}%"
    name: str = "answered"
    unit: str = "%"
    requirements: tuple[str, ...] = ()

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        rows = float32_rows(answers, columns=1)
        pairs = zip(rows.qsl_idx.tolist(), rows.values[:, 0].tolist(), strict=True)
        right = sum(index == value for index, value in pairs)
        return {self.name: 100.0 * right / len(rows.qsl_idx)}

    def text(self, values: Mapping[str, float]) -> str:
        return self.line.format(values[self.name]) + "\n"


class NullBenchmark(Benchmark):
    """Answers each sample with its own index; the metric is the part of the samples answered."""

    def limits(self, samples: int) -> Sequence[Limit]:
        return (Limit("answered", minimum=99.0, reference=100.0, samples=samples),)


@dataclass(frozen=True)
class TallyRecipe:
    """A data set that takes a moment to build, and writes down each build in the file $MLPERF_TEST_TALLY."""

    kind: str = "dataset"
    name: str = "tallied"
    source: str = "made by the test"

    def key(self) -> dict[str, str | int]:
        return {}

    def build(self, directory: Path) -> None:
        with Path(os.environ["MLPERF_TEST_TALLY"]).open("a") as tally:
            tally.write(f"{os.getpid()}\n")
        time.sleep(0.5)
        (directory / "samples").touch()


class TallyDataset(NullDataset):
    """A data set that has to be built."""

    def source(self, count: int) -> Path | LocalRecipe:
        return TallyRecipe()


def null_model(model_format: str) -> tuple[ModelFile, ...]:
    return (ModelFile(model_format, "fp32", Path(__file__), (GRAPH,)),)


NULL = NullBenchmark(
    edition="tiny",
    loadgen_model="null",
    dataset=NullDataset(),
    metric=Answered(),
    models=null_model("none"),
)


@dataclass(frozen=True)
class NoteRecipe:
    """A model that says what it was made from, with a tool's interpreter."""

    original: Path
    sha256: str
    python: str
    name: str
    kind: str = "model"
    source: str = "made by the test"

    def key(self) -> dict[str, str | int]:
        return {"sha256": self.sha256}

    def build(self, directory: Path) -> None:
        words = "import sys, six; print(sys.version_info[:2] >= (3, 10), six.__name__)"
        said = subprocess.run([self.python, "-c", words], capture_output=True, text=True, check=True).stdout
        (directory / self.name).write_text(f"{self.original.name}, {said}")


def _second(model: Path, sha256: str, python: str) -> NoteRecipe:
    return NoteRecipe(model, sha256, python, "second.txt")


@dataclass(frozen=True)
class FirstRecipe(TallyRecipe):
    """The file in the middle."""

    kind: str = "model"
    name: str = "first"

    def build(self, directory: Path) -> None:
        (directory / "first.txt").write_text("first")


CHAINED = replace(
    NULL,
    models=(
        ModelFile(
            "chained",
            "fp32",
            Derived(
                Derived(Path(__file__), lambda model, sha256, python: FirstRecipe(), source_format="py"),
                _second,
                tool=Tool(("six>=1.16",), ">=3.10"),
                source_format="txt",
            ),
            (GRAPH,),
        ),
    ),
)
TALLY = replace(NULL, dataset=TallyDataset(), models=null_model("tally"))


class Runtime:
    """What all of them share: any file is a model, one model serves all threads."""

    devices: tuple[str, ...] = ("cpu",)
    requirements: tuple[str, ...] = ("numpy>=1.26",)
    formats: tuple[str, ...] = ("none",)
    max_batch: int | None = 1

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> NullModel:
        return NullModel(self.run, self.max_batch)

    def run(self, inputs: Inputs) -> Outputs:
        return (inputs["x"],)

    def versions(self) -> Mapping[str, str]:
        return {"numpy": np.__version__}


@dataclass
class NullModel:
    """Runs a function."""

    function: Any
    max_batch: int | None
    device: str = "cpu"
    concurrent: bool = True
    weight_types: Sequence[str] = ()

    def run(self, inputs: Inputs, graph: str = "") -> Outputs:
        result: Outputs = self.function(inputs)
        return result

    def close(self) -> None:
        self.function = None


class Null(Runtime):
    """Returns its input, in batches of any size."""

    max_batch: int | None = None


class Tally(Null):
    """As null, for the benchmark tally alone."""

    formats: tuple[str, ...] = ("tally",)


class Computes(Null):
    """Runs fp32 files in bf16 too, on several accelerators; only where it is named."""

    default = False
    computes: Mapping[str, tuple[str, ...]] = MappingProxyType({"fp32": ("bf16",)})
    devices: tuple[str, ...] = ("cpu", "cuda")

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> NullModel:
        return NullModel(self.run, self.max_batch, device, weight_types=(model.precision,))


class Chained(Null):
    """As null, for the benchmark chained alone."""

    formats: tuple[str, ...] = ("chained",)


class NeedsSix(Null):
    """Needs a package that this project's environment does not have."""

    requirements: tuple[str, ...] = ("six>=1.16",)

    def run(self, inputs: Inputs) -> Outputs:
        import six  # type: ignore[import-untyped, unused-ignore]

        return (inputs["x"],) if six.PY3 else ()


class OldNumpy(Null):
    """Needs a numpy that does not go with that of this project's environment."""

    requirements: tuple[str, ...] = ("numpy<2",)


CLASSIFIER = replace(NULL, loadgen_model="resnet50", models=null_model("classifier"), official_name="resnet")
CLOSED = replace(
    CLASSIFIER,
    edition="official",
    dataset=NullDataset(size=None),
    metric=Answered(line="accuracy={:.3f}%"),
)


class Honest(Runtime):
    """Takes 2 ms a sample, sleeping; for the benchmark classifier-tiny, which a round knows."""

    formats: tuple[str, ...] = ("classifier",)

    def run(self, inputs: Inputs) -> Outputs:
        time.sleep(0.002)
        return (inputs["x"],)


class Tires(Honest):
    """As honest, but three times as slow once the warm-up is over, after which user.conf is written."""

    def run(self, inputs: Inputs) -> Outputs:
        if Path("user.conf").exists():
            time.sleep(0.004)
        return super().run(inputs)


class Remembers(Honest):
    """As honest, but the sample that came before costs nothing."""

    def __init__(self) -> None:
        self._last: bytes | None = None

    def run(self, inputs: Inputs) -> Outputs:
        if (sample := inputs["x"].tobytes()) == self._last:
            return (inputs["x"],)
        self._last = sample
        return super().run(inputs)


class Pretends(Honest):
    """Answers as it should when accuracy is looked at, and anything when time is."""

    def __init__(self) -> None:
        self._wrong = json.loads(Path("run.json").read_text())["mode"] == "performance"

    def run(self, inputs: Inputs) -> Outputs:
        [answer] = super().run(inputs)
        return (answer + 1 if self._wrong else answer,)


class Varies(Honest):
    """Answers with other bytes in performance mode, which mean the same: minus nought for nought."""

    def __init__(self) -> None:
        self._sign = -1 if json.loads(Path("run.json").read_text())["mode"] == "performance" else 1

    def run(self, inputs: Inputs) -> Outputs:
        [answer] = super().run(inputs)
        return (np.where(answer == 0, self._sign * answer, answer),)
