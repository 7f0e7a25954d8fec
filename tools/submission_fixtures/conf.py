"""The user.conf and audit.config of each run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from submission_fixtures.bases import Benchmark, Run

# Milliseconds that the SUT takes for a query.
LATENCY_MS = {"SingleStream": 20, "MultiStream": 80, "Server": 5}
SERVER_QPS = 20
# compliance/TEST01/*/audit.config and compliance/TEST04/audit.config of mlcommons/inference.
TEST01_SEED = 720381539243781796
TEST04_INDEX = 3


def user_conf(benchmark: Benchmark, scenario: str) -> str:
    """Return a result's user.conf: what the SUT can do, so that LoadGen makes enough queries."""
    if scenario in ("SingleStream", "MultiStream"):
        key, value = "target_latency", str(LATENCY_MS[scenario])
    elif scenario == "Server":
        key, value = "target_qps", str(SERVER_QPS)
    else:
        key, value = "target_qps", "0.15" if benchmark.loaded == benchmark.samples else "40"
    return f"# What the system under test can do.\n{benchmark.conf_name}.{scenario}.{key} = {value}\n"


def audit_config(run: Run) -> str | None:
    """Return what a compliance test tells LoadGen, or None for a run that is no compliance test."""
    if run.kind == "TEST01":
        settings = {
            "*.*.mode": 2,
            "*.*.accuracy_log_rng_seed": TEST01_SEED,
            "*.*.accuracy_log_sampling_target": run.system.benchmark.audited,
        }
    elif run.kind == "TEST04":
        key = f"*.{run.scenario}"
        settings = {
            f"{key}.mode": 2,
            f"{key}.performance_issue_unique": 0,
            f"{key}.performance_issue_same": 1,
            f"{key}.performance_issue_same_index": TEST04_INDEX,
        }
    else:
        return None
    return "".join(f"{key} = {value}\n" for key, value in settings.items())
