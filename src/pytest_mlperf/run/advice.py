"""Advice for pytest sessions about broken rules, added to the fix of a finding."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_OFFICIAL_LENGTH = "with pytest: --run-length official"
_WORKER_LOG = "see worker.log in the run's directory"

#: Advice by the LoadGen setting for which a finding has a value.
OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "min_query_count": "with pytest: --test-query-count {}",
        "target_qps": "with pytest: --target-qps {}",
        "target_latency": "with pytest: --target-latency {}",
    }
)
#: Advice by the name of the rule, and by that of the setting.
ADVICE: Mapping[str, str] = MappingProxyType(
    {
        **OPTIONS,
        "performance-log": _WORKER_LOG,
        "accuracy-detail": _WORKER_LOG,
        "compliance-run": _WORKER_LOG,
        "accuracy-answers": _WORKER_LOG,
        "loadgen-min-duration": "with pytest: --target-qps (Offline, Server) or --target-latency (the other scenarios)",
        "loadgen-min-queries": "with pytest: the file given with --user-conf",
        "loadgen-latency-bound": "with pytest: --target-qps, or --mlperf-find-peak",
        "quiet-machine": "with pytest: without --mlperf-require-quiet it is a note",
        "seeds": "with pytest: --round",
        "accuracy-seeds": "with pytest: --round",
        "min-duration": _OFFICIAL_LENGTH,
        "min-query-count": _OFFICIAL_LENGTH,
        "samples-per-query": _OFFICIAL_LENGTH,
        "performance-sample-count": _OFFICIAL_LENGTH,
        "loaded-sample-count": _OFFICIAL_LENGTH,
        "accuracy-samples": f"{_OFFICIAL_LENGTH}; a tiny edition does not have the whole data set",
        "compliance-performance": "short runs vary: use --run-length official",
        "server-latency": "with pytest: leave --target-latency out",
        "accuracy-hash": "pytest --mlperf-submit does that",
        "accuracy-log-size": "pytest --mlperf-submit does that",
    }
)
