"""What the result of a run depends on, as digests: two runs of the same are repetitions of each other."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import structs

from pytest_mlperf.artifacts.disk import file_sha256
from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.backends.model_file import FUNCTION
from pytest_mlperf.environments.sources import PACKAGE
from pytest_mlperf.run.code import code_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_mlperf.implementations.protocol import RunSpec
    from pytest_mlperf.run.judge import Run

#: Of run.json: places, whose content has a digest or is made of what has one; and what a finished run does not show.
_OTHER = frozenset(
    "model model_sha256 dataset output reference prepared import_paths unfinished kept "  # noqa: SIM905
    "timeout rerun require_quiet".split()
)


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's result depends on but for its surroundings.

    Attributes
    ----------
    case
        Its id.
    model, dataset
        Their digests.
    settings
        A digest of each field of run.json that is no place, by its name; of user.conf the digest of the file.
    code
        A digest of each package: this one, and those of the benchmark and the backend.
    """

    case: str
    model: str
    dataset: str
    settings: dict[str, str]
    code: dict[str, str]

    @property
    def sha256(self) -> str:
        """A digest of all of them."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def differences(self, now: Inputs) -> Iterator[str]:
        """Yield in words what is another in later inputs."""
        for what, old, new in (("model", self.model, now.model), ("data set", self.dataset, now.dataset)):
            if old != new:
                yield f"the {what} changed"
        if changed := other_keys(self.settings, now.settings):
            yield f"{', '.join(changed)} changed"
        if changed := other_keys(self.code, now.code):
            yield f"the code of {', '.join(changed)} changed"


class Unknown(NamedTuple):
    """Why nobody can tell what a run's result depends on."""

    reason: str


def inputs_of(
    run: Run, *, without: tuple[str, ...] = (), code_of: Callable[[str], str] = code_sha256
) -> Inputs | Unknown:
    """Return what a run's result depends on.

    Parameters
    ----------
    run
        A run, whose data set was read.
    without
        Fields of run.json on which it does not depend.
    code_of
        Returns the digest of a top-level module; empty if there is none.
    """
    spec = run.spec
    if run.case.device == REMOTE:
        return Unknown("nobody can tell what the endpoint runs")
    if run.case.implementation != "python":
        return Unknown(f"what the implementation {run.case.implementation} is built from has no digest")
    if run.model.format == FUNCTION:
        return Unknown("a function may use anything")
    if not spec.model_sha256 or not run.dataset_sha256:
        return Unknown(f"the {'data set' if spec.model_sha256 else 'model'} has no digest")
    code = {name: code_of(name) for name in _packages(spec)}
    if missing := [name for name, digest in code.items() if not digest]:
        return Unknown(f"nobody can tell what code {missing[0]} consists of")
    return Inputs(
        case=run.case.id,
        model=spec.model_sha256,
        dataset=run.dataset_sha256,
        settings=dict(_settings(spec, _OTHER | set(without))),
        code=code,
    )


def other_keys(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Return the names under which two mappings have something else."""
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _settings(spec: RunSpec, without: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the digest of each field: a value may be a secret."""
    for name, value in structs.asdict(spec).items():
        if name in without:
            continue
        if name == "user_conf" and value is not None:
            with suppress(OSError):  # the run says what is wrong with it
                value = file_sha256(Path(value))
        if name == "old" and spec.old is not None:
            value = spec.old.sha256
        yield name, hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _packages(spec: RunSpec) -> list[str]:
    named = {reference.partition(":")[0].partition(".")[0] for reference in (spec.benchmark, spec.backend)}
    return list(dict.fromkeys((PACKAGE, *sorted(named))))
