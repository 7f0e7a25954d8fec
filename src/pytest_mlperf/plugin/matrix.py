"""The matrix: makes the cases, and the plan of each one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_mlperf.backends.base import Traits
from pytest_mlperf.backends.model_file import CHAT, ENDPOINT, FUNCTION
from pytest_mlperf.errors import EntryPointError, MLPerfError, OptionError, raised_elsewhere
from pytest_mlperf.origin import Url
from pytest_mlperf.plugin.reasons import is_meant, of_devices, of_implementation
from pytest_mlperf.run.case import COMPLIANCE, CONFORMANCE, Case, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_mlperf.backends.base import Backend
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.implementations.base import Implementation
    from pytest_mlperf.plugin.marker import Marked
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
        #: By backend and reason: the benchmarks for which there are no cases.
        self.uncollected: dict[tuple[str, str], list[str]] = {}
        self._made: dict[tuple[tuple[str, ...], ...], tuple[Case, ...]] = {}

    def cases(self, mode: str, marked: Marked | None = None) -> list[Case]:
        """Return every selected case of a mode, in a fixed order.

        A test's mark may name backends and implementations that are not selected without an option.

        In compliance mode there is one case for each test of the round, if compliance tests are wanted; in conformance
        mode, if it is wanted, one for each benchmark, backend and device. An entry point that cannot be loaded becomes
        one case with the error.
        """
        if mode == CONFORMANCE:
            return self._conformance(self._selected(marked)) if mode in self._settings.selection.mode else []
        if mode != COMPLIANCE:
            return [replace(case, mode=mode) for case in self._selected(marked)]
        if not self._settings.compliance_wanted:
            return []
        return [test for case in self._selected(marked) for test in _tests(case)]

    def on_backend(self, case: Case, backend: str) -> Case:
        """Return the same case on another backend.

        Raises
        ------
        OptionError
            The backend has no such case.
        """
        there = self._cases((case.implementation,), (backend,), (case.benchmark,))
        for other in there:
            if (other.device, other.scenario) == (case.device, case.scenario) or isinstance(other.decided, Exception):
                return replace(other, mode=case.mode)
        reasons = [reason for (name, reason), _ in self.uncollected.items() if name == backend]
        raise OptionError(
            f"{case.benchmark} does not run on {backend} in {case.scenario} on {case.device}",
            expected="a backend that has a model file of the benchmark and supports the device",
            found=reasons[-1] if reasons else f"{len(there)} other cases",
            fix="name another backend",
        )

    def _conformance(self, selected: Iterable[Case]) -> list[Case]:
        """Return a case for each backend and device of a benchmark: this package's worker checks what it loads."""
        there = self._registry.installed.implementations
        ours = [
            case
            for case in selected
            if not case.implementation or getattr(there[case.implementation], "checks_conformance", False)
        ]
        return list(dict.fromkeys(replace(case, mode=CONFORMANCE, scenario="") for case in ours))

    def _selected(self, marked: Marked | None) -> tuple[Case, ...]:
        """Return the selected cases, without a mode."""
        selection = self._settings.selection
        return self._cases(
            selection.implementation or (marked.implementation if marked is not None else ()),
            selection.backend or (marked.backend if marked is not None else ()),
            selection.model,
        )

    def _cases(
        self, implementations: tuple[str, ...], backends: tuple[str, ...], benchmarks: tuple[str, ...]
    ) -> tuple[Case, ...]:
        """Return the cases of these names, made once; without a name, of all that are selected by default."""
        key = implementations, backends, benchmarks
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def _make(
        self, of_implementations: Sequence[str], of_backends: Sequence[str], of_benchmarks: Sequence[str]
    ) -> tuple[Case, ...]:
        installed = self._registry.installed
        benchmarks = _chosen(of_benchmarks, installed.benchmarks)
        implementations = _chosen_or_default(of_implementations, installed.implementations)
        backends = _chosen_or_default(of_backends, installed.backends)
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

    def not_collected(self) -> Iterator[str]:
        """Yield a line for each backend and reason for which benchmarks have no cases."""
        for (backend, reason), benchmarks in self.uncollected.items():
            yield f"not collected on {backend}: {', '.join(dict.fromkeys(benchmarks))} ({reason})"

    def _of_runtime(
        self,
        names: tuple[str, str, str],
        benchmark: Benchmark,
        implementation: Implementation,
        backend: type[Backend] | Backend,
    ) -> list[Case]:
        """Return the cases of a benchmark on a backend; none if the backend cannot load any of its model files."""
        file = self._model_file(benchmark, backend)
        if isinstance(file, str):
            if _devices(self._settings.selection.device, backend.devices):
                self.uncollected.setdefault((names[2], file), []).append(names[0])
            return []
        try:
            with raised_elsewhere(f"the cases of {names[0]} with {names[1]} on {names[2]} cannot be made"):
                return self._planned(names, benchmark, implementation, backend, file)
        except MLPerfError as error:  # only its own cases fail
            return [Case(*names, "", "", "", decided=error)]

    def _planned(
        self,
        names: tuple[str, str, str],
        benchmark: Benchmark,
        implementation: Implementation,
        backend: type[Backend] | Backend,
        file: ModelFile,
    ) -> list[Case]:
        """Return the cases of a benchmark on a backend with this model file."""
        decided = self._decide(names, benchmark, implementation, backend, file)
        of_file, wanted = replace(benchmark, variant=file.variant), self._settings.selection
        runs = list(product(_devices(wanted.device, backend.devices), _among(wanted.scenario, benchmark.scenarios)))
        supported = [each for each in runs if implementation.supports(of_file, names[2], *each)]
        reason = ""
        if runs and not supported:
            there = self._registry.installed.implementations
            reason = of_implementation(names[1], file, there, [(of_file, names[2], *each) for each in runs])
        elif not runs and is_meant(names[2], wanted.backend, self._registry.installed.backends):
            reason = of_devices(backend.devices, wanted.device)
        if reason:
            self.uncollected.setdefault((names[2], reason), []).append(names[0])
        return [
            Case(
                *names, device, scenario, "", precision=self._settings.precision, variant=file.variant, decided=decided
            )
            for device, scenario in supported
        ]

    def _model_file(self, benchmark: Benchmark, backend: type[Backend] | Backend) -> ModelFile | str:
        """Return the first selected file that the backend runs, in its order of formats; else why there is none."""
        precision, variant, traits = self._settings.precision, self._settings.variant, Traits.of(backend)
        rows = [row for form in backend.formats for row in benchmark.rows(form)]
        rows = [row for row in rows if row.precision == precision] or [
            row for row in rows if traits.can_run(precision, row.precision)
        ]
        if variant is not None:
            rows = [row for row in rows if (row.variant or WHOLE) == variant]
        refused = [traits.refuses(row) for row in rows]
        taken = next((row for row, reason in zip(rows, refused, strict=True) if not reason), None)
        if taken is not None:
            return taken
        missing = f"no model file of the format {' or '.join(backend.formats)} for {precision}"
        return "; ".join(dict.fromkeys(refused)) or missing

    def _decide(
        self,
        names: tuple[str, str, str],
        benchmark: Benchmark,
        implementation: Implementation,
        backend: type[Backend] | Backend,
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
        size = benchmark.dataset.size or (rules.dataset_size if rules is not None else 0) or 0
        count = settings.sample_count(size, benchmark.short.samples)
        named = _named(settings.endpoint if isinstance(file.source, Url) else (), name)
        named = named or _named(settings.model_path, name)
        directory = _named(settings.dataset_path, name)
        if named is not None and file.format != FUNCTION:
            file = file.at(named if isinstance(named, Path) else Url(named))
        if file.format == FUNCTION:
            file = replace(file, source=Url(self._registry.backends[names[2]].value))
        if file.format in (ENDPOINT, CHAT) and (not isinstance(file.source, Url) or not file.source.address):
            return _no_address(names[2], file)
        if settings.scorer is not None and hasattr(benchmark.metric, "with_scorer"):
            benchmark = replace(benchmark, metric=benchmark.metric.with_scorer(settings.scorer))
        plan = Plan(
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
            limits=(),
            old=_file(_named(settings.compare_model, name)),
            import_paths=tuple(filter(None, [self._registry.import_paths.get(names[2], "")])),
        )
        return plan.with_samples(count)

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


def _no_address(backend: str, file: ModelFile) -> OptionError:
    return OptionError(
        f"{backend} needs the address of an endpoint",
        expected="http://HOST:PORT/PATH, or https",
        found="none" if isinstance(file.source, Url) else str(file.source),
        fix="give it with --endpoint URL",
    )


def _among(values: Sequence[str], there: Iterable[str]) -> list[str]:
    """Return the available names that are in `values`; all of them if `values` is empty."""
    return [name for name in there if not values or name in values]


def _devices(selected: Sequence[str], there: Sequence[str]) -> list[str]:
    """Return the selected devices that a backend supports; ``cuda:1`` is one of ``cuda``."""
    return [each for each in selected if each.partition(":")[0] in there] if selected else list(there)


def _chosen(values: Sequence[str], there: Mapping[str, T]) -> dict[str, T]:
    """Return the entries with these names; all of them if none are given."""
    return {name: there[name] for name in _among(values, there)}


def _chosen_or_default(values: Sequence[str], there: Mapping[str, T]) -> dict[str, T]:
    """Return the entries with these names; if none are given, those that are selected without the option."""
    if values:
        return _chosen(values, there)
    return {name: each for name, each in there.items() if getattr(each, "default", True)}


def _broken(found: Mapping[str, object]) -> list[tuple[str, EntryPointError]]:
    """Return the entry points that could not be loaded."""
    return [(name, each) for name, each in found.items() if isinstance(each, EntryPointError)]


def _named(given: Sequence[BenchmarkPath], benchmark: str) -> Path | str | None:
    """Return the path for a benchmark: the last one given for it, else the last one given without a name."""
    named = [each.place for each in given if each.benchmark == benchmark]
    general = [each.place for each in given if not each.benchmark]
    return (general + named)[-1] if general or named else None


def _file(place: Path | str | None) -> Path | None:
    return Path(place) if place is not None else None


def _tests(case: Case) -> Sequence[Case]:
    """Return a case for each compliance test of its round; a case with an error stays one case."""
    from pytest_mlperf.rules.audit import TESTS

    case = replace(case, mode=COMPLIANCE)
    if not isinstance(case.decided, Plan):
        return [case]
    rules = case.decided.rules
    return [replace(case, test=test) for test in (rules.compliance if rules is not None else ()) if test in TESTS]
