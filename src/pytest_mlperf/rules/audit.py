"""What each compliance test changes in a performance run: the settings of its audit.config, and its seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.rules.round import Round, Seeds

#: ``mode`` of LoadGen's configuration files: a performance run.
PERFORMANCE_MODE = 2
#: compliance/TEST01/<benchmark>/audit.config in mlcommons/inference.
ACCURACY_LOG_SEED = 720381539243781796
#: ``accuracy_log_sampling_target`` of the same files, by official name: answers to be logged, some more or less.
SAMPLING_TARGETS: Mapping[str, int] = {
    "resnet": 4096,
    "retinanet": 256,
    "bert-99": 4096,
    "bert-99.9": 4096,
    "rnnt": 4096,
    "3d-unet-99": 64,
    "3d-unet-99.9": 64,
    "yolo-95": 64,
    "yolo-99": 64,
    **dict.fromkeys(("dlrm-99", "dlrm-99.9", "dlrm-v2-99", "dlrm-v2-99.9"), 4096),
    **dict.fromkeys(("gptj-99", "gptj-99.9", "rgat", "whisper"), 4096),
    "pointpainting": 256,
    "stable-diffusion-xl": 128,
}
#: The tests that a session runs. The others are for language models, which no benchmark here is.
TESTS = ("TEST01", "TEST04", "TEST05")
#: Where no audit.config of the benchmark is known.
USUAL_TARGET = 4096
#: compliance/TEST04/audit.config: the sample that is repeated, counted among those in memory.
SAME_SAMPLE = 3


@dataclass(frozen=True)
class Audit:
    """One compliance test of one benchmark.

    Attributes
    ----------
    test
        ``TEST01``, ``TEST04``, ``TEST05``.
    settings
        What its audit.config sets for every model and scenario.
    seeds
        The seeds instead of the round's. LoadGen reads none from an audit.config since version 5.0, so they have to be
        set beside it.
    """

    test: str
    settings: Mapping[str, int]
    seeds: Seeds | None = None

    @property
    def text(self) -> str:
        """The audit.config."""
        lines = [f"# {self.test} of MLPerf Inference", f"*.*.mode = {PERFORMANCE_MODE}"]
        lines += [f"*.*.{key} = {value}" for key, value in self.settings.items()]
        return "\n".join([*lines, ""])


def audit_of(test: str, benchmark: str, rules: Round | None) -> Audit:
    """Return a compliance test by its name.

    Parameters
    ----------
    test
        One that the round asks of the benchmark.
    benchmark
        Its official name in the round.
    rules
        The round, for TEST05's seeds.
    """
    if test == "TEST01":
        target = SAMPLING_TARGETS.get(benchmark, USUAL_TARGET)
        return Audit(test, {"accuracy_log_rng_seed": ACCURACY_LOG_SEED, "accuracy_log_sampling_target": target})
    if test == "TEST04":
        return Audit(
            test,
            {
                "performance_issue_unique": 0,
                "performance_issue_same": 1,
                "performance_issue_same_index": SAME_SAMPLE,
            },
        )
    if test == "TEST05" and rules is not None and (seeds := rules.test05_seeds) is not None:
        return Audit(
            test,
            {
                "qsl_rng_seed": seeds.qsl_rng_seed,
                "sample_index_rng_seed": seeds.sample_index_rng_seed,
                "schedule_rng_seed": seeds.schedule_rng_seed,
            },
            seeds,
        )
    raise ValueError(f"there is no {test} of {benchmark}")
