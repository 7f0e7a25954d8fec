"""The matrix: makes the cases, and the plan of each one."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, TypeVar

from pytest_mlperf.errors import EntryPointError, MLPerfError, OptionError
from pytest_mlperf.origin import Url
from pytest_mlperf.run.case import COMPLIANCE, Case, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_mlperf.backends.base import Backend
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.base import Implementation
    from pytest_mlperf.plugin.option_values import BenchmarkPath
    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.registry import Registry
    from pytest_mlperf.rules.round import Round

T = TypeVar("T")
#: The value of --mlperf-variant for a model file without one.
WHOLE = "whole"


class Matrix:
    """Makes the cases of a session.

    Parameters
    ----------
    registry
        What is installed.
    settings
        The options in force.
    """

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings

    def cases(self, mode: str) -> list[Case]:
        """Return every selected case of a mode, in a fixed order.

        In compliance mode there is one case for each test of the round, if compliance tests are wanted. An entry point
        that cannot be loaded becomes one case with the error.
        """
        if mode != COMPLIANCE:
            return [replace(case, mode=mode) for case in self._selected]
        if not self._settings.compliance_wanted:
            return []
        return [test for case in self._selected for test in _tests(case)]

    @cached_property
    def _selected(self) -> tuple[Case, ...]:
        """The selected cases, without a mode."""
        installed, selection = self._registry.installed, self._settings.selection
        benchmarks = _chosen(selection.model, installed.benchmarks)
        implementations = _chosen(selection.implementation, installed.implementations)
        backends = _chosen(selection.backend, installed.backends)
        cases = [Case(name, "", "", "", "", "", decided=each) for name, each in _broken(benchmarks)]
        cases += [Case("", name, "", "", "", "", decided=each) for name, each in _broken(implementations)]
        cases += [Case("", "", name, "", "", "", decided=each) for name, each in _broken(backends)]
        for names in product(benchmarks, implementations, backends):
            benchmark, implementation, backend = (benchmarks[names[0]], implementations[names[1]], backends[names[2]])
            if isinstance(benchmark, EntryPointError) or isinstance(backend, EntryPointError):
                continue
            if not isinstance(implementation, EntryPointError):
                cases += self._of_runtime(names, benchmark, implementation, backend)
        return tuple(cases)

    def _of_runtime(
        self, names: tuple[str, str, str], benchmark: Benchmark, implementation: Implementation, backend: type[Backend]
    ) -> list[Case]:
        """Return the cases of a benchmark on a backend; none if the backend cannot load any of its model files."""
        file = self._model_file(benchmark, backend)
        if file is None:
            return []
        try:
            return self._planned(names, benchmark, implementation, backend, file)
        except Exception as error:  # another package's code may raise anything; only its own cases fail
            return [Case(*names, "", "", "", decided=_raised(names, error))]

    def _planned(
        self,
        names: tuple[str, str, str],
        benchmark: Benchmark,
        implementation: Implementation,
        backend: type[Backend],
        file: ModelFile,
    ) -> list[Case]:
        """Return the cases of a benchmark on a backend with this model file."""
        decided = self._decide(names, benchmark, implementation, backend, file)
        return [
            Case(*names, device, scenario, "", precision=file.precision, variant=file.variant, decided=decided)
            for device in _among(self._settings.selection.device, backend.devices)
            for scenario in _among(self._settings.selection.scenario, benchmark.scenarios)
            if implementation.supports(benchmark, names[2], device, scenario)
        ]

    def _model_file(self, benchmark: Benchmark, backend: type[Backend]) -> ModelFile | None:
        """Return the first selected model file that the backend loads, in the backend's order of formats."""
        precision, variant = self._settings.precision, self._settings.variant
        rows = [row for form in backend.formats for row in benchmark.models if row.format == form]
        rows = [row for row in rows if row.precision == precision]
        if variant is not None:
            rows = [row for row in rows if (row.variant or WHOLE) == variant]
        return rows[0] if rows else None

    def _decide(
        self,
        names: tuple[str, str, str],
        benchmark: Benchmark,
        implementation: Implementation,
        backend: type[Backend],
        file: ModelFile,
    ) -> Plan | MLPerfError:
        """Return the plan of these cases, or the error with which their items fail."""
        settings, name = self._settings, names[0]
        benchmark = replace(benchmark, variant=file.variant)
        try:
            round_ = self._round(benchmark.official_name)
        except OptionError as error:
            return error
        rules = round_.benchmarks[benchmark.official_name] if round_ is not None else None
        size = benchmark.dataset.size or (rules.dataset_size if rules is not None else 0)
        count = settings.sample_count(size, benchmark.short.samples)
        named = _named(settings.model_path, name)
        directory = _named(settings.dataset_path, name)
        if named is not None:
            file = file.at(named if isinstance(named, Path) else Url(named))
        if settings.scorer is not None and hasattr(benchmark.metric, "with_scorer"):
            benchmark = replace(benchmark, metric=benchmark.metric.with_scorer(settings.scorer))
        return Plan(
            benchmark=benchmark,
            backend=backend,
            implementation=implementation,
            benchmark_reference=self._registry.benchmarks[name].value,
            backend_reference=self._registry.backends[names[2]].value,
            model=file,
            dataset=Path(directory) if directory is not None else benchmark.dataset.source(count),
            dataset_size=size,
            sample_count=count,
            round=round_,
            rules=rules,
            limits=tuple(benchmark.limits(count)) or (rules.limits if rules is not None else ()),
        )

    def _round(self, official_name: str) -> Round | None:
        """Return the round of --round, else the newest with all benchmarks of --model, else the newest with this one.

        Raises
        ------
        OptionError
            The round of --round does not have the benchmark.
        """
        from pytest_mlperf.rules.round import find_round, newest_round, rounds

        if not official_name:
            return None
        if self._settings.round is None:
            named = (self._registry.installed.benchmarks[name] for name in self._settings.selection.model)
            selected = {each.official_name for each in named if not isinstance(each, EntryPointError)} - {""}
            return newest_round({official_name, *selected}) or newest_round((official_name,))
        found = find_round(self._settings.round)
        if official_name not in found.benchmarks:
            having = [each.name for each in rounds().values() if official_name in each.benchmarks]
            raise OptionError(
                f"round {found.name} does not have {official_name}",
                expected=f"one of {', '.join(having)}",
                found=f"--round {found.name}",
                fix="choose one of these, or leave --round out",
            )
        return found


def _among(values: Sequence[str], there: Iterable[str]) -> list[str]:
    """Return the available names that are in `values`; all of them if `values` is empty."""
    return [name for name in there if not values or name in values]


def _chosen(values: Sequence[str], there: Mapping[str, T]) -> dict[str, T]:
    """Return the entries with these names; all of them if none are given."""
    return {name: there[name] for name in _among(values, there)}


def _broken(found: Mapping[str, object]) -> list[tuple[str, EntryPointError]]:
    """Return the entry points that could not be loaded."""
    return [(name, each) for name, each in found.items() if isinstance(each, EntryPointError)]


def _raised(names: tuple[str, str, str], error: Exception) -> EntryPointError:
    """Return the error of cases whose benchmark or implementation raised `error` while they were made."""
    where = extract_tb(error.__traceback__)[-1]
    return EntryPointError(
        f"the cases of {names[0]} with {names[1]} on {names[2]} cannot be made",
        found=f"{type(error).__name__}: {error}"[:300] + f" at {where.filename}:{where.lineno}",
        fix="update or uninstall the package of that file, or report it to its authors",
    )


def _named(given: Sequence[BenchmarkPath], benchmark: str) -> Path | str | None:
    """Return the path for a benchmark: the last one given for it, else the last one given without a name."""
    named = [each.place for each in given if each.benchmark == benchmark]
    general = [each.place for each in given if not each.benchmark]
    return (general + named)[-1] if general or named else None


def _tests(case: Case) -> Sequence[Case]:
    """Return a case for each compliance test of its round; a case with an error stays one case."""
    case = replace(case, mode=COMPLIANCE)
    if not isinstance(case.decided, Plan):
        return [case]
    rules = case.decided.rules
    return [replace(case, test=test) for test in (rules.compliance if rules is not None else ())]
