"""All options with their flags, ini keys and helps, and the `Settings` read from them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_mlperf.errors import OptionError
from pytest_mlperf.plugin.option_values import (
    BenchmarkPath,
    benchmark_path,
    duration,
    file_name,
    mirror,
    name_and_value,
    positive,
    positive_number,
    precision,
    python_version,
    round_name,
    threads,
    yes,
)
from pytest_mlperf.plugin.selection import Selection, check_name, select
from pytest_mlperf.run.case import COMPLIANCE
from pytest_mlperf.worker.user_conf import read_user_conf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from pytest_mlperf.registry import Registry
    from pytest_mlperf.run.spec import RunOptions

CACHE_VARIABLE = "PYTEST_MLPERF_CACHE"
#: Accelerators are used only on request.
DEFAULT_DEVICE = ("cpu",)
#: Added to the help of options that take several values.
_SEVERAL = {(True, False): " (several: separate with commas or repeat)", (False, True): " (may be repeated)"}
_ENVIRONMENT = f"${CACHE_VARIABLE}"
SHORT_TIMEOUT = 600.0


@dataclass(frozen=True)
class Option:
    """One option. ``parse`` converts a text to its value.

    `many` options take several values, separated by commas or repeated; `repeated` options may only be repeated. A
    `switch` has no value on the command line, and yes or no in the ini file.
    """

    flag: str
    metavar: str
    help: str
    parse: Callable[[str], Any] = str
    many: bool = False
    repeated: bool = False
    choices: tuple[str, ...] = ()
    switch: bool = False

    @property
    def name(self) -> str:
        """The attribute of `Settings`, and the ini key without ``mlperf_``."""
        return self.flag.removeprefix("--").removeprefix("mlperf-").replace("-", "_")

    @property
    def ini(self) -> str:
        """The key in pytest.ini or pyproject.toml."""
        return f"mlperf_{self.name}"


OPTIONS = (
    Option("--model", "NAME", "benchmarks to run", many=True),
    Option("--implementation", "NAME", "implementations of the benchmark, which answer LoadGen's queries", many=True),
    Option(
        "--backend",
        "NAME",
        "runtimes to run them on; one that is not installed gets its own environment",
        many=True,
    ),
    Option("--device", "NAME", "devices: cpu, cuda (or gpu); default: cpu", many=True),
    Option("--scenario", "NAME", "Offline, Server, SingleStream, MultiStream", many=True),
    Option("--precision", "NAME", "the model file's precision: fp32 (default), bf16, fp16, int8", precision),
    Option(
        "--mlperf-variant",
        "NAME",
        "the model file's variant, for a benchmark with several: whole, heads, batched-heads",
        file_name,
    ),
    Option(
        "--backend-option",
        "NAME=VALUE",
        "an option for the backend; see the backend's documentation",
        name_and_value,
        repeated=True,
    ),
    Option("--mode", "NAME", "accuracy, performance, compliance (the tests of a closed submission)", many=True),
    Option(
        "--run-length",
        "LENGTH",
        "short (default): seconds, accuracy on a part of the data set, results labelled short; "
        "official: the round's duration and sample counts, the whole data set",
        choices=("short", "official"),
    ),
    Option(
        "--round",
        "ROUND",
        "the MLPerf round to follow: v4.0, v5.1; default: the newest with the benchmark (with --model: with all of "
        "them)",
        round_name,
    ),
    Option(
        "--test-query-count",
        "N",
        "end a performance run after N queries (Offline: N samples), or after --min-duration if that is later",
        positive,
    ),
    Option("--min-duration", "SECONDS", "a performance run's minimum duration", duration),
    Option("--num-threads", "N", "threads that inference may use; default: every core", threads),
    Option("--max-batchsize", "N", "largest batch for the runtime; default: found in the warm-up", positive),
    Option(
        "--target-qps",
        "RATE",
        "queries per second: the rate of Server, the estimate for Offline; default: from the warm-up",
        positive_number,
    ),
    Option(
        "--target-latency",
        "MS",
        "Server: latency bound, default: from the round; "
        "SingleStream, MultiStream: expected latency, default: from the warm-up",
        positive_number,
    ),
    Option("--user-conf", "FILE", "a user.conf for LoadGen; options override its lines", Path),
    Option("--dataset-size", "N", "use the first N samples of the data set", positive),
    Option(
        "--model-path",
        "[BENCHMARK=]FILE",
        "the model file to use; the benchmark's name is needed only if several are selected",
        benchmark_path,
        repeated=True,
    ),
    Option(
        "--dataset-path",
        "[BENCHMARK=]DIR",
        "the data set directory to use; the benchmark's name as for --model-path",
        benchmark_path,
        repeated=True,
    ),
    Option("--python-version", "VERSION", "run the cases on this Python: 3.12, 3.12.1", python_version),
    Option("--python-version-min", "VERSION", "run the cases on this Python or a newer one", python_version),
    Option(
        "--mlperf-venv",
        "NAME",
        "run the cases in the cache's virtual environment NAME; it is made, with what the backend needs, if missing",
        file_name,
    ),
    Option("--loadgen-compiler", "NAME", "build LoadGen from source with this compiler: gcc, clang, a path"),
    Option("--loadgen-src", "DIR", "build LoadGen from this checkout of mlcommons/inference", Path),
    Option(
        "--mlperf-scorer",
        "NAME",
        "library that computes mAP: hotcoco (default, if installed) or pycocotools, as in MLPerf's reference",
        choices=("hotcoco", "pycocotools"),
    ),
    Option(
        "--mlperf-timeout",
        "SECONDS",
        f"end a run that takes longer; 0: never; default: {SHORT_TIMEOUT:g} for short runs, never for official",
        duration,
    ),
    Option("--mlperf-output", "DIR", "directory for results; default: mlperf-results", Path),
    Option(
        "--mlperf-cache",
        "DIR",
        f"the cache; default: ${CACHE_VARIABLE}, else the user's cache directory",
        Path,
    ),
    Option(
        "--mlperf-fetch",
        "",
        "fetch official models, data sets and packages that are not given and not in the cache",
        yes,
        switch=True,
    ),
    Option("--mlperf-plan", "", "show what the cases would need, and run nothing", yes, switch=True),
    Option("--mlperf-offline", "", "never use the network; fail if something must be fetched", yes, switch=True),
    Option(
        "--mlperf-mirror",
        "URL|DIR",
        "fetch from this mirror; it replaces the scheme and host of every address",
        mirror,
    ),
    Option("--mlperf-json", "FILE", "write every result of the session to FILE", Path),
    Option(
        "--mlperf-submit",
        "",
        "check the session's results against the round's rules and pack a submission, with its summary",
        yes,
        switch=True,
    ),
    Option("--submitter", "NAME", "the organisation that submits", file_name),
    Option("--division", "NAME", "the submission's division: open (default) or closed", choices=("open", "closed")),
    Option(
        "--system-type",
        "TYPE",
        "the type of the submitted system; default: edge",
        choices=("edge", "datacenter", "datacenter,edge"),
    ),
    Option("--hw-name", "NAME", "the machine's name in the submission; default: its processor's name", file_name),
    Option("--mlperf-system", "FILE", "the system's description: JSON or TOML with fields of systems/*.json", Path),
    Option(
        "--submission-dir",
        "DIR",
        "write the submission here, adding to what is there; default: in the session's results",
        Path,
    ),
    Option("--clean", "", "replace what is in --submission-dir", yes, switch=True),
    Option(
        "--mlperf-pack-anyway",
        "",
        "pack the submission even if checks failed; its name says so",
        yes,
        switch=True,
    ),
    Option(
        "--mlperf-checker",
        "NAME",
        "official: also run the round's official checker, and show differences",
        choices=("official",),
    ),
    Option("--mlperf-inference-src", "DIR", "a checkout of mlcommons/inference, for its submission checker", Path),
)


class Given(NamedTuple):
    """An option's text and its origin: the command line, the environment variable, or the ini file."""

    text: str
    origin: str


@dataclass(frozen=True)
class Settings:
    """The settings from command line, environment, ini file and defaults.

    ``given`` has the text and the origin of each option that was set.
    """

    selection: Selection
    run_length: str
    round: str | None
    test_query_count: int | None
    min_duration: float | None
    num_threads: int | None
    max_batchsize: int | None
    target_qps: float | None
    target_latency: float | None
    user_conf: Path | None
    dataset_size: int | None
    precision: str
    variant: str | None
    backend_option: tuple[tuple[str, str], ...]
    model_path: tuple[BenchmarkPath, ...]
    dataset_path: tuple[BenchmarkPath, ...]
    python_version: tuple[int, ...] | None
    python_version_min: tuple[int, ...] | None
    venv: str | None
    loadgen_compiler: str | None
    loadgen_src: Path | None
    scorer: str | None
    timeout: float | None
    output: Path
    cache: Path | None
    fetch: bool
    offline: bool
    plan: bool
    mirror: str | Path | None
    json: Path | None
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
        from pytest_mlperf.run.spec import RunOptions

        return RunOptions(
            run_length=self.run_length,
            user_conf=self.user_conf,
            test_query_count=self.test_query_count,
            min_duration=self.min_duration,
            target_qps=self.target_qps,
            target_latency=self.target_latency,
            num_threads=self.num_threads,
            max_batchsize=self.max_batchsize,
            timeout=self.timeout,
            backend_options=dict(self.backend_option),
        )


def add_options(parser: pytest.Parser) -> None:
    """Register every flag and ini key."""
    group = parser.getgroup("mlperf", "MLPerf Inference benchmarks")
    for option in OPTIONS:
        if option.switch:
            group.addoption(option.flag, action="store_const", const="yes", dest=option.ini, help=option.help)
        else:
            group.addoption(
                option.flag,
                action="append" if option.many or option.repeated else "store",
                metavar=option.metavar,
                dest=option.ini,
                help=option.help + _SEVERAL.get((option.many, option.repeated), ""),
            )
        parser.addini(option.ini, f"default for {option.flag}", default=None)
    group.addoption("--short", action="store_const", const="short", dest="mlperf_run_length", help="--run-length short")


def any_given(config: pytest.Config) -> bool:
    """Return whether the command line or the ini file sets any of the options.

    The environment does not count: it is the same for sessions that run no benchmark.
    """
    return any(found[1] != _ENVIRONMENT for option in OPTIONS if (found := _find(option, config)))


def read_settings(config: pytest.Config, registry: Registry) -> Settings:
    """Read the settings: the command line comes first, then environment, ini file and default.

    Raises
    ------
    OptionError, UserConfError
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
    selection = select(registry, **{o.name: values.pop(o.name, ()) for o in OPTIONS if o.many})
    if not selection.device:
        selection = replace(selection, device=DEFAULT_DEVICE)
    for name in ("model_path", "dataset_path"):
        values[name] = _of_benchmarks(values.get(name, ()), f"--{name.replace('_', '-')}", registry)
    if (conf := values.get("user_conf")) is not None:
        read_user_conf(conf)
    defaults: dict[str, Any] = {o.name: False if o.switch else None for o in OPTIONS if not o.many} | {
        "run_length": "short",
        "output": Path(config.invocation_params.dir) / "mlperf-results",
        "division": "open",
        "system_type": "edge",
        "precision": "fp32",
        "backend_option": (),
        "model_path": (),
        "dataset_path": (),
    }
    values = defaults | values
    timeout = values["timeout"]
    if timeout is None and values["run_length"] == "short":
        timeout = SHORT_TIMEOUT
    values["timeout"] = timeout or None
    return Settings(selection=selection, given=given, **values)


def _of_benchmarks(given: tuple[BenchmarkPath, ...], flag: str, registry: Registry) -> tuple[BenchmarkPath, ...]:
    """Return the paths with the exact names of their benchmarks."""
    return tuple(
        replace(each, benchmark=check_name(flag, each.benchmark, list(registry.benchmarks))) if each.benchmark else each
        for each in given
    )


def _find(option: Option, config: pytest.Config) -> tuple[list[str], str, Path] | None:
    """Return an option's texts, their origin, and the directory for relative paths."""
    here = Path(config.invocation_params.dir)
    given = config.getoption(option.ini)
    if given:
        return (given if isinstance(given, list) else [given]), "command line", here
    if option.flag == "--mlperf-cache" and (named := os.environ.get(CACHE_VARIABLE)):
        return [named], _ENVIRONMENT, here
    written = config.getini(option.ini)
    if written:
        return [str(written)], "ini file", config.inipath.parent if config.inipath else here
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
