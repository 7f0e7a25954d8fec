"""A case: one benchmark run, and its plan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlperf.metrics.base import ScoresParts

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.backends.base import Backend
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.implementations.base import Implementation
    from pytest_mlperf.metrics.limit import Limit
    from pytest_mlperf.origin import MissingFile, Remote
    from pytest_mlperf.rules.round import BenchmarkRules, Round

ACCURACY, PERFORMANCE, COMPLIANCE, CONFORMANCE = MODES = ("accuracy", "performance", "compliance", "conformance")
#: The modes whose cases are made only where they are asked for.
ON_REQUEST = (COMPLIANCE, CONFORMANCE)
FP32 = "fp32"


class Repetition(NamedTuple):
    """Which of how many runs of the same case it is, from 1."""

    number: int
    of: int


ONCE = Repetition(1, 1)


@dataclass(frozen=True)
class Case:
    """A benchmark × implementation × backend × device × scenario × mode: one pytest item.

    In compliance mode, and only there, ``test`` names one of the round's compliance tests, which is part of the id.
    In conformance mode there is no scenario.
    ``label`` names the model or the function that a test gave, and is part of the id. ``repetition`` is not: the runs
    of one case have one id.
    Cases are equal if these fields are equal; everything else about the run is in `plan`.
    """

    benchmark: str
    implementation: str
    backend: str
    device: str
    scenario: str
    mode: str
    test: str = ""
    precision: str = FP32
    variant: str = ""
    label: str = ""
    repetition: Repetition = ONCE
    decided: Plan | MLPerfError | None = field(default=None, compare=False, repr=False)

    @cached_property
    def plan(self) -> Plan:
        """The plan of the case.

        Raises
        ------
        MLPerfError
            The case cannot be run with these options.
        """
        if self.decided is None:
            raise ValueError(f"{self.id} has no plan")
        if isinstance(self.decided, Exception):
            raise self.decided
        return self.decided

    @cached_property
    def id(self) -> str:
        """The text in the brackets of the node id; the defaults python, fp32 and the plain form are left out."""
        parts = (
            self.benchmark,
            "" if self.implementation == "python" else self.implementation,
            self.backend,
            "" if self.precision == FP32 else self.precision,
            self.variant,
            self.label,
            self.device,
            self.scenario,
            self.test,
        )
        return "-".join(filter(None, parts))

    @property
    def title(self) -> str:
        """The id, with the number of a repeated run: for people."""
        number, of = self.repetition
        return f"{self.id} ({number} of {of})" if of > 1 else self.id

    def in_mode(self, mode: str) -> Case:
        """Return the same case in another mode."""
        return replace(self, mode=mode, test="")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a case runs with.

    Attributes
    ----------
    benchmark, backend, implementation
        The objects that the case names; the benchmark has the variant of the model file.
    benchmark_reference, backend_reference
        Benchmark and backend as ``module:attribute``, for a child process.
    model
        The model file; its source is the path given by the user, if any.
    dataset
        The source of the data set.
    dataset_size
        Samples in the whole data set.
    sample_count
        Samples that the case uses; an accuracy run answers all of them.
    round, rules
        The round whose rules apply, and its rules for the benchmark; None if MLPerf does not have the benchmark.
    limits
        The limits that the metric must reach.
    old
        The file of the model that the case's is compared with in the session.
    import_paths
        Directories in which a child finds the backend's module.
    """

    benchmark: Benchmark
    backend: type[Backend] | Backend
    implementation: Implementation
    benchmark_reference: str
    backend_reference: str
    model: ModelFile
    dataset: Path | Recipe | Remote | MissingFile
    dataset_size: int
    sample_count: int
    round: Round | None
    rules: BenchmarkRules | None
    limits: tuple[Limit, ...]
    old: Path | None = None
    import_paths: tuple[str, ...] = ()

    def with_samples(self, count: int) -> Plan:
        """Return the plan for the first samples of the data set: the metric over them, and what it must reach there."""
        benchmark = self.benchmark
        if isinstance(benchmark.metric, ScoresParts):
            benchmark = replace(benchmark, metric=benchmark.metric.over(count))
        limits = tuple(benchmark.limits(count)) or (self.rules.limits if self.rules is not None else ())
        return replace(self, benchmark=benchmark, sample_count=count, limits=limits)
