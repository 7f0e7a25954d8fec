"""What the base submissions hold: rounds, systems, results and the runs that each result needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBMITTER = "Community"
IMPLEMENTATION = "waiting"


@dataclass(frozen=True)
class Round:
    """A round's layout and its seeds, ``MODEL_CONFIG[...]["seeds"]`` of the submission checker's constants."""

    name: str
    qsl_rng_seed: int
    sample_index_rng_seed: int
    schedule_rng_seed: int

    @property
    def separate_measurements(self) -> bool:
        """Whether measurements, compliance and code are folders of their own, as until v5.1."""
        return self.name == "v5.1"


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as a submission names it.

    Attributes
    ----------
    folder
        Its folder's name.
    conf_name
        Its name in LoadGen's mlperf.conf.
    samples, loaded
        The data set's size, and how many samples of it are loaded at once in a performance run.
    tests
        The compliance tests that closed asks for.
    audited
        ``accuracy_log_sampling_target`` of its TEST01 runs.
    """

    folder: str
    conf_name: str
    samples: int
    loaded: int
    tests: tuple[str, ...]
    audited: int


@dataclass(frozen=True)
class System:
    """A described system and the scenarios that it has results in."""

    name: str
    system_type: str
    benchmark: Benchmark
    scenarios: tuple[str, ...]


@dataclass(frozen=True)
class Base:
    """A valid submission."""

    name: str
    round: Round
    division: str
    systems: tuple[System, ...]


@dataclass(frozen=True)
class Run:
    """One LoadGen test. `kind` is ``accuracy``, ``performance`` or a compliance test's name."""

    base: Base
    system: System
    scenario: str
    kind: str

    @property
    def folder(self) -> str:
        """The run's folder below the folder of all runs; names the run."""
        return f"{self.base.name}/{self.system.name}/{self.system.benchmark.folder}/{self.scenario}/{self.kind}"


V51 = Round("v5.1", 1780908523862526354, 14771362308971278857, 18209322760996052031)
V61 = Round("v6.1", 2085463073848966840, 2747215439041700203, 16159082839903944936)

RESNET50 = Benchmark("resnet50", "resnet50", 50000, 1024, ("TEST01", "TEST04"), 1024)
RETINANET = Benchmark("retinanet", "retinanet", 24781, 64, ("TEST01",), 64)
UNET = Benchmark("3d-unet-99", "3d-unet", 43, 43, ("TEST01",), 16)

EDGE = "example-edge"
DATACENTER = "example-server"
STREAMS = ("SingleStream", "MultiStream", "Offline")
BASES = (
    Base("v6.1_open", V61, "open", (System(EDGE, "edge", RESNET50, ("SingleStream", "Offline")),)),
    Base(
        "v6.1_closed",
        V61,
        "closed",
        (System(EDGE, "edge", RESNET50, STREAMS), System(DATACENTER, "datacenter", UNET, ("Offline",))),
    ),
    Base("v5.1_open", V51, "open", (System(EDGE, "edge", RETINANET, ("SingleStream", "Offline")),)),
    Base(
        "v5.1_closed",
        V51,
        "closed",
        (
            System(EDGE, "edge", RETINANET, STREAMS),
            System(DATACENTER, "datacenter", RETINANET, ("Server", "Offline")),
        ),
    ),
)


def runs() -> Iterator[Run]:
    """Yield every run that the bases need."""
    for base in BASES:
        for system in base.systems:
            tests = system.benchmark.tests if base.division == "closed" else ()
            for scenario in system.scenarios:
                for kind in ("accuracy", "performance", *tests):
                    yield Run(base, system, scenario, kind)


def find(folder: str) -> Run:
    """Return the run with this folder; StopIteration when there is none."""
    return next(run for run in runs() if run.folder == folder)
