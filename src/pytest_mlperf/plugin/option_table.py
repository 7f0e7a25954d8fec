"""What every option means; `hooks` has their names again, by shape, for sessions that use none of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.history.place import VARIABLE
from pytest_mlperf.plugin import ini_key, long_form
from pytest_mlperf.plugin.option_values import (
    benchmark_file,
    benchmark_path,
    duration,
    endpoint,
    file_name,
    file_or_off,
    mirror,
    name_and_value,
    names,
    new_name,
    positive,
    positive_number,
    precision,
    python_version,
    round_name,
    threads,
    yes,
    zero_or_more,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE_VARIABLE = "PYTEST_MLPERF_CACHE"
#: The variables of the environment that stand for an option.
VARIABLES = {"--mlperf-cache": CACHE_VARIABLE, "--mlperf-history": VARIABLE}
SHORT_TIMEOUT = 600.0
DASHBOARD_TIMEOUT = 120.0


@dataclass(frozen=True)
class Option:
    """One option. ``parse`` converts a text to its value.

    `flag` is its name in the docs: ``--model``, which stands for ``--mlperf-model`` where nobody else defines it, or a
    name that begins with ``--mlperf-`` and has no short form.

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

    @cached_property
    def name(self) -> str:
        """The attribute of `Settings`, and the ini key without ``mlperf_``."""
        return self.ini.removeprefix("mlperf_")

    @cached_property
    def long(self) -> str:
        """The flag that nobody else has: ``--mlperf-`` and the name."""
        return long_form(self.flag)

    @cached_property
    def ini(self) -> str:
        """The key in pytest.ini or pyproject.toml."""
        return ini_key(self.flag)


OPTIONS = (
    Option("--model", "NAME", "benchmarks to run", many=True),
    Option(
        "--implementation",
        "NAME",
        "implementations of the benchmark, which answer LoadGen's queries; default: python",
        many=True,
    ),
    Option(
        "--backend",
        "NAME",
        "runtimes to run them on, or all, or a function of your own as module:function; one that is not installed gets "
        "its own environment; default: onnxruntime",
        many=True,
    ),
    Option(
        "--device",
        "NAME",
        "devices: cpu, cuda (or gpu), cuda:1, remote; default: cpu, or that of --endpoint",
        many=True,
    ),
    Option("--scenario", "NAME", "Offline, Server, SingleStream, MultiStream", many=True),
    Option("--precision", "NAME", "the precision to run in: fp32 (default), bf16, fp16, int8", precision),
    Option(
        "--mlperf-variant",
        "NAME",
        "the model file's variant, for a benchmark with several: whole, heads, batched-heads, lengths",
        file_name,
    ),
    Option(
        "--backend-option",
        "NAME=VALUE",
        "an option for the backend; see the backend's documentation",
        name_and_value,
        repeated=True,
    ),
    Option(
        "--mode",
        "NAME",
        "accuracy, performance, compliance (the tests of a closed submission), conformance (checks of a backend)",
        many=True,
    ),
    Option(
        "--run-length",
        "LENGTH",
        "short (default): seconds, accuracy on a part of the data set, results labelled short; "
        "official: the round's duration and sample counts, the whole data set",
        choices=("short", "official"),
    ),
    Option(
        "--mlperf-time-budget",
        "MINUTES",
        "the time for the whole session: each run is as long as fits, up to official length; a shorter one is labelled "
        "short",
        positive_number,
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
    Option(
        "--mlperf-repeat",
        "N",
        "run each performance case N times, in turns with the others; the table has the median and the spread",
        positive,
    ),
    Option("--num-threads", "N", "threads that inference may use; default: every core", threads),
    Option(
        "--mlperf-tune",
        "NAME",
        "how the warm-up chooses a layout: quick (default for short runs), thorough (default for official length), or "
        "off, which takes the simplest",
        choices=("off", "quick", "thorough"),
    ),
    Option("--max-batchsize", "N", "largest batch for the runtime; default: found in the warm-up", positive),
    Option(
        "--target-qps",
        "RATE",
        "queries per second: the rate of Server, the estimate for Offline; default: from the warm-up",
        positive_number,
    ),
    Option(
        "--mlperf-find-peak",
        "",
        "Server: find the highest valid rate by short runs, beginning with --target-qps, and run at that rate",
        yes,
        switch=True,
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
        "--endpoint",
        "[BENCHMARK=]URL",
        "the address of the server that runs the model, for --backend kserve and openai; the device is then remote",
        endpoint,
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
        "--onnxruntime-dir",
        "DIR",
        "the implementation cpp uses the library of ONNX Runtime in this directory; default: the installed package's",
        Path,
    ),
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
    Option(
        "--mlperf-require-quiet",
        "",
        "fail a performance run during which other programs kept the machine busy",
        yes,
        switch=True,
    ),
    Option(
        "--mlperf-rerun",
        "",
        "start accuracy runs over, instead of going on where an interrupted run of the same case ended",
        yes,
        switch=True,
    ),
    Option(
        "--mlperf-reuse",
        "",
        "take VALID performance results of earlier sessions where nothing has changed that they depend on",
        yes,
        switch=True,
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
    Option("--mlperf-csv", "FILE", "write every result of the session to FILE, as one row of a table", Path),
    Option("--mlperf-dashboard", "NAME", "publish the results at the end: to wandb, mlflow", names, repeated=True),
    Option(
        "--mlperf-dashboard-timeout",
        "SECONDS",
        f"the time that publishing to a dashboard may take; default: {DASHBOARD_TIMEOUT:g}",
        positive_number,
    ),
    Option(
        "--mlperf-history",
        "FILE|off",
        f"keep every result in this file; off keeps none; default: ${VARIABLE}, else history.sqlite in the user's data "
        "directory",
        file_or_off,
    ),
    Option("--mlperf-html", "FILE", "write a report of the session to FILE, a page that needs nothing else", Path),
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
    Option("--mlperf-save", "NAME", "save the results as a baseline in .mlperf/baselines; default: baseline", new_name),
    Option(
        "--mlperf-compare",
        "NAME|DIR",
        "compare each result with its own in a baseline: a name, latest, a directory; an item fails if it is worse",
    ),
    Option(
        "--mlperf-compare-model",
        "[BENCHMARK=]FILE",
        "compare each result with that of this model, which is run in the same session, its speed in turns with the "
        "case's own; the benchmark's name as for --model-path",
        benchmark_file,
        repeated=True,
    ),
    Option(
        "--mlperf-max-accuracy-drop",
        "POINTS",
        "a drop of the metric that is no failure, in percentage points or hundredths; default: 0.1",
        zero_or_more,
    ),
    Option("--mlperf-max-slowdown", "PERCENT", "a slowdown that is no failure; default: 5", zero_or_more),
    Option(
        "--mlperf-undecided",
        "NAME",
        "what a comparison does that the samples cannot decide: pass, with a note (default), or fail",
        choices=("pass", "fail"),
    ),
    Option(
        "--mlperf-update-baseline",
        "all|new-only",
        "approve: put the results into the baseline that --mlperf-compare names, all of them or only new cases",
        choices=("all", "new-only"),
    ),
)
