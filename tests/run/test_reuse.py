"""A finished performance run is taken again where nothing has changed that it depends on, and for nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import structs

from pytest_mlperf.artifacts.content import Content, HashedFile, State
from pytest_mlperf.baselines.entry import read_entry
from pytest_mlperf.baselines.store import Baseline
from pytest_mlperf.benchmarks.resnet50 import TINY
from pytest_mlperf.environments.distributions import versions_of
from pytest_mlperf.history.store import History
from pytest_mlperf.implementations.protocol import OtherModel
from pytest_mlperf.machine.cores import Cores
from pytest_mlperf.machine.use import MachineUse
from pytest_mlperf.report.csv_file import table
from pytest_mlperf.report.junit import properties
from pytest_mlperf.results.document import Document
from pytest_mlperf.results.session_directory import read_session
from pytest_mlperf.run.case import Case, Repetition
from pytest_mlperf.run.code import code_sha256, package_sha256
from pytest_mlperf.run.inputs import Inputs, Unknown, inputs_of
from pytest_mlperf.run.judge import Run
from pytest_mlperf.run.result import Reused
from pytest_mlperf.run.resuming import unfinished_file
from pytest_mlperf.run.reuse import FILE, Basis, Earlier, Found, NotReused, basis_of, forget, record
from pytest_mlperf.submission.pairs import pairs_of
from tests.report.results import finished, performance
from tests.run.specs import a_spec

if TYPE_CHECKING:
    from pytest_mlperf.run.result import RunResult

CASE = Case("resnet50-tiny", "python", "onnxruntime", "cpu", "Offline", "performance")
SPEC = a_spec(
    benchmark="pytest_mlperf.benchmarks.resnet50:TINY",
    backend="pytest_mlperf.backends.onnxruntime:OnnxRuntime",
    model_sha256="abc",
)
NOW = {"python": "3.12.1", "onnxruntime": "1.23.0"}


def a_run(*, data: str = "d0", case: Case = CASE, **changes: Any) -> Run:
    content = Content((HashedFile("a", "a", data, State(0, 0, 0, 0)),))
    return Run(case, structs.replace(SPEC, **changes), TINY.models[0], (), content)


def known(run: Run) -> Inputs:
    inputs = inputs_of(run)
    assert isinstance(inputs, Inputs)
    return inputs


def basis(run: Run, **versions: str) -> Basis:
    found = basis_of(run, lambda: NOW | versions)
    assert isinstance(found, Basis)
    return found


def left(sessions: Path, session: str, run: Run | None = None, **facts: Any) -> RunResult:
    """Leave a finished run of a session."""
    run = run or a_run()
    name = f"{CASE.id}-performance"
    directory = next(
        path for n in range(1, 9) if not (path := sessions / session / f"{name}{'' if n == 1 else f'-{n}'}").exists()
    )
    directory.mkdir(parents=True)
    (directory / "mlperf_log_detail.txt").write_text("a log\n")
    result = performance(CASE.id, output=str(directory), **facts)
    record(result, basis(run))
    return result


def found(sessions: Path, run: Run, **versions: str) -> Found | NotReused:
    return Earlier(sessions, own="now").find(run, basis(run, **versions))


def reason(found: Found | NotReused) -> str:
    assert isinstance(found, NotReused), found
    return found.reason


def test_the_same_run_is_found_and_says_whose_it_is(tmp_path: Path) -> None:
    result = left(tmp_path, "20260101-000000")
    earlier = found(tmp_path, a_run())
    assert isinstance(earlier, Found)
    assert earlier.result.performance == result.performance
    assert earlier.result.reused is not None
    assert earlier.result.reused.session == "20260101-000000"
    assert earlier.result.notes[-1].startswith(f"{CASE.id} performance: reused from 20260101-000000 of 20")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model_sha256": "def"}, "the model changed"),
        ({"data": "d1"}, "the data set changed"),
        ({"min_duration": 2.0, "num_threads": 1}, "min_duration, num_threads changed"),
        ({"backend_options": {"a": "b"}}, "backend_options changed"),
        ({"tune": "thorough"}, "tune changed"),
        ({"old": OtherModel(path="p", sha256="s")}, "old changed"),
        ({"loadgen_built": "gcc"}, "loadgen_built changed"),
    ],
)
def test_what_has_changed_is_said_and_the_case_runs(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    left(tmp_path, "1")
    assert reason(found(tmp_path, a_run(**change))) == says


def test_another_version_of_the_runtime_is_said(tmp_path: Path) -> None:
    left(tmp_path, "1")
    assert reason(found(tmp_path, a_run(), onnxruntime="1.24.0")) == "onnxruntime is 1.24.0, not 1.23.0"


def test_places_and_what_a_finished_run_does_not_show_are_nothing_to_it(tmp_path: Path) -> None:
    left(tmp_path, "1")
    moved = a_run(model="elsewhere", dataset="there", output="x", timeout=5.0, prepared="p", reference="r", rerun=True)
    assert isinstance(found(tmp_path, moved), Found)


def test_a_user_conf_counts_by_its_content(tmp_path: Path) -> None:
    conf = tmp_path / "user.conf"
    conf.write_text("*.Offline.target_qps = 10\n")
    before = known(a_run(user_conf=str(conf)))
    copy = tmp_path / "copy.conf"
    copy.write_bytes(conf.read_bytes())
    assert known(a_run(user_conf=str(copy))) == before
    conf.write_text("*.Offline.target_qps = 20\n")
    assert list(before.differences(known(a_run(user_conf=str(conf))))) == ["user_conf changed"]


def test_a_variable_that_a_runtime_looks_at_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    left(tmp_path, "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert reason(found(tmp_path, a_run())) == "OMP_NUM_THREADS changed"


def test_another_machine_is_said(tmp_path: Path) -> None:
    left(tmp_path, "1")
    here = basis(a_run())
    there = structs.replace(here, machine=structs.replace(here.machine, cpus=1234))
    says = reason(Earlier(tmp_path).find(a_run(), there))
    assert says == f"another machine: cpus {here.machine.cpus}, not 1234"


def test_a_log_that_is_changed_or_gone_is_not_reused(tmp_path: Path) -> None:
    log = Path(left(tmp_path, "1").output) / "mlperf_log_detail.txt"
    log.write_text("another log\n")
    assert reason(found(tmp_path, a_run())).endswith("performance changed")
    log.unlink()
    assert reason(found(tmp_path, a_run())).endswith("performance changed")


@pytest.mark.parametrize("facts", [{"verdict": "INVALID"}, {"verdict": "failed"}, {"verdict": "not comparable"}])
def test_what_is_not_valid_is_not_kept(tmp_path: Path, facts: dict[str, Any]) -> None:
    left(tmp_path, "1", **facts)
    assert reason(found(tmp_path, a_run())) == "no earlier VALID run"


def test_what_failed_for_something_else_is_forgotten(tmp_path: Path) -> None:
    forget(left(tmp_path, "1"))
    assert reason(found(tmp_path, a_run())) == "no earlier VALID run"


def test_a_busy_machine_is_reused_only_by_who_takes_one(tmp_path: Path) -> None:
    cores = Cores(online=2, affinity=2)
    left(tmp_path, "1", machine=MachineUse(processor="", cores=cores, busy=("other processes",)))
    assert isinstance(found(tmp_path, a_run()), Found)
    assert reason(found(tmp_path, a_run(require_quiet=True))) == "the machine was busy"


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    (Path(left(tmp_path, "1").output) / FILE).write_text("{")
    assert reason(found(tmp_path, a_run())) == "no earlier VALID run"


def test_a_session_does_not_reuse_its_own_runs(tmp_path: Path) -> None:
    left(tmp_path, "now")
    assert reason(found(tmp_path, a_run())) == "no earlier VALID run"


def test_each_repetition_reuses_a_run_of_its_own(tmp_path: Path) -> None:
    outputs = {left(tmp_path, "1").output, left(tmp_path, "1").output}
    times = [found(tmp_path, a_run(case=repeated)) for repeated in _repetitions(3)]
    first, second, third = times
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert {first.result.output, second.result.output} == outputs
    assert (second.result.repetition, second.result.repetitions) == (2, 3)
    assert reason(third) == "earlier sessions have 2 runs of the same"


def _repetitions(times: int) -> list[Case]:
    return [
        Case("resnet50-tiny", "python", "onnxruntime", "cpu", "Offline", "performance", repetition=Repetition(n, times))
        for n in range(1, times + 1)
    ]


@pytest.mark.parametrize(
    ("case", "changes", "says"),
    [
        (
            Case("b", "python", "kserve", "remote", "Offline", "performance"),
            {},
            "nobody can tell what the endpoint runs",
        ),
        (Case("b", "cpp", "onnxruntime", "cpu", "Offline", "performance"), {}, "cpp is built from has no digest"),
        (CASE, {"model_sha256": ""}, "the model has no digest"),
    ],
)
def test_what_has_no_digest_is_not_reused(case: Case, changes: dict[str, Any], says: str) -> None:
    unknown = inputs_of(a_run(case=case, **changes))
    assert isinstance(unknown, Unknown)
    assert says in unknown.reason


def test_a_module_counts_with_what_it_imports_from_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "reuse_backend.py").write_text("import os\nimport reuse_helper\nmodel = object()\nmodel.eval()\n")
    (tmp_path / "reuse_helper.py").write_text("a = 1\n")
    (tmp_path / "reuse_other.py").write_text("a = 1\n")
    first = code_sha256("reuse_backend")
    assert first
    assert not package_sha256("reuse_backend")  # an interrupted run is not gone on with
    (tmp_path / "reuse_other.py").write_text("a = 2\n")
    assert code_sha256("reuse_backend") == first
    (tmp_path / "reuse_helper.py").write_text("a = 22\n")
    assert code_sha256("reuse_backend") != first
    (tmp_path / "reuse_helper.py").write_text("__import__('reuse_other')\n")
    assert code_sha256("reuse_backend") == ""


def test_the_code_of_a_package_has_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "reuse_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "limits.toml").write_text("a = 1\n")
    first = code_sha256("reuse_package")
    assert first == package_sha256("reuse_package") != ""
    (package / "limits.toml").write_text("a = 23\n")
    assert code_sha256("reuse_package") != first


def test_an_interrupted_accuracy_run_has_the_same_inputs_in_its_files_name(tmp_path: Path) -> None:
    run = a_run(mode="accuracy")
    file = unfinished_file(run, tmp_path)
    assert file is not None
    assert file == unfinished_file(a_run(mode="accuracy", tune="thorough", output="y"), tmp_path)
    assert file != unfinished_file(a_run(mode="accuracy", num_threads=1), tmp_path)
    assert unfinished_file(a_run(), tmp_path) is None


def test_versions_are_those_of_the_packages_and_of_what_they_require() -> None:
    found = versions_of(["pytest", "not-installed-anywhere"], sys.executable)
    assert {"pytest", "pluggy", "python"} <= found.keys()
    assert "not-installed-anywhere" not in found
    assert found["pytest"] == pytest.__version__


def test_another_interpreter_says_the_same_of_itself(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert versions_of(["no-such-package"], str(link)).keys() == {"python"}
    with pytest.raises((OSError, subprocess.SubprocessError)):
        versions_of([], str(tmp_path / "gone"))


def reused(**facts: Any) -> RunResult:
    return performance(reused=Reused(session="20260101-000000", finished="2026-01-01T00:00:00+00:00"), **facts)


def test_every_report_says_that_a_result_is_reused() -> None:
    assert ("mlperf.reused", "20260101-000000 2026-01-01T00:00:00+00:00") in properties(reused())
    assert ",20260101-000000," in table((reused(),))
    [pair] = pairs_of([msgspec.to_builtins(reused())]).values()
    assert "is that of 20260101-000000" in next(pair.notes)


def test_a_reused_figure_is_no_second_measurement(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(finished([reused()]))
    assert history.points() == []
    baseline, machine = Baseline("b", tmp_path / "b"), basis(a_run()).machine
    baseline.save(performance(), None, "", machine, "")
    baseline.save(reused(), None, "", machine, "")
    [file] = (tmp_path / "b").glob("*.json")
    assert read_entry(file).figures == (126.3,)
    baseline.save(performance(), None, "", machine, "")
    assert read_entry(file).figures == (126.3, 126.3)


def test_the_files_of_a_reused_result_stay_those_of_its_session(tmp_path: Path) -> None:
    result = reused(output=str(tmp_path / "1" / "a-performance"))
    own = tmp_path / "2"
    (own / "a-performance").mkdir(parents=True)
    (own / "results.json").write_bytes(msgspec.json.encode(Document(pytest_mlperf="1", results=(result,))))
    assert read_session(own).results[0].output == result.output
    session = finished([result, performance(output=str(own / "b-performance"))])
    assert session.directory == own
    assert finished([result]).directory is None
