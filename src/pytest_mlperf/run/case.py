"""A case: one benchmark run, decided once; everything later reads what it says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import Recipe
    from pytest_mlperf.backends.base import Backend
    from pytest_mlperf.benchmarks.base import Benchmark, MissingFile, ModelFile, Remote
    from pytest_mlperf.errors import MLPerfError
    from pytest_mlperf.implementations.base import Implementation
    from pytest_mlperf.rules.accuracy import Limit
    from pytest_mlperf.rules.round import BenchmarkRules, Round

ACCURACY, PERFORMANCE, COMPLIANCE = MODES = ("accuracy", "performance", "compliance")
FP32 = "fp32"


@dataclass(frozen=True)
class Case:
    """A benchmark × implementation × backend × device × scenario × mode: one pytest item.

    In compliance mode, and only there, ``test`` names one of the round's compliance tests, which is part of the id.
    Two cases are equal when these are; what they were decided to mean is in `plan`.
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
    decided: Plan | MLPerfError | None = field(default=None, compare=False, repr=False)

    @cached_property
    def plan(self) -> Plan:
        """What was decided.

        Raises
        ------
        MLPerfError
            The case cannot be run as it was asked for.
        """
        if self.decided is None:
            raise ValueError(f"{self.id} was never decided")
        if isinstance(self.decided, Exception):
            raise self.decided
        return self.decided

    @cached_property
    def id(self) -> str:
        """What stands between the brackets of the node id; what is usual is left out: python, fp32, the plain form."""
        parts = (
            self.benchmark,
            "" if self.implementation == "python" else self.implementation,
            self.backend,
            "" if self.precision == FP32 else self.precision,
            self.variant,
            self.device,
            self.scenario,
            self.test,
        )
        return "-".join(filter(None, parts))

    def in_mode(self, mode: str) -> Case:
        """Return the same case in another mode."""
        return replace(self, mode=mode, test="")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a case means.

    Attributes
    ----------
    benchmark, backend, implementation
        What is run, on what, and fed by whom; the benchmark is that of the model file's variant.
    benchmark_reference, backend_reference
        The first two as ``module:attribute``, for a child process.
    model
        The model file; its source is the path that the user named, if so.
    dataset
        Where its data set comes from.
    dataset_size
        Samples in the whole data set.
    sample_count
        Samples that the case uses: of an accuracy run all that it sees.
    round, rules
        The round by whose rules it is run, and its row of the benchmark; None where MLPerf has not the benchmark.
    limits
        What the metric must reach.
    """

    benchmark: Benchmark
    backend: type[Backend]
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
