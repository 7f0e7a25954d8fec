"""Why a benchmark has no cases on a backend: the words for ``-rs`` and ``--mlperf-plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import EntryPointError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized

    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.base import Implementation


def is_meant(backend: str, named: Sequence[str], there: Sized) -> bool:
    """Return whether ``--backend`` names a backend, and not all of them: then a user waits for its cases."""
    return backend in named and len(named) < len(there)


def of_devices(has: Sequence[str], wanted: Sequence[str]) -> str:
    """Return the reason that a backend has none of the wanted devices; empty if none are wanted."""
    return f"it runs on {' and '.join(has)}, not on {' and '.join(wanted)}" if wanted else ""


def of_implementation(
    name: str,
    file: ModelFile,
    there: Mapping[str, Implementation | EntryPointError],
    cases: Sequence[tuple[Benchmark, str, str, str]],
) -> str:
    """Return the reason that an implementation supports none of some cases, and which others do.

    Parameters
    ----------
    name, file
        The implementation, and the model's file.
    there
        All implementations.
    cases
        What `Implementation.supports` was asked for.
    """
    able = [other for other, each in there.items() if other != name and any(_does(each, *case) for case in cases)]
    others = f"; --implementation {' or '.join(able)} does" if able else ""
    return f"the implementation {name} does not run its file {file}{others}"


def _does(implementation: Implementation | EntryPointError, *case: Any) -> bool:
    """Return whether an implementation supports a case that is not its own, so that it is asked with care."""
    try:
        return not isinstance(implementation, EntryPointError) and bool(implementation.supports(*case))
    except Exception:  # a fault of its own is told with its own cases
        return False
