"""Every setting of LoadGen: which runs read it, what values it takes, and who decides it.

From ``TestSettings`` in loadgen/test_settings.h and ``FromConfig`` in loadgen/test_settings_internal.cc of
mlcommons/inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SCENARIOS = ("Offline", "Server", "SingleStream", "MultiStream")
#: Who decides a setting. ``user``: whoever runs the test. ``case``: what was selected to run.
Decider = Literal["user", "case", "scenario", "round", "compliance test", "implementation", "nobody"]
#: LoadGen reads whole numbers of these settings, and counts in nanoseconds: 31 years do not overflow.
LONGEST_MS = 10**12
LARGEST_COUNT = 2**63 - 1
LARGEST_INT = 2**31 - 1


@dataclass(frozen=True)
class Values:
    """The values that a setting takes in a user.conf.

    Attributes
    ----------
    words
        For people.
    whole
        Whether LoadGen reads whole numbers only; it takes ``0.5`` as 0.
    least, most
        The smallest and the largest number with which a test ends.
    least_is_allowed, most_is_allowed
        Whether these two are values themselves.
    """

    words: str
    whole: bool = True
    least: float = 0
    most: float = LARGEST_COUNT
    least_is_allowed: bool = True
    most_is_allowed: bool = True

    def allow(self, number: float) -> bool:
        """Say whether a number is one of the values; NaN is none."""
        low = number >= self.least if self.least_is_allowed else number > self.least
        high = number <= self.most if self.most_is_allowed else number < self.most
        return low and high


FLAG = Values("0 or 1", most=1)
COUNT = Values("a whole number of 0 or more, below 2^63")
POSITIVE = Values("a whole number of 1 or more, below 2^63", least=1)
INT = Values("a whole number of 0 or more, below 2^31", most=LARGEST_INT)
MILLISECONDS = Values("whole milliseconds, 0 or more, at most 10^12", most=LONGEST_MS)
POSITIVE_MS = Values("whole milliseconds, 1 or more, at most 10^12", least=1, most=LONGEST_MS)
#: 0 queries a second never begin, and one in eleven days hardly; with more than one in a nanosecond LoadGen's schedule
#: stands still.
RATE = Values("a number above 0: 0.000001 or more, at most 10^9", whole=False, least=1e-6, most=1e9)
#: At 0 and 100 early stopping counts for ever.
PERCENT = Values("a number between 0 and 100", whole=False, most=100, least_is_allowed=False, most_is_allowed=False)


@dataclass(frozen=True)
class Setting:
    """A setting of LoadGen.

    Attributes
    ----------
    says
        What it is.
    fields
        The attributes of LoadGen's ``TestSettings`` that hold it.
    decided_by
        Who decides it.
    scenarios
        Those whose runs read it from a user.conf.
    values
        What it takes in a user.conf; None for what does not stand there.
    rule
        The rule that is broken by a value other than the decided one; empty where any value is the user's.
    instead
        What to do instead of a line in user.conf that is refused.
    """

    says: str
    fields: tuple[str, ...]
    decided_by: Decider
    scenarios: tuple[str, ...] = SCENARIOS
    values: Values | None = None
    rule: str = ""
    instead: str = ""


_ROUND_SETS_IT = "the round sets it: use --round"
_AUDIT = "a compliance test sets it: use --mode compliance"

#: By the key in a user.conf; what has none is named like its field.
SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "scenario": Setting("The scenario", ("scenario",), "case", instead="use --scenario"),
        "mode": Setting("Accuracy or performance", ("mode",), "case", instead="use --mode"),
        "target_qps": Setting(
            "Server: queries offered per second. Offline: the expected rate, from which the samples are counted",
            ("server_target_qps", "offline_expected_qps"),
            "user",
            ("Server", "Offline"),
            RATE,
        ),
        "target_latency": Setting(
            "Server: the latency bound. The streams: the expected latency, from which the queries are counted",
            ("server_target_latency_ns", "single_stream_expected_latency_ns", "multi_stream_expected_latency_ns"),
            "round",
            ("Server", "SingleStream", "MultiStream"),
            POSITIVE_MS,
            rule="server-latency",
        ),
        "target_latency_percentile": Setting(
            "The percentile of the latencies that is reported, or in Server held against the bound",
            (
                "server_target_latency_percentile",
                "single_stream_target_latency_percentile",
                "multi_stream_target_latency_percentile",
            ),
            "scenario",
            ("Server", "SingleStream", "MultiStream"),
            PERCENT,
            rule="latency-percentile",
        ),
        "samples_per_query": Setting(
            "MultiStream: samples in a query",
            ("multi_stream_samples_per_query",),
            "scenario",
            ("MultiStream",),
            POSITIVE,
            rule="query-size",
        ),
        "min_duration": Setting(
            "The minimum duration of a performance run, in ms",
            ("min_duration_ms",),
            "round",
            values=MILLISECONDS,
            rule="min-duration",
        ),
        "max_duration": Setting(
            "The duration, in ms, after which a run is ended; INVALID if it lacks something; 0: never",
            ("max_duration_ms",),
            "user",
            values=MILLISECONDS,
        ),
        "min_query_count": Setting(
            "The minimum of queries; in Offline, of samples in the one query",
            ("min_query_count",),
            "round",
            values=COUNT,
            rule="samples-per-query",
        ),
        "max_query_count": Setting(
            "The number of queries after which a run is ended; INVALID if it lacks something; 0: never",
            ("max_query_count",),
            "user",
            values=COUNT,
        ),
        "performance_sample_count_override": Setting(
            "Different samples that a performance run has in memory",
            ("performance_sample_count_override",),
            "round",
            values=COUNT,
            rule="performance-sample-count",
        ),
        "accuracy_sample_count_override": Setting(
            "Samples that an accuracy run answers",
            ("accuracy_sample_count_override",),
            "case",
            instead="use --dataset-size",
        ),
        "coalesce_queries": Setting(
            "Server: queries that are due are issued together, with latencies of their own",
            ("server_coalesce_queries",),
            "user",
            ("Server",),
            FLAG,
        ),
        "max_async_queries": Setting(
            "Server: the queries under way with which a run is ended with an error; 0: any number",
            ("server_max_async_queries",),
            "user",
            ("Server",),
            INT,
        ),
        "sample_concatenate_permutation": Setting(
            "Every sample is issued equally often, and not drawn at random",
            ("sample_concatenate_permutation",),
            "round",
            values=FLAG,
            rule="equal-issue",
        ),
        "performance_issue_unique": Setting(
            "Each sample is issued once",
            ("performance_issue_unique",),
            "compliance test",
            values=FLAG,
            rule="audit-settings",
        ),
        "performance_issue_same": Setting(
            "One sample is issued again and again",
            ("performance_issue_same",),
            "compliance test",
            values=FLAG,
            rule="audit-settings",
        ),
        "performance_issue_same_index": Setting(
            "Which sample is issued again and again",
            ("performance_issue_same_index",),
            "compliance test",
            values=COUNT,
            rule="audit-settings",
        ),
        "accuracy_log_rng_seed": Setting(
            "The seed by which a performance run chooses answers to log",
            ("accuracy_log_rng_seed",),
            "compliance test",
            rule="audit-settings",
            instead=_AUDIT,
        ),
        "accuracy_log_sampling_target": Setting(
            "How many answers a performance run logs",
            ("accuracy_log_sampling_target",),
            "compliance test",
            rule="audit-settings",
            instead=_AUDIT,
        ),
        "accuracy_log_probability": Setting(
            "The part of its answers that a performance run logs",
            ("accuracy_log_probability",),
            "compliance test",
            rule="audit-settings",
            instead=_AUDIT,
        ),
        "qsl_rng_seed": Setting(
            "The seed of the samples in memory", ("qsl_rng_seed",), "round", rule="seeds", instead=_ROUND_SETS_IT
        ),
        "sample_index_rng_seed": Setting(
            "The seed of the samples in the queries",
            ("sample_index_rng_seed",),
            "round",
            rule="seeds",
            instead=_ROUND_SETS_IT,
        ),
        "schedule_rng_seed": Setting(
            "The seed of Server's arrivals", ("schedule_rng_seed",), "round", rule="seeds", instead=_ROUND_SETS_IT
        ),
        "use_token_latencies": Setting(
            "Latencies are of first tokens and of the tokens after them",
            ("use_token_latencies",),
            "round",
            values=FLAG,
            rule="token-latencies",
        ),
        "ttft_latency": Setting(
            "Server: the bound of the first token's latency",
            ("ttft_latency",),
            "round",
            ("Server",),
            POSITIVE_MS,
            rule="token-latencies",
        ),
        "tpot_latency": Setting(
            "Server: the bound of the latency of each token after the first",
            ("tpot_latency",),
            "round",
            ("Server",),
            POSITIVE_MS,
            rule="token-latencies",
        ),
        "infer_token_latencies": Setting(
            "Latencies of tokens are counted from the length of the answers",
            ("infer_token_latencies",),
            "round",
            values=FLAG,
            rule="token-latencies",
        ),
        "token_latency_scaling_factor": Setting(
            "The length of a usual answer, for infer_token_latencies",
            ("token_latency_scaling_factor",),
            "round",
            values=POSITIVE,
            rule="token-latencies",
        ),
        "print_timestamps": Setting(
            "LoadGen prints when the test begins and ends", ("print_timestamps",), "user", values=FLAG
        ),
        "test05": Setting(
            "TEST05, as LoadGen's own configuration can have it", ("test05",), "compliance test", instead=_AUDIT
        ),
        "test05_qsl_rng_seed": Setting(
            "TEST05's seeds",
            ("test05_qsl_rng_seed", "test05_sample_index_rng_seed", "test05_schedule_rng_seed"),
            "compliance test",
            rule="seeds",
            instead=_AUDIT,
        ),
        "server_num_issue_query_threads": Setting(
            "Server: threads of the system under test that LoadGen calls from",
            ("server_num_issue_query_threads",),
            "implementation",
        ),
        "server_find_peak_qps": Setting(
            "How exactly LoadGen's own search finds Server's highest rate; no run here is one",
            ("server_find_peak_qps_boundary_step_size", "server_find_peak_qps_decimals_of_precision"),
            "nobody",
        ),
        "target_duration": Setting(
            "LoadGen does not read it", (), "nobody", instead="use min_duration, which LoadGen does read"
        ),
    }
)

#: The keys that a user.conf may have.
KEYS: tuple[str, ...] = tuple(sorted(key for key, setting in SETTINGS.items() if setting.values is not None))

#: The models that LoadGen's own configuration names (loadgen/mlperf.conf).
MODELS = frozenset(
    {
        "3d-unet",
        "bert",
        "deepseek-r1",
        "deepseek-r1-interactive",
        "dlrm",
        "dlrm-v2",
        "dlrm-v3",
        "gpt-oss-120b",
        "gpt-oss-120b-interactive",
        "gptj",
        "llama2-70b",
        "llama2-70b-interactive",
        "llama3_1-405b",
        "llama3_1-405b-interactive",
        "llama3_1-8b",
        "llama3_1-8b-edge",
        "llama3_1-8b-interactive",
        "mixtral-8x7b",
        "pointpainting",
        "qwen3-vl-235b-a22b",
        "resnet50",
        "retinanet",
        "rgat",
        "rnnt",
        "ssd-mobilenet",
        "stable-diffusion-xl",
        "wan-2.2-t2v-a14b",
        "whisper",
        "yolo",
    }
)
