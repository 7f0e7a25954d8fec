from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import pytest

from pytest_mlperf.errors import OptionError
from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.names import benchmark_of
from pytest_mlperf.rules.round import find_round, newest_round, rounds

#: Transcribed from MODEL_CONFIG of mlcommons/inference: of the modular checker ("head") and of each release tag.
TABLES = Path(__file__).with_name("official_tables.csv")
SEEDS = Path(__file__).with_name("official_seeds.csv")


@lru_cache(maxsize=1)
def _entries() -> list[dict[str, str]]:
    """Each round's rows of the checker that judges it; head's rows of the older rounds judge nothing."""
    with TABLES.open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["checker"] == rounds()[row["round"]].checker]


def _number(text: str) -> int | None:
    return int(text) if text else None


#: What the reference implementations' accuracy is, by benchmark: the tables have only its product with the tolerance.
REFERENCES = {
    "resnet": (76.46, 0.99),
    "retinanet": (37.55, 0.99),
    "bert-99": (90.874, 0.99),
    "bert-99.9": (90.874, 0.999),
    "rnnt": (100 - 7.452, 0.99),
    "3d-unet-99": (0.86170, 0.99),
    "3d-unet-99.9": (0.86170, 0.999),
    "yolo-95": (53.4, 0.95),
    "yolo-99": (53.4, 0.99),
}
#: The official tables call the accuracy of words by the name of its complement.
NAMES = {"WER": "word accuracy", "ACCURACY": "word accuracy"}
#: Samples of data sets that the tables before v5.1 do not have; of dlrm-99 nobody states them.
DATA_SETS = {
    "resnet": 50_000,
    "retinanet": 24_781,
    "bert": 10_833,
    "rnnt": 2_513,
    "3d-unet": 43,
    "dlrm-v2": 330_067,
    "gptj": 13_368,
    "llama2-70b": 24_576,
    "llama2-70b-interactive": 24_576,
    "mixtral-8x7b": 15_000,
    "stable-diffusion-xl": 5_000,
    "llama3.1-405b": 8_313,
    "rgat": 788_379,
}


def _data_set(row: dict[str, str]) -> int | None:
    return _number(row["dataset_size"]) or DATA_SETS.get(row["benchmark"].removesuffix(".9").removesuffix("-99"))


def test_a_target_is_the_tolerance_of_the_reference() -> None:
    for each in rounds().values():
        for name in each.benchmarks.keys() & REFERENCES.keys():
            benchmark, (reference, tolerance) = each.benchmarks[name], REFERENCES[name]
            assert benchmark.tolerance == tolerance
            assert benchmark.limits[0].minimum == pytest.approx(reference * tolerance, rel=1e-9)


def _required(row: dict[str, str]) -> dict[str, tuple[str, ...]]:
    columns = {"datacenter": "datacenter", "edge": "edge", "datacenter,edge": "datacenter_edge"}
    return {system: tuple(row[column].split()) for system, column in columns.items() if row[column]}


def test_every_entry_of_the_official_tables_is_the_rounds() -> None:
    for row in _entries():
        found = rounds()[row["round"]].benchmarks.get(row["benchmark"])
        assert (found is not None) == (row["present"] == "yes"), row
        if found is None:
            continue
        least = {limit.value: f"{limit.minimum:.6g}" for limit in found.limits if limit.minimum is not None}
        most = {limit.value: f"{limit.maximum:.6g}" for limit in found.limits if limit.maximum is not None}
        metrics = [NAMES.get(metric, metric) for metric in row["metric"].split()]
        # The tables give six digits.
        assert least == dict(zip(metrics, row["target"].split(), strict=True)), row
        assert most == dict(pair.split("=") for pair in row["upper"].split()), row
        assert found.performance_sample_count == int(row["performance_sample_count"]), row
        assert found.dataset_size == _data_set(row), row
        # A checker whose table has no size does not look.
        assert row["dataset_size"] or rounds()[row["round"]].official["accuracy-samples"] == "ignores", row
        assert found.offline_samples_per_query == _number(row["offline_samples_per_query"]), row
        assert found.server_latency_ns == _number(row["server_latency_ns"]), row
        queries = dict(pair.split("=") for pair in row["min_queries"].split())
        assert found.min_queries == {scenario: int(count) for scenario, count in queries.items()}, row
        assert found.required == _required(row), row
        assert found.compliance == tuple(row["compliance"].split()), row


def test_no_round_has_a_benchmark_that_the_tables_do_not() -> None:
    listed = {(row["round"], row["benchmark"]) for row in _entries() if row["present"] == "yes"}
    assert listed == {(each.name, benchmark) for each in rounds().values() for benchmark in each.benchmarks}


def test_every_rounds_seeds_are_the_official_ones() -> None:
    with SEEDS.open(encoding="utf-8") as file:
        official = {row.pop("round"): {key: int(seed) for key, seed in row.items()} for row in csv.DictReader(file)}
    found = {
        each.name: {field: getattr(each.seeds, field) for field in each.seeds.__struct_fields__}
        for each in rounds().values()
    }
    assert found == official


@pytest.mark.parametrize("name", rounds())
def test_a_round_says_of_every_rule_what_its_checker_makes_of_it(name: str) -> None:
    assert rounds()[name].official.keys() == catalogue().keys()


#: Whether the official checkers were seen to fail a submission, valid but for this, of v6.1 open and closed (the
#: modular checker) and of v5.1 open and closed (tag v5.1.1): F fails or crashes, . passes.
SEEN_TO_FAIL = {
    "min-duration": "FFFF",
    "accuracy-target": ".F.F",
    "accuracy-text": "FFFF",
    "accuracy-log-size": "FF.F",
    "performance-log": "FFFF",
    "performance-files": "..FF",
    "performance-extra-files": "..FF",
    "measurements-fields": "FFFF",
    "measurements-files": "FFFF",
    "code": "FFFF",
    "system-fields": "FFFF",
    "system-status": "FFFF",
    "system-submitter": "FFFF",
    "system-network": "FFFF",
    "system-numbers": "FF..",
    "performance-sample-count": "FFFF",
    "accuracy-samples": "FF..",
    "accuracy-errors": "FFFF",
    "log-first-line": "FF..",
    "result-metric": "FFFF",
    "spaces-in-names": "..FF",
    "empty-directories": "..FF",
    "links": "..FF",
    "stray-files": "..FF",
    "calibration": "...F",
    "results": "....",
    "results-directory": "FF..",
    "compliance-missing": ".F.F",
    "compliance-accuracy": ".F.F",
    "accuracy-files": "..FF",
    "accuracy-extra-files": "..FF",
    "accuracy-detail": "FFFF",
    "accuracy-mode": "....",
    "scenario-name": "FFFF",
    "accuracy-metric": ".F.F",
    "accuracy-stated": "..FF",
}


@pytest.mark.parametrize("rule", SEEN_TO_FAIL)
def test_what_the_official_checkers_were_seen_to_make_of_a_broken_rule_is_in_the_data(rule: str) -> None:
    of_each = {"fails": "FF", "fails closed": ".F", "logs": "..", "ignores": ".."}
    found = "".join(of_each[rounds()[name].official[rule]] for name in ("v6.1", "v5.1"))
    assert found == SEEN_TO_FAIL[rule]


@pytest.mark.parametrize("name", ["v5.0", "v5.1", "v6.0"])
def test_llama_may_be_written_with_an_underscore(name: str) -> None:
    assert benchmark_of("llama3_1-405b", find_round(name), {}) == "llama3.1-405b"


def test_mlperf_conf_has_the_samples_of_language_models_issued_equally_often() -> None:
    found = find_round("v6.0").benchmarks
    assert {name for name, rules in found.items() if rules.tokens == "asked" and not rules.equal_issue} == set()
    assert found["whisper"].equal_issue
    assert not found["resnet"].equal_issue


@pytest.mark.parametrize("name", rounds())
def test_an_alias_means_a_benchmark_of_its_round(name: str) -> None:
    each = rounds()[name]
    assert set(each.aliases.values()) <= {*each.benchmarks, *each.other_benchmarks}
    assert not each.benchmarks.keys() & set(each.other_benchmarks)


def test_layouts_durations_and_test05_follow_the_rounds() -> None:
    for each in rounds().values():
        assert each.layout == ("measurements" if each.number < (6, 0) else "results")
        assert each.min_duration_ms == 600_000
        asked = {test for benchmark in each.benchmarks.values() for test in benchmark.compliance}
        assert (each.test05_seeds is not None) == ("TEST05" in asked) == (each.number < (5, 0))


@pytest.mark.parametrize(
    ("benchmarks", "name"),
    [
        (("retinanet",), "v5.1"),
        (("rnnt",), "v4.0"),
        (("resnet",), "v6.1"),
        (("retinanet", "rnnt"), "v4.0"),
        (("3d-unet-99", "bert-99.9"), "v6.1"),
    ],
)
def test_the_newest_round_has_all_benchmarks(benchmarks: tuple[str, ...], name: str) -> None:
    newest = newest_round(benchmarks)
    assert newest is not None
    assert newest.name == name


def test_no_round_has_a_benchmark_that_mlperf_has_not() -> None:
    assert newest_round(("retinanet", "digits")) is None


def test_rounds_come_in_time_and_are_found_with_or_without_v() -> None:
    assert list(rounds()) == ["v2.1", "v3.0", "v3.1", "v4.0", "v4.1", "v5.0", "v5.1", "v6.0", "v6.1"]
    assert find_round("5.1") is find_round("v5.1")


def test_an_unknown_round_names_those_that_exist() -> None:
    with pytest.raises(OptionError, match=r"there is no round v7\.0") as error:
        find_round("v7.0")
    assert "v2.1, v3.0, v3.1, v4.0, v4.1, v5.0, v5.1, v6.0, v6.1" in str(error.value)
