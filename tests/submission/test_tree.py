"""The tree has the files that the official checkers ask for, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import mlperf_loadgen as lg
import msgspec
import pytest

from pytest_mlperf.artifacts.disk import file_sha256
from pytest_mlperf.errors import SubmissionError
from pytest_mlperf.rules.round import find_round
from pytest_mlperf.submission.tree import write_submission
from tests.submission.conftest import COMMAND, MakePlan, files_of

if TYPE_CHECKING:
    from pytest_mlperf.rules.round import Layout

LOGS = {
    "accuracy/accuracy.txt",
    "accuracy/mlperf_log_accuracy.json",
    "accuracy/mlperf_log_detail.txt",
    "accuracy/mlperf_log_summary.txt",
    "performance/run_1/mlperf_log_detail.txt",
    "performance/run_1/mlperf_log_summary.txt",
}
SCENARIOS = ("Offline", "SingleStream")


def test_until_v5_1_the_measurements_stand_beside_the_results(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan("measurements")
    write_submission(plan, tmp_path / "sub")
    system = plan.system
    beside = {
        f"measurements/{system}/retinanet-tiny/{scenario}/{name}"
        for scenario in SCENARIOS
        for name in ("README.md", "user.conf", f"{system}_python_{scenario}.json")
    }
    results = {f"results/{system}/retinanet-tiny/{scenario}/{log}" for scenario in SCENARIOS for log in LOGS}
    code = {f"code/retinanet-tiny/{name}" for name in ("README.md", "requirements.txt", "test_mlperf.py")}
    rest = {f"systems/{system}.json", "calibration.md", "model_mapping.json"}
    found = {name.removeprefix("open/Community/") for name in files_of(tmp_path / "sub")}
    assert found == beside | results | code | rest


def test_from_v6_0_all_of_a_result_is_under_results(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan("results")
    write_submission(plan, tmp_path / "sub")
    names = LOGS | {"measurements.json", "README.md", "user.conf"}
    results = {f"results/{plan.system}/retinanet-tiny/{s}/{name}" for s in SCENARIOS for name in names}
    code = {f"src/retinanet-tiny/{name}" for name in ("README.md", "requirements.txt", "test_mlperf.py")}
    rest = {f"systems/{plan.system}.json", "documentation/calibration.md", "model_mapping.json"}
    found = {name.removeprefix("open/Community/") for name in files_of(tmp_path / "sub")}
    assert found == results | code | rest


@pytest.mark.parametrize(("name", "there"), [("v4.1", True), ("v5.0", False)])
def test_before_v5_0_the_rounds_settings_stand_beside_in_a_file_that_loadgen_reads(
    make_plan: MakePlan, tmp_path: Path, name: str, there: bool
) -> None:
    plan = make_plan("measurements", round=find_round(name))
    write_submission(plan, tmp_path / "sub")
    found = sorted((tmp_path / "sub").rglob("mlperf.conf"))
    assert len(found) == (2 if there else 0)
    for file in found:
        settings = lg.TestSettings()
        assert settings.FromConfig(str(file), "retinanet", "Server", 2) == 0
        assert f"*.*.qsl_rng_seed = {plan.round.seeds.qsl_rng_seed}" in file.read_text()  # read from its own file only
        assert settings.min_duration_ms == plan.round.min_duration_ms
        assert settings.performance_sample_count_override == 64
        assert settings.server_target_latency_ns == plan.round.benchmarks["retinanet"].server_latency_ns


@pytest.mark.parametrize("layout", ["measurements", "results"])
def test_the_same_plan_gives_the_same_tree(make_plan: MakePlan, tmp_path: Path, layout: Layout) -> None:
    for name in ("a", "b"):
        write_submission(make_plan(layout), tmp_path / name)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_writing_again_changes_nothing(make_plan: MakePlan, tmp_path: Path) -> None:
    sub, logs = tmp_path / "sub", tmp_path / "sub_logs"
    write_submission(make_plan(), sub)
    before, kept = files_of(sub), files_of(logs)
    write_submission(make_plan(), sub)
    assert files_of(sub) == before
    assert files_of(logs) == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sub", "sub_logs"]


def test_the_full_accuracy_logs_are_kept_beside_and_hashed(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan()
    written = write_submission(plan, tmp_path / "sub")
    for result in plan.results:
        place = Path(plan.base, "results", plan.place(result), "accuracy")
        full = Path(result.accuracy.output, "mlperf_log_accuracy.json")
        kept = written.logs / place / "mlperf_log_accuracy.json"
        assert kept.read_bytes() == full.read_bytes()
        text = (written.directory / place / "accuracy.txt").read_text()
        assert result.accuracy.accuracy is not None
        assert text == f"mAP={result.accuracy.accuracy.value:.3f}%\n\nhash={file_sha256(full)}\n"
        assert (written.directory / place / "mlperf_log_accuracy.json").stat().st_size <= 10_240 < full.stat().st_size


def test_the_runs_own_files_are_left_as_they_are(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan()
    outputs = [Path(run.output) for result in plan.results for run in (result.accuracy, result.performance)]
    before = [files_of(output) for output in outputs]
    written = write_submission(plan, tmp_path / "sub")
    for path in written.directory.rglob("*.txt"):
        path.write_text("edited in place")
    assert [files_of(output) for output in outputs] == before


def test_a_result_is_added_to_a_submission_and_replaces_its_own_place(make_plan: MakePlan, tmp_path: Path) -> None:
    sub = tmp_path / "sub"
    plan = make_plan()
    offline, single = plan.results
    write_submission(dataclasses.replace(plan, results=(offline,)), sub)
    stray = sub / plan.base / "results" / plan.place(offline) / "TEST01" / "old.txt"
    stray.parent.mkdir()
    stray.write_text("of an earlier run")
    write_submission(dataclasses.replace(plan, results=(single,)), sub)
    assert stray.is_file(), "the other scenario is left alone"
    write_submission(plan, sub)
    assert not stray.exists()
    write_submission(plan, tmp_path / "at once")
    assert files_of(sub) == files_of(tmp_path / "at once")


def test_clean_drops_what_was_there(make_plan: MakePlan, tmp_path: Path) -> None:
    sub = tmp_path / "sub"
    plan = make_plan()
    write_submission(dataclasses.replace(plan, system="another"), sub)
    write_submission(plan, sub, clean=True)
    write_submission(plan, tmp_path / "fresh")
    assert files_of(sub) == files_of(tmp_path / "fresh")


@pytest.mark.parametrize("clean", [False, True])
def test_a_directory_of_other_work_is_never_replaced(make_plan: MakePlan, tmp_path: Path, clean: bool) -> None:
    sub = tmp_path / "home"
    sub.mkdir()
    (sub / "thesis.txt").write_text("three years")
    with pytest.raises(SubmissionError, match=r"not a submission\n.*'thesis.txt'\n.*--submission-dir"):
        write_submission(make_plan(), sub, clean=clean)
    assert files_of(sub) == {"thesis.txt": b"three years"}


def test_what_fails_leaves_the_old_submission_and_nothing_beside(make_plan: MakePlan, tmp_path: Path) -> None:
    sub = tmp_path / "sub"
    plan = make_plan()
    write_submission(plan, sub)
    before = files_of(sub)
    first, second = plan.results
    gone = dataclasses.replace(second, compliance={"TEST01": tmp_path / "nowhere"})
    with pytest.raises(SubmissionError, match="nowhere cannot be put"):
        write_submission(dataclasses.replace(plan, results=(first, gone)), sub)
    assert files_of(sub) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sub", "sub_logs"]


@pytest.mark.parametrize("division", ["closed", "network"])
def test_a_tiny_edition_is_for_open_only(make_plan: MakePlan, tmp_path: Path, division: str) -> None:
    with pytest.raises(SubmissionError, match=rf"retinanet-tiny cannot be submitted in {division}\n.*\n.*open"):
        write_submission(make_plan(division=division), tmp_path / "sub")
    assert not (tmp_path / "sub").exists()


def test_the_tiny_edition_is_mapped_to_the_official_name(make_plan: MakePlan, tmp_path: Path) -> None:
    file = tmp_path / "sub/open/Community/model_mapping.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"my-net": "resnet"}')
    write_submission(make_plan(), tmp_path / "sub")
    assert json.loads(file.read_text()) == {"my-net": "resnet", "retinanet-tiny": "retinanet"}


@pytest.mark.parametrize("text", ["[1]", "7", "{", "\\u00ff"])
def test_a_broken_mapping_is_replaced(make_plan: MakePlan, tmp_path: Path, text: str) -> None:
    file = tmp_path / "sub/open/Community/model_mapping.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    write_submission(make_plan(), tmp_path / "sub")
    assert json.loads(file.read_text()) == {"retinanet-tiny": "retinanet"}


def test_two_results_in_one_place_are_refused(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan()
    first = plan.results[0]
    other = dataclasses.replace(first)
    with pytest.raises(SubmissionError, match=r"two results have the same place .*retinanet-tiny/Offline"):
        write_submission(dataclasses.replace(plan, results=(first, other)), tmp_path / "sub")


@pytest.mark.parametrize(
    ("field", "says"), [("model_sha256", "ran different model files"), ("dataset_sha256", "ran on different data sets")]
)
def test_an_accuracy_run_of_another_model_or_data_set_is_not_paired(
    make_plan: MakePlan, tmp_path: Path, field: str, says: str
) -> None:
    plan = make_plan()
    first = plan.results[0]
    recorded = getattr(first.performance, field)
    assert re.fullmatch("[0-9a-f]{64}", recorded)
    other = dataclasses.replace(first, accuracy=msgspec.structs.replace(first.accuracy, **{field: "0" * 64}))
    with pytest.raises(SubmissionError, match=rf"{says}\nexpected: SHA-256 0{{64}}; found: {recorded}\n"):
        write_submission(dataclasses.replace(plan, results=(other,)), tmp_path / "sub")


@pytest.mark.parametrize("name", ["", "my org", ".hidden", "a/b", "..", "naïve"])
def test_names_that_a_checker_refuses_are_refused_before_writing(
    make_plan: MakePlan, tmp_path: Path, name: str
) -> None:
    with pytest.raises(SubmissionError, match="cannot be the name of a submission's directory"):
        write_submission(make_plan(submitter=name), tmp_path / "sub")


def test_compliance_goes_where_the_round_wants_it(make_plan: MakePlan, tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    (audit / "performance/run_1").mkdir(parents=True)
    (audit / "verify_performance.txt").write_text("TEST PASS\n")
    (audit / "performance/run_1/mlperf_log_detail.txt").write_text(":::MLLOG {}\n")
    places: tuple[tuple[Layout, str], ...] = (("measurements", "compliance"), ("results", "results"))
    for layout, top in places:
        plan = make_plan(layout)
        result = dataclasses.replace(plan.results[0], compliance={"TEST01": audit})
        write_submission(dataclasses.replace(plan, results=(result,)), tmp_path / layout)
        place = tmp_path / layout / plan.base / top / plan.place(result) / "TEST01"
        assert files_of(place) == files_of(audit)


def test_the_answers_of_test01_are_cut_as_those_of_the_accuracy_run(make_plan: MakePlan, tmp_path: Path) -> None:
    accuracy = tmp_path / "audit" / "accuracy"
    accuracy.mkdir(parents=True)
    log = b"[\n" + b",\n".join(b'{"seq_id": 1, "qsl_idx": 1, "data": "00"}' for _ in range(500)) + b"\n]\n"
    (accuracy / "mlperf_log_accuracy.json").write_bytes(log)
    (accuracy / "accuracy.txt").write_text("mAP=61.471%\n")
    plan = make_plan("results")
    result = dataclasses.replace(plan.results[0], compliance={"TEST01": tmp_path / "audit"})
    written = write_submission(dataclasses.replace(plan, results=(result,)), tmp_path / "sub")
    place = plan.base / "results" / plan.place(result) / "TEST01" / "accuracy"
    assert (written.directory / place / "mlperf_log_accuracy.json").stat().st_size <= 10_240
    assert hashlib.sha256(log).hexdigest() in (written.directory / place / "accuracy.txt").read_text()
    assert (written.logs / place / "mlperf_log_accuracy.json").read_bytes() == log


def test_the_readme_says_how_to_make_the_result_again_and_what_it_is_not(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan("results")
    write_submission(plan, tmp_path / "sub")
    result = plan.results[0]
    text = (tmp_path / "sub" / plan.base / "results" / plan.place(result) / "README.md").read_text()
    run = result.performance
    for words in (
        COMMAND,
        run.model_sha256,
        "v6.0",
        run.versions["onnxruntime"],
        "src/retinanet-tiny/requirements.txt",
    ):
        assert words in text
    assert "**Short**" in text
    assert "**A tiny edition**" in text
    wanted = (tmp_path / "sub" / plan.base / "src/retinanet-tiny/requirements.txt").read_text().splitlines()
    assert f"mlcommons-loadgen=={run.versions['loadgen']}" in wanted
    assert any(line.startswith("pytest-mlperf==") for line in wanted)


def test_caches_and_hidden_files_are_no_code(make_plan: MakePlan, tmp_path: Path) -> None:
    code = tmp_path / "mine"
    for name in ("test_my net.py", "__pycache__/test_x.py", ".venv/lib.py", "helpers/paint.py", "notes.txt"):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text("x = 1\n")
    write_submission(make_plan(code=(code,)), tmp_path / "sub")
    found = files_of(tmp_path / "sub/open/Community/code/retinanet-tiny")
    assert found.keys() == {"README.md", "requirements.txt", "test_my_net.py", "helpers/paint.py"}
