"""The broken submissions are what they say, and the bases that they are made from are whole."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.rules.detail_log import read_detail_log
from tests.rules import mutations
from tests.rules.mutations import MUTATIONS, Mutation
from tests.rules.submissions import BASES, DATACENTER, EDGE, submission, unpack_base
from tests.rules.verdicts import AUTHORITY, verdicts, what_changed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.rules.submissions import Submission

# Bytes of a file, the target of a link, None of a folder.
Snapshot = dict[str, "bytes | str | None"]

LOGS = {"mlperf_log_detail.txt", "mlperf_log_summary.txt"}
FILES = {
    "accuracy": {"accuracy.txt", "mlperf_log_accuracy.json", *LOGS},
    "performance/run_1": LOGS,
    "TEST01": {"verify_accuracy.txt", "verify_performance.txt"},
    "TEST01/accuracy": {"accuracy.txt", "mlperf_log_accuracy.json"},
    "TEST01/performance/run_1": LOGS,
    "TEST04": {"verify_performance.txt"},
    "TEST04/performance/run_1": LOGS,
}
SYSTEMS = {
    "v6.1_open": {(EDGE, "resnet50", scenario) for scenario in ("SingleStream", "Offline")},
    "v6.1_closed": {
        *((EDGE, "resnet50", scenario) for scenario in ("SingleStream", "MultiStream", "Offline")),
        (DATACENTER, "3d-unet-99", "Offline"),
    },
    "v5.1_open": {(EDGE, "retinanet", scenario) for scenario in ("SingleStream", "Offline")},
    "v5.1_closed": {
        *((EDGE, "retinanet", scenario) for scenario in ("SingleStream", "MultiStream", "Offline")),
        *((DATACENTER, "retinanet", scenario) for scenario in ("Server", "Offline")),
    },
}
CASES = [
    pytest.param(base, mutation, id=f"{base}-{mutation.name}")
    for base in BASES
    for mutation in MUTATIONS
    if mutation.applies_to(base.partition("_")[2])
]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The four bases, unpacked once; nobody changes them."""
    directory = tmp_path_factory.mktemp("bases")
    return {name: unpack_base(name, directory / name) for name in BASES}


@pytest.fixture(scope="module")
def untouched(pristine: Mapping[str, Path]) -> Mapping[str, Snapshot]:
    """What the four bases hold."""
    return {name: snapshot(root) for name, root in pristine.items()}


def snapshot(root: Path) -> Snapshot:
    found: Snapshot = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


def mutated(mutation: Mutation, base: str, pristine: Path, target: Path) -> Snapshot:
    shutil.copytree(pristine, target)
    mutation.apply(submission(base, target))
    return snapshot(target)


@pytest.mark.parametrize(("base", "mutation"), CASES)
def test_a_mutation_changes_the_tree_and_always_the_same_way(
    base: str,
    mutation: Mutation,
    pristine: Mapping[str, Path],
    untouched: Mapping[str, Snapshot],
    tmp_path: Path,
) -> None:
    first = mutated(mutation, base, pristine[base], tmp_path / "first")
    assert (first == untouched[base]) is (mutation.name == "m00_none")
    assert mutated(mutation, base, pristine[base], tmp_path / "second") == first


def test_the_table_and_the_mutations_are_the_same_set() -> None:
    assert {mutation.name: mutation.what for mutation in MUTATIONS} == what_changed()
    assert len(MUTATIONS) == len(what_changed())


def test_each_mutation_is_made_by_the_function_of_its_name() -> None:
    for mutation in MUTATIONS:
        assert mutation.apply is getattr(mutations, mutation.name.lower())


@pytest.mark.parametrize("base", BASES)
def test_the_table_has_a_verdict_on_exactly_the_mutations_that_apply(base: str) -> None:
    table = verdicts(base)
    assert {name for name, verdict in table.items() if verdict.outcome != "n/a"} == {
        mutation.name for mutation in MUTATIONS if mutation.applies_to(base.partition("_")[2])
    }
    assert table["m00_none"].passed
    assert table["m00_none"].results == (len(SYSTEMS[base]), 0)


def test_the_bases_are_those_of_the_table() -> None:
    assert set(AUTHORITY) == set(BASES) == set(SYSTEMS)


@pytest.mark.parametrize("base", BASES)
def test_a_base_has_the_files_that_its_layout_asks_for(base: str, pristine: Mapping[str, Path]) -> None:
    it = submission(base, pristine[base])
    assert {path.relative_to(it.results).parts for path in it.results.glob("*/*/*")} == SYSTEMS[base]
    expected = {it.calibration, *(it.submitter / "systems" / f"{name}.json" for name, _, _ in SYSTEMS[base])}
    for system, model, scenario in SYSTEMS[base]:
        expected |= _files_of_a_result(it, system, model, scenario) | {it.code / model / "README.md"}
    assert {path for path in it.root.rglob("*") if path.is_file()} == expected


def _files_of_a_result(it: Submission, system: str, model: str, scenario: str) -> set[Path]:
    place = f"{system}/{model}/{scenario}"
    results, old = it.results / place, it.separate_measurements
    measurements = it.submitter / "measurements" / place if old else results
    compliance = it.submitter / "compliance" / place if old else results
    description = f"{system}_waiting_{scenario}.json" if old else "measurements.json"
    files = {measurements / name for name in (description, "user.conf", "README.md")}
    tests = () if it.division == "open" else ("TEST01", "TEST04") if model == "resnet50" else ("TEST01",)
    for folder, names in FILES.items():
        if not folder.startswith("TEST"):
            files |= {results / folder / name for name in names}
        elif folder.startswith(tests):
            files |= {compliance / folder / name for name in names}
    return files


@pytest.mark.parametrize("base", BASES)
def test_the_logs_of_a_base_are_valid_runs_of_official_length(base: str, pristine: Mapping[str, Path]) -> None:
    logs = list(pristine[base].rglob("run_1/mlperf_log_detail.txt"))
    for path in logs:
        log = read_detail_log(path)
        assert (log.fault, log.errors) == (None, ())
        assert log.values["result_validity"] == "VALID"
        assert log.values["effective_min_duration_ms"] == 600_000
    assert len(logs) == {"v6.1_open": 2, "v6.1_closed": 11, "v5.1_open": 2, "v5.1_closed": 10}[base]


@pytest.mark.parametrize("base", BASES)
def test_an_accuracy_log_is_as_short_as_truncation_makes_it(base: str, pristine: Mapping[str, Path]) -> None:
    for path in pristine[base].rglob("mlperf_log_accuracy.json"):
        text = path.read_text("utf-8")
        whole = "\n...\n" not in text
        assert path.stat().st_size < 4096 if whole else path.stat().st_size == 8199
        if whole:
            assert json.loads(text)
