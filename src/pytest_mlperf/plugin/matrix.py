"""The matrix: which cases exist, and what each of them means. A case is decided here, and nowhere later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.benchmarks.base import Url
from pytest_mlperf.errors import EntryPointError, MLPerfError, OptionError
from pytest_mlperf.run.case import COMPLIANCE, Case, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlperf.backends.base import Backend
    from pytest_mlperf.benchmarks.base import Benchmark, ModelFile
    from pytest_mlperf.plugin.options import Settings
    from pytest_mlperf.registry import Registry
    from pytest_mlperf.rules.round import Round

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
        """Return every case of a mode that the options select, in a steady order.

        In compliance mode there is one for each test that the round asks, if they are wanted. What cannot be loaded is
        one case that says why.
        """
        if mode == COMPLIANCE and not self._settings.compliance_wanted:
            return []
        found = [case for each in self._all(mode) for case in (_tests(each) if mode == COMPLIANCE else [each])]
        kept = self._settings.selection.of_any_mode()
        return [case for case in found if kept.keeps(case)]

    def _all(self, mode: str) -> Iterator[Case]:
        registry = self._registry
        broken = registry.broken()
        for name in registry.benchmarks:
            if name in broken:
                yield Case(name, "", "", "", "", mode, decided=broken[name])
                continue
            for implementation in registry.implementations:
                for backend in registry.backends:
                    if implementation not in broken and backend not in broken:
                        yield from self._of_runtime(name, implementation, backend, mode)
        for name in registry.backends:
            if name in broken:
                yield Case("", "", name, "", "", mode, decided=broken[name])
        for name in registry.implementations:
            if name in broken:
                yield Case("", name, "", "", "", mode, decided=broken[name])

    def _of_runtime(self, name: str, implementation: str, backend: str, mode: str) -> Iterator[Case]:
        """Yield the cases of a benchmark on a backend: none where it loads no file that the benchmark has."""
        benchmark, runtime = self._registry.benchmark(name), self._registry.backend(backend)
        file = self._model_file(benchmark, runtime)
        if file is None:
            return
        supports = self._registry.implementation(implementation).supports
        decided = self._decide(name, implementation, backend, file)
        for device in runtime.devices:
            for scenario in benchmark.scenarios:
                if supports(benchmark, backend, device, scenario):
                    names = (name, implementation, backend, device, scenario, mode)
                    yield Case(*names, precision=file.precision, decided=decided)

    def _model_file(self, benchmark: Benchmark, backend: type[Backend]) -> ModelFile | None:
        """Return the first row that the backend loads and the options ask for, in the backend's order of formats."""
        precision, variant = self._settings.precision, self._settings.variant
        rows = [row for form in backend.formats for row in benchmark.models if row.format == form]
        rows = [row for row in rows if row.precision == precision]
        if variant is not None:
            rows = [row for row in rows if (row.variant or WHOLE) == variant]
        return rows[0] if rows else None

    def _decide(self, name: str, implementation: str, backend: str, file: ModelFile) -> Plan | MLPerfError:
        """Return what the cases of these names mean; an error is the item's, who shows it."""
        registry, settings = self._registry, self._settings
        benchmark = replace(registry.benchmark(name), variant=file.variant)
        try:
            round_ = self._round(benchmark.official_name)
        except OptionError as error:
            return error
        rules = round_.benchmarks[benchmark.official_name] if round_ is not None else None
        size = benchmark.dataset.size or (rules.dataset_size if rules is not None else 0)
        count = settings.sample_count(size, benchmark.short.samples)
        named = settings.named_model(name)
        if named is not None:
            file = replace(file, source=named if isinstance(named, Path) else Url(named))
        if settings.scorer is not None and hasattr(benchmark.metric, "with_scorer"):
            benchmark = replace(benchmark, metric=benchmark.metric.with_scorer(settings.scorer))
        return Plan(
            benchmark=benchmark,
            backend=registry.backend(backend),
            implementation=registry.implementation(implementation),
            benchmark_reference=registry.benchmarks[name].value,
            backend_reference=registry.backends[backend].value,
            model=file,
            dataset=settings.named_dataset(name) or benchmark.dataset.source(count),
            dataset_size=size,
            sample_count=count,
            round=round_,
            rules=rules,
            limits=tuple(benchmark.limits(count)) or (rules.limits if rules is not None else ()),
        )

    def _round(self, official_name: str) -> Round | None:
        """Return the round of --round; else the newest that has all benchmarks of --model, else the newest of its own.

        Raises
        ------
        OptionError
            The round of --round does not have the benchmark.
        """
        from pytest_mlperf.rules.round import find_round, newest_round, rounds

        if not official_name:
            return None
        if self._settings.round is None:
            selected = {official_name, *self._selected_names()}
            return newest_round(selected) or newest_round((official_name,))
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

    def _selected_names(self) -> Iterator[str]:
        for name in self._settings.selection.model:
            try:
                official = self._registry.benchmark(name).official_name
            except EntryPointError:  # it has a case of its own that says so
                continue
            if official:
                yield official


def _tests(case: Case) -> Sequence[Case]:
    """Return a case for each compliance test that its round asks; one that was not decided stays one."""
    if not isinstance(case.decided, Plan):
        return [case]
    rules = case.decided.rules
    return [replace(case, test=test) for test in (rules.compliance if rules is not None else ())]
