"""pytest's side: what all of its modules know, the flags by name and shape, and where a session keeps what.

Every session loads it, with `hooks` and nothing else: what is imported here is what pytest has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Container

_LISTS = """
--model --implementation --backend --device --scenario --mode --backend-option --model-path --endpoint --dataset-path
--mlperf-compare-model --mlperf-dashboard
"""
_SWITCHES = """
--mlperf-fetch --mlperf-plan --mlperf-offline --mlperf-submit --mlperf-pack-anyway --mlperf-require-quiet
--mlperf-rerun --mlperf-reuse --mlperf-find-peak --clean
"""
_VALUES = """
--precision --mlperf-variant --run-length --round --test-query-count --min-duration --num-threads --max-batchsize
--target-qps --target-latency --user-conf --dataset-size --python-version --python-version-min --mlperf-venv
--loadgen-compiler --loadgen-src --onnxruntime-dir
--mlperf-repeat --mlperf-tune --mlperf-time-budget --mlperf-scorer --mlperf-timeout --mlperf-output --mlperf-cache
--mlperf-mirror
--mlperf-json --mlperf-csv --mlperf-html --mlperf-history --mlperf-dashboard-timeout
--submitter --division --system-type --hw-name --mlperf-system --submission-dir --mlperf-checker
--mlperf-inference-src
"""
_OF_GATE = "--mlperf-compare --mlperf-max-accuracy-drop --mlperf-max-slowdown --mlperf-undecided"
#: Every option by the shape of its value; `option_table` says what it means.
LISTS, SWITCHES, VALUES = tuple(_LISTS.split()), tuple(_SWITCHES.split()), tuple(f"{_VALUES} {_OF_GATE}".split())
#: Options whose value may be left out, with the value that they then have.
OPTIONAL = {"--mlperf-save": "baseline", "--mlperf-update-baseline": "all"}
#: The options of the gate.
OF_GATE = frozenset((*OPTIONAL, *_OF_GATE.split(), "--mlperf-compare-model"))
#: It stands for ``--run-length short``.
SHORT_RUN = "--short"


def long_form(flag: str) -> str:
    """Return the form of a flag that nobody else has: it begins with ``--mlperf-``."""
    return flag if flag.startswith("--mlperf-") else f"--mlperf-{flag[2:]}"


def ini_key(flag: str) -> str:
    """Return an option's key in the ini file, which is also its attribute in pytest's options."""
    return long_form(flag)[2:].replace("-", "_")


INI_KEYS = tuple(ini_key(flag) for flag in (*LISTS, *SWITCHES, *VALUES, *OPTIONAL))
#: The long form of each short one.
SHORT_FORMS = {flag: long_form(flag) for flag in (*LISTS, *SWITCHES, *VALUES, SHORT_RUN) if flag != long_form(flag)}
#: The short forms that somebody else defines.
TAKEN: pytest.StashKey[Container[str]] = pytest.StashKey()
#: When the session started, in seconds since the epoch, and its key; with pytest-xdist, those of the controller.
STARTED = pytest.StashKey[tuple[float, str]]()
#: Where the data from the xdist controller have the number of workers on a worker's machine.
BESIDE = "mlperf_workers"
#: Where an xdist worker has the controller's version of this package, and its seconds east of UTC.
CONTROLLER = "mlperf_controller"
#: Where a report has the result of its run.
REPORT_ATTRIBUTE = "mlperf_result"
#: Of the report of a setup: an earlier attempt at the item does not count. Of a teardown: the attempt had a result.
ATTEMPT_ATTRIBUTE = "mlperf_attempt"
#: Where a report of a failed item has its case and mode.
FAILED_ATTRIBUTE = "mlperf_failed"


def any_given(config: pytest.Config) -> bool:
    """Return whether the command line or the ini file sets any of the options.

    The environment does not count: it is the same for sessions that run no benchmark.
    """
    return any(config.getoption(key, None) or config.getini(key) for key in INI_KEYS)


def worker_input(config: pytest.Config) -> dict[str, Any]:
    """Return the data from the xdist controller; empty if this process is not an xdist worker."""
    data: dict[str, Any] = getattr(config, "workerinput", {})
    return data
