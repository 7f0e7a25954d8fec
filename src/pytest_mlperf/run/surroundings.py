"""What a run is given: by the fixtures of its item, and by its session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_mlperf.artifacts.content import Content
    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.implementations.base import Program
    from pytest_mlperf.implementations.protocol import OtherModel
    from pytest_mlperf.run.budget import Budget
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.child import OnProgress


class Say(Protocol):
    """Tells the user something: always, or only where the user wants to know more."""

    def __call__(self, text: str, always: bool) -> None: ...  # noqa: D102 - see the class


@dataclass(frozen=True)
class Provided:
    """What the fixtures provide for a case.

    Attributes
    ----------
    program
        The program that runs the case.
    model, model_sha256
        The model's path or address, and its digest; empty for an address.
    model_file
        Its entry in the benchmark's ``models``.
    dataset
        The data set's directory.
    data
        Returns the hashed files of the first samples; None if nobody says which they are.
    notes
        Notes for the user.
    reference
        The ONNX file with the same graphs; empty if there is none.
    prepared
        The directory of what the backend made of the model; empty for nothing.
    old
        The model that a performance run is timed in turns with.
    versions
        Returns the versions of the packages that it runs with.
    """

    program: Program
    model: str
    model_sha256: str
    model_file: ModelFile
    dataset: Path
    data: Callable[[int], Content | None]
    notes: tuple[str, ...] = ()
    reference: str = ""
    prepared: str = ""
    old: OtherModel | None = None
    versions: Callable[[], dict[str, str]] = dict


@dataclass(frozen=True)
class Surroundings:
    """What a run needs from its session.

    Attributes
    ----------
    directory
        The session's directory, in which each run makes its own.
    references
        The directory for the runs that compliance tests are compared with.
    cache
        The cache directory, in which the paces of runs are stored.
    device
        Locks a device, exclusively or shared.
    progress
        Shows a case's progress.
    tell
        Returns a function that tells the user what a run is waiting for.
    stops
        Called at Ctrl-C with the case; returns whether the session stops, and if not, tells the user.
    budget
        Limits the time of runs; None for any time.
    reuse
        Whether results of earlier sessions are taken.
    say
        Tells the user what became of that, and of a rate that was too high.
    """

    directory: Path
    references: Path
    cache: Path
    device: Callable[[str, bool], AbstractContextManager[None]]
    progress: Callable[[Case], AbstractContextManager[OnProgress]]
    tell: Callable[[str], Callable[[Holder | None], None]]
    stops: Callable[[Case], bool]
    reuse: bool
    say: Say
    budget: Budget | None = None
