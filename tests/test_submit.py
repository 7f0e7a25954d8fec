"""--mlperf-submit from the command to the three files, with real runs; what is wrong is an item that failed."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.check import Report
from pytest_mlperf.submission.submit import official_command
from tests.conftest import SUPPORT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession, Session

TINY = ("--model=retinanet-tiny", "--backend=onnxruntime")
QUICK = ("--dataset-size=20", "--test-query-count=32")
SUBMIT = ("--mlperf-submit", "--submitter=Community", "--hw-name=box")
PACKED = ("open.tar.gz", "open-failed-checks.tar.gz", "closed.tar.gz", "closed-failed-checks.tar.gz")


@pytest.fixture
def submit(benchmarks: RunSession, shared_cache: Path) -> RunSession:
    def run(*options: str, scenario: str = "Offline") -> Session:
        cache = f"--mlperf-cache={shared_cache}"
        return benchmarks(*TINY, f"--scenario={scenario}", *QUICK, *SUBMIT, cache, *options)

    return run


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


def names(tarball: Path) -> list[str]:
    with tarfile.open(tarball) as archive:
        return archive.getnames()


def test_a_short_session_leaves_three_files_and_no_test_to_collect_and_says_that_it_is_short(
    submit: RunSession, benchmarks: RunSession, here: Path
) -> None:
    session = submit("--junitxml=junit.xml")
    assert session.code == 0, session.output
    assert {"open.tar.gz", "summary.csv", "summary.json"} <= {path.name for path in here.iterdir()}
    assert {name.split("/")[0] for name in names(here / "open.tar.gz")} == {"open"}
    assert "short (1 result" in session.output
    assert "--run-length official" in session.output
    assert "for testing only; do not submit" in session.output
    assert ": OK" not in session.output
    [record] = json.loads((here / "summary.json").read_text())
    assert (record["Model"], record["MlperfModel"], record["version"]) == ("retinanet-tiny", "retinanet", "v5.1")
    assert "/retinanet-tiny/Offline" in (here / "junit.xml").read_text()
    assert list(here.rglob("test_mlperf.py")), "the submission has no copy of the tests"
    later = benchmarks(path=".")
    assert later.code == pytest.ExitCode.NO_TESTS_COLLECTED, later.output


def test_the_code_of_another_packages_benchmark_and_backend_is_packed(benchmarks: RunSession, here: Path) -> None:
    options = ("--model=classifier-tiny", "--backend=honest", "--scenario=Offline", "--dataset-size=20", *SUBMIT)
    benchmarks(*options, "--test-query-count=20", "--mlperf-pack-anyway")
    [tarball] = here.glob("open*.tar.gz")
    code = {name.rpartition("/")[2] for name in names(tarball) if "/classifier-tiny/" in name and "results" not in name}
    assert {"mlperf_test_runtimes.py", "test_mlperf.py"} <= code


@pytest.mark.slow
def test_benchmarks_of_several_rounds_are_refused_with_the_round_that_has_them_all(benchmarks: RunSession) -> None:
    selected = ("-k", "retinanet-tiny-onnxruntime or classifier-tiny-honest", "--scenario=Offline", *SUBMIT)
    session = benchmarks(*selected)
    assert session.code == pytest.ExitCode.USAGE_ERROR, session.output
    assert "found: classifier-tiny: v6.1, retinanet-tiny: v5.1" in session.output
    assert "add --round v5.1" in session.output
    spread = benchmarks(*selected, "-n2")
    assert "add --round v5.1" in spread.output
    assert " passed" not in spread.outcomes()


@pytest.mark.slow
@pytest.mark.parametrize("round_name", ["v5.1", pytest.param("v6.0", marks=pytest.mark.slow)])
def test_the_same_tree_comes_out_under_xdist_in_each_layout(submit: RunSession, here: Path, round_name: str) -> None:
    session = submit(f"--round={round_name}", "-n2")
    assert session.code == 0, session.output
    found = names(here / "open.tar.gz")
    assert ("open/Community/measurements" in found) == (round_name == "v5.1")
    assert ("open/Community/src" in found) == (round_name == "v6.0")
    assert "open/Community/model_mapping.json" in found


#: A run that LoadGen calls valid, with a bound that the round does not allow.
LATE = ("--target-latency=5000", "--target-qps=250", "--test-query-count=700")


@pytest.mark.slow
def test_a_broken_rule_is_a_failed_item_and_nothing_is_packed(submit: RunSession, here: Path) -> None:
    (here / "system.toml").write_text('host_networking = "Ethernet"\n')
    for name in ("open.tar.gz", "summary.csv"):
        (here / name).write_text("of yesterday")
    session = submit(*LATE, "--mlperf-system=system.toml", scenario="Server")
    assert session.code == 1, session.output
    # A short run is told beside its figure that it is another test; it is no run to submit.
    assert session.outcomes().startswith("1 failed, 2 passed"), session.output
    assert "Server performance: at most 100 ms (here: 5000 ms)" in session.output
    assert "Server's latency bound is wider than the benchmark's [server-latency]" in session.output
    assert "with pytest: leave --target-latency out" in session.output
    assert "nothing was packed" in session.output
    assert "open.tar.gz was of an earlier session; it is now open-" in session.output
    assert [path.read_text() for path in here.glob("open-*.tar.gz")] == ["of yesterday"]
    assert "of yesterday" not in (here / "summary.csv").read_text()
    assert not any((here / name).exists() for name in PACKED)
    assert "host_networking," not in session.output


def test_a_session_that_is_stopped_leaves_no_older_tarball_that_seems_to_be_its_own(
    benchmarks: RunSession, here: Path
) -> None:
    (here / "open.tar.gz").write_text("of yesterday")
    (here / "stops.py").write_text("import pytest\ndef pytest_runtest_setup(): pytest.exit('enough')\n")
    session = benchmarks(*TINY, "--scenario=Offline", *SUBMIT, "-p", "stops", PYTHONPATH=f"{here}:{SUPPORT}")
    assert session.code == pytest.ExitCode.INTERRUPTED, session.output
    assert "open.tar.gz was of an earlier session; it is now open-" in session.output
    assert not (here / "open.tar.gz").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--submitter=two words",), "cannot be 'two words'"),
        (("--mode=accuracy",), "needs both modes"),
        (("--division=closed",), "cannot be submitted in closed"),
        (("--submission-dir=.",), "is not a submission"),
        (("--mlperf-system=nowhere.json",), "does not describe a system"),
    ],
)
def test_what_cannot_end_in_a_submission_is_refused_before_the_runs(
    submit: RunSession, here: Path, options: tuple[str, ...], words: str
) -> None:
    (here / "mine.txt").write_text("somebody's work")
    session = submit(*options)
    assert session.code == pytest.ExitCode.USAGE_ERROR, session.output
    assert words in session.output
    assert "Traceback" not in session.output
    assert not list(here.glob("mlperf-results/*/*"))


def test_a_submission_without_a_submitter_is_refused(benchmarks: RunSession) -> None:
    session = benchmarks(*TINY, "--mlperf-submit")
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "needs a submitter" in session.output


@pytest.mark.slow
def test_results_are_added_to_a_directory_and_clean_begins_anew(submit: RunSession, here: Path) -> None:
    results = here / "tree" / "open" / "Community" / "results"

    def scenarios() -> list[str]:
        return sorted(path.name for path in results.glob("*/retinanet-tiny/*"))

    submit("--submission-dir=tree")
    submit("--submission-dir=tree", "--test-query-count=70", scenario="SingleStream")
    assert scenarios() == ["Offline", "SingleStream"]
    submit("--submission-dir=tree", "--clean")
    assert scenarios() == ["Offline"]


def checkout(directory: Path) -> Path:
    """Make a checkout of mlcommons/inference whose checker finds fault with the seeds."""
    script = directory / "tools" / "submission" / "submission_checker.py"
    script.parent.mkdir(parents=True)
    script.write_text(
        "print('ERROR p seeds qsl_rng_seed is wrong')\nprint('SUMMARY: submission has errors')\nexit(1)\n"
    )
    return directory


@pytest.mark.slow
def test_the_official_checker_is_shown_beside_ours(submit: RunSession, here: Path) -> None:
    checkout(here / "inference")
    session = submit("--mlperf-checker=official", "--mlperf-inference-src=inference")
    assert "official checker (submission_checker.py): submission has errors" in session.output
    assert "only the official checker: seeds" in session.output
    assert "only this checker: min-duration" in session.output


@pytest.mark.slow
def test_the_official_checker_is_fetched_where_that_is_allowed(submit: RunSession, here: Path, tmp_path: Path) -> None:
    packed = here / "mirror" / "mlcommons" / "inference" / "archive" / "refs" / "tags" / "v5.1.1.tar.gz"
    packed.parent.mkdir(parents=True)
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(checkout(tmp_path / "inference-5.1.1"), "inference-5.1.1")
    cache = f"--mlperf-cache={tmp_path / 'cache'}"
    session = submit("--mlperf-checker=official", "--mlperf-fetch", "--mlperf-mirror=mirror", cache)
    assert "official checker (submission_checker.py): submission has errors" in session.output
    session = submit("--mlperf-checker=official", "--mlperf-offline", cache)
    assert "official checker (submission_checker.py): submission has errors" in session.output


@pytest.mark.slow
def test_an_official_checker_that_is_not_here_is_an_item_that_failed(submit: RunSession) -> None:
    session = submit("--mlperf-checker=official")
    assert session.code == 1
    assert "the official checker is missing" in session.output
    assert "Traceback" not in session.output


#: Compliance tests of runs of a moment: a busy machine decides how well their figures agree.
CLOSED = (
    "--model=resnet",
    "--backend=honest",
    "--round=v5.0",
    "--division=closed",
    "--system-type=datacenter",
    "--test-query-count=662",
    "--target-qps=300",
    "--target-latency=15",
    "--min-duration=0",
    "--dataset-size=100",
    *SUBMIT,
)


@pytest.mark.slow
def test_a_closed_session_brings_its_compliance_tests_and_is_packed_anyway_under_a_name_that_says_so(
    benchmarks: RunSession, here: Path, tmp_path: Path
) -> None:
    session = benchmarks(*CLOSED, "--scenario=Offline", "--mlperf-pack-anyway", MLPERF_TEST_LEASES=str(tmp_path))
    assert session.code == 1, session.output
    assert "[required-scenarios]" in session.output
    assert "[compliance-missing]" not in session.output
    assert [name for name in PACKED if (here / name).exists()] == ["closed-failed-checks.tar.gz"]
    assert compliance_tests(here / "closed-failed-checks.tar.gz") == {"TEST01", "TEST04"}


#: What a busy machine breaks: it says nothing about the packing.
OF_THE_MACHINE = {
    "compliance-missing",  # of a run that is not valid
    "compliance-performance",
    "early-stopping",
    "loadgen-latency-bound",
    "loadgen-min-duration",
    "loadgen-min-queries",
    "result-validity",
}


@pytest.mark.slow
def test_a_closed_session_of_every_scenario_is_only_short(benchmarks: RunSession, here: Path, tmp_path: Path) -> None:
    session = benchmarks(*CLOSED, "--scenario=Server,Offline", "--mlperf-pack-anyway", MLPERF_TEST_LEASES=str(tmp_path))
    [tarball] = here.glob("closed*.tar.gz")
    assert {name.split("/")[5] for name in names(tarball) if "/results/" in name and name.count("/") > 5} == {
        "Offline",
        "Server",
    }, session.output
    assert compliance_tests(tarball) <= {"TEST01", "TEST04"}
    checked = subprocess.run(
        [sys.executable, "-m", "pytest_mlperf", "check", str(tarball), "--level", "official", "--json"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 1
    report = msgspec.json.decode(checked.stdout, type=Report)
    broken = {finding.rule for finding in report.all_findings() if finding.severity == "error"}
    others = {rule for rule in broken - OF_THE_MACHINE if not catalogue()[rule].short}
    assert not others, (others, session.output)


def compliance_tests(tarball: Path) -> set[str]:
    return {name.split("/")[-1] for name in names(tarball) if "/compliance/" in name and name.count("/") == 6}


@pytest.mark.parametrize(
    "given",
    [
        ("pytest", "benchmarks", "--short"),
        ("pytest", "benchmarks", "--run-length", "short"),
        ("pytest", "benchmarks", "--run-length=short"),
        ("pytest", "benchmarks", "--mlperf-short"),
        ("pytest", "benchmarks", "--mlperf-run-length", "short"),
        ("pytest", "benchmarks", "--mlperf-run-length=short"),
        ("pytest", "benchmarks"),
    ],
)
def test_the_command_of_official_length_is_the_users_own(given: tuple[str, ...]) -> None:
    assert official_command(given) == ["pytest", "benchmarks", "--run-length", "official"]


def test_the_command_of_official_length_keeps_what_is_another_plugins() -> None:
    given = ("pytest", "--short", "--run-length=x", "--mlperf-run-length=short")
    official = ["pytest", "--short", "--run-length=x", "--mlperf-run-length", "official"]
    assert official_command(given, taken={"--short", "--run-length"}) == official
