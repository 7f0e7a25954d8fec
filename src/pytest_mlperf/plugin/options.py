"""The options in force: what command line, environment, ini file and defaults say."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.errors import EntryPointError, OptionError
from pytest_mlperf.loadgen.user_conf import read_user_conf
from pytest_mlperf.plugin.option_table import DASHBOARD_TIMEOUT, OPTIONS, SHORT_TIMEOUT, VARIABLES, Option
from pytest_mlperf.plugin.option_values import BenchmarkPath
from pytest_mlperf.plugin.selection import Selection, check_name, select
from pytest_mlperf.printable import encodable, one_line
from pytest_mlperf.run.case import COMPLIANCE
from pytest_mlperf.secrecy import arguments_without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

    from pytest_mlperf.implementations.protocol import RunOptions
    from pytest_mlperf.registry import Registry

#: Accelerators are used only on request.
DEFAULT_DEVICE = ("cpu",)


class Given(NamedTuple):
    """An option's text and its origin: the command line, the environment variable, or the ini file."""

    text: str
    origin: str

    def shown(self, flag: str) -> str:
        """Return the text for the report's header, without secrets."""
        return one_line(arguments_without_secrets([f"{flag}={self.text}"])[0].partition("=")[2])


@dataclass(frozen=True)
class Settings:
    """The settings from command line, environment, ini file and defaults.

    ``given`` has the text and the origin of each option that was set.
    """

    selection: Selection
    run_length: str
    time_budget: float | None
    round: str | None
    test_query_count: int | None
    min_duration: float | None
    repeat: int
    num_threads: int | None
    max_batchsize: int | None
    tune: Literal["off", "quick", "thorough"] | None
    target_qps: float | None
    target_latency: float | None
    find_peak: bool
    user_conf: Path | None
    dataset_size: int | None
    precision: str
    variant: str | None
    backend_option: tuple[tuple[str, str], ...]
    model_path: tuple[BenchmarkPath, ...]
    endpoint: tuple[BenchmarkPath, ...]
    dataset_path: tuple[BenchmarkPath, ...]
    python_version: tuple[int, ...] | None
    python_version_min: tuple[int, ...] | None
    venv: str | None
    loadgen_compiler: str | None
    loadgen_src: Path | None
    onnxruntime_dir: Path | None
    scorer: str | None
    timeout: float | None
    require_quiet: bool
    rerun: bool
    reuse: bool
    output: Path
    cache: Path | None
    fetch: bool
    offline: bool
    plan: bool
    mirror: str | Path | None
    json: Path | None
    history: str | Path | None
    csv: Path | None
    dashboard: tuple[str, ...]
    dashboard_timeout: float
    html: Path | None
    submit: bool
    submitter: str | None
    division: str
    system_type: str
    hw_name: str | None
    system: Path | None
    submission_dir: Path | None
    clean: bool
    pack_anyway: bool
    checker: str | None
    inference_src: Path | None
    save: str | None
    compare: str | None
    compare_model: tuple[BenchmarkPath, ...]
    max_accuracy_drop: float
    max_slowdown: float
    undecided: str
    update_baseline: str | None
    given: Mapping[str, Given]

    @property
    def compliance_wanted(self) -> bool:
        """Whether compliance tests are collected: with --mode compliance and for a closed submission."""
        return COMPLIANCE in self.selection.mode or (self.submit and self.division == "closed")

    def sample_count(self, dataset_size: int, short_samples: int) -> int:
        """Return how many samples of a data set an accuracy run uses."""
        if self.dataset_size is not None:
            return self.dataset_size
        return dataset_size if self.run_length == "official" else min(dataset_size, short_samples)

    @property
    def run_options(self) -> RunOptions:
        """The options that apply to every run."""
        from pytest_mlperf.implementations.protocol import RunOptions

        return RunOptions(
            run_length=self.run_length,
            user_conf=str(self.user_conf) if self.user_conf else None,
            test_query_count=self.test_query_count,
            min_duration=self.min_duration,
            target_qps=self.target_qps,
            target_latency=self.target_latency,
            find_peak=self.find_peak,
            num_threads=self.num_threads,
            max_batchsize=self.max_batchsize,
            tune=self.tune or ("thorough" if self.run_length == "official" and not self.time_budget else "quick"),
            timeout=self.timeout,
            require_quiet=self.require_quiet,
            rerun=self.rerun,
            backend_options=dict(self.backend_option),
        )


def read_settings(config: pytest.Config, registry: Registry) -> Settings:
    """Read the settings: the command line comes first, then environment, ini file and default.

    Raises
    ------
    OptionError, UserConfError, EntryPointError
        A value does not exist or cannot be used.
    """
    values: dict[str, Any] = {}
    given: dict[str, Given] = {}
    for option in OPTIONS:
        found = _find(option, config)
        if found is not None:
            texts, origin, base = found
            given[option.flag] = Given(",".join(texts) if option.many or option.repeated else texts[-1], origin)
            values[option.name] = _parse(option, texts, base)
    values["backend"] = [_backend(text, registry, config) for text in values.get("backend", ())]
    selection = select(registry, **{o.name: values.pop(o.name, ()) for o in OPTIONS if o.many})
    if not selection.device:
        selection = replace(selection, device=_devices(selection, registry, endpoint="endpoint" in values))
    for option in OPTIONS:
        if option.name in ("model_path", "endpoint", "dataset_path", "compare_model"):
            values[option.name] = _of_benchmarks(values.get(option.name, ()), option.flag, registry)
    values["dashboard"] = _dashboards(values.get("dashboard", ()), registry)
    if (conf := values.get("user_conf")) is not None:
        read_user_conf(conf)
    defaults: dict[str, Any] = {o.name: False if o.switch else None for o in OPTIONS if not o.many} | {
        "run_length": "short",
        "output": Path(config.invocation_params.dir) / "mlperf-results",
        "division": "open",
        "system_type": "edge",
        "precision": "fp32",
        "max_accuracy_drop": 0.1,
        "max_slowdown": 5.0,
        "undecided": "pass",
        "repeat": 1,
        "dashboard_timeout": DASHBOARD_TIMEOUT,
        "backend_option": (),
        "model_path": (),
        "endpoint": (),
        "dataset_path": (),
        "compare_model": (),
    }
    if values.get("time_budget") is not None:
        _check_budget(values)
        values["run_length"] = "official"
    values = defaults | values
    timeout = values["timeout"]
    if timeout is None and values["run_length"] == "short":
        timeout = SHORT_TIMEOUT
    values["timeout"] = timeout or None
    return Settings(selection=selection, given=given, **values)


def _check_budget(values: Mapping[str, Any]) -> None:
    if (length := values.get("run_length")) is not None:
        raise OptionError(
            "--mlperf-time-budget decides how long the runs are",
            expected="--mlperf-time-budget or --run-length",
            found=f"--mlperf-time-budget {values['time_budget']:g} and --run-length {length}",
            fix="leave one of them out",
        )


def _backend(text: str, registry: Registry, config: pytest.Config) -> str:
    """Return a backend's name; ``module:function`` becomes one, with the modules of the current directory as well."""
    if ":" not in text:
        return text
    here = str(config.invocation_params.dir)
    if here not in sys.path:
        sys.path.append(here)
    return registry.add_backend(text)


def _devices(selection: Selection, registry: Registry, *, endpoint: bool) -> tuple[str, ...]:
    """Return the devices of a session without --device: an endpoint's is used if it, or its backend, is named."""
    named = [registry.installed.backends[name] for name in selection.backend]
    if len(named) == len(registry.installed.backends):  # --backend all means no endpoint's, unless there is one
        return (*DEFAULT_DEVICE, REMOTE) if endpoint else DEFAULT_DEVICE
    if any(REMOTE in each.devices for each in named if not isinstance(each, EntryPointError)):
        return (*DEFAULT_DEVICE, REMOTE)
    return (REMOTE,) if endpoint else DEFAULT_DEVICE


def _of_benchmarks(given: tuple[BenchmarkPath, ...], flag: str, registry: Registry) -> tuple[BenchmarkPath, ...]:
    """Return the paths with the exact names of their benchmarks."""
    return tuple(
        replace(each, benchmark=check_name(flag, each.benchmark, list(registry.benchmarks))) if each.benchmark else each
        for each in given
    )


def _dashboards(given: Iterable[tuple[str, ...]], registry: Registry) -> tuple[str, ...]:
    """Return the exact names of the dashboards, each once."""
    installed = list(registry.dashboards)
    return tuple(dict.fromkeys(check_name("--mlperf-dashboard", name, installed) for each in given for name in each))


def _find(option: Option, config: pytest.Config) -> tuple[list[str], str, Path] | None:
    """Return an option's texts, their origin, and the directory for relative paths."""
    here = Path(config.invocation_params.dir)
    given = config.getoption(option.ini)
    if given:
        return (given if isinstance(given, list) else [given]), "command line", here
    variable = VARIABLES.get(option.flag, "")
    if named := os.environ.get(variable):
        return [named], f"${variable}", here
    written = config.getini(option.ini)
    if written:
        texts = [str(item) for item in written] if option.many or option.repeated else [str(written)]
        return texts, "ini file", config.inipath.parent if config.inipath else here
    return None


def _parse(option: Option, texts: list[str], base: Path) -> Any:
    if option.many:
        return [word for text in texts for word in text.replace(",", " ").split()]
    if option.repeated:
        return tuple(_parse_one(option, text, base) for text in texts)
    return _parse_one(option, texts[-1], base)


def _parse_one(option: Option, text: str, base: Path) -> Any:
    if option.choices and text not in option.choices:
        raise _bad_value(option, text, f"one of {', '.join(option.choices)}")
    if text != encodable(text):
        raise _bad_value(option, text, "a text in UTF-8, which logs, reports and submissions can have")
    try:
        value = option.parse(text)
    except ValueError as error:
        raise _bad_value(option, text, str(error)) from None
    if isinstance(value, BenchmarkPath):
        return value.below(base)
    return base / value.expanduser() if isinstance(value, Path) else value


def _bad_value(option: Option, text: str, expected: str) -> OptionError:
    return OptionError(
        f"{option.flag} cannot be {text!r}",
        expected=expected,
        found=text,
        fix=f"see the group 'MLPerf Inference benchmarks' in pytest --help (or {option.ini} in the ini file)",
    )
