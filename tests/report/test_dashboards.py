"""Dashboards get what a session found, and nothing that they do changes what the session says."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest

from pytest_mlperf.errors import OptionError, PublishError
from pytest_mlperf.report.dashboards.base import Publication, require_package
from pytest_mlperf.report.dashboards.publishing import publication, publish
from tests.packages import with_packages, write_package
from tests.report.results import HOSTILE, UNDECIDED, accuracy, finished, performance
from tests.sandbox import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import RunSession

SOURCE = '''
import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from pytest_mlperf.errors import OptionError, PublishError

HERE = Path(__file__).parent


class Usual:
    def require(self):
        if "MISSING" in os.environ:
            raise OptionError("no place to keep it", fix="make one")


class Kept(Usual):
    def publish(self, publication):
        (HERE / f"kept-{os.getpid()}.json").write_bytes(msgspec.json.encode(publication))
        print("chatter")
        yield "the shelf"


class Slow(Usual):
    def publish(self, publication):
        """Start a process in a session of its own, as W&B does, and never end."""
        started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        (HERE / "started").write_text(f"{os.getpid()} {started.pid}")
        time.sleep(600)


class Raises(Usual):
    def publish(self, publication):
        """Fail, and try again for ever when the interpreter ends."""
        atexit.register(time.sleep, 600)
        raise ValueError("no answer of https://user:hidden@example.org/?token=hidden")


class Refused(Usual):
    def publish(self, publication):
        raise PublishError("the key was refused", expected="a key", found="another", fix="ask for one")


class Dies(Usual):
    def publish(self, publication):
        print("about to die", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)


class Wrong:
    pass


kept, slow, raises, refused, dies, wrong = Kept(), Slow(), Raises(), Refused(), Dies(), Wrong()
'''
NAMES = ("kept", "slow", "raises", "refused", "dies", "wrong")
NULL = ("--model=null", "--backend=null", "--scenario=Offline", "--mode=performance")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Another package with dashboards."""
    return write_package(tmp_path / "other", "other_boards", SOURCE, dashboards={name: name for name in NAMES})


@pytest.fixture
def published(package: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, ...]]:
    """Publish a session to one of them."""
    monkeypatch.setenv("PYTHONPATH", with_packages(package))

    def to(name: str, seconds: float = 60.0) -> tuple[str, ...]:
        session = replace(finished([accuracy(label=HOSTILE), performance()]), root=package)
        return publish(name, publication(session, {"--model": "bert"}), seconds)

    return to


def is_over(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def kept(package: Path) -> list[Publication]:
    return [msgspec.json.decode(path.read_bytes(), type=Publication) for path in package.glob("kept-*.json")]


def test_a_dashboard_gets_the_session(published: Callable[..., tuple[str, ...]], package: Path) -> None:
    assert published("kept") == ("the shelf",)
    [found] = kept(package)
    assert found.results == (accuracy(label=HOSTILE), performance())
    assert (found.options, found.command, found.commit) == ({"--model": "bert"}, ("pytest",), "")
    assert found.machine["cpus"] >= 1
    assert found.started.startswith("2026-01-02T03:04:05")


def test_what_does_not_end_is_ended_with_all_that_it_started(
    published: Callable[..., tuple[str, ...]], package: Path
) -> None:
    seconds = 1.0
    while not (package / "started").exists():  # a busy machine may not get that far
        begun = time.monotonic()
        with pytest.raises(PublishError, match=f"no end after {seconds:g} s"):
            published("slow", seconds)
        assert time.monotonic() - begun < seconds + 60
        seconds *= 2
    for process in map(int, (package / "started").read_text().split()):
        wait_until(partial(is_over, process), f"the end of {process}")


def test_no_room_for_a_process_is_told_as_well(
    published: Callable[..., tuple[str, ...]], package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(package / "nowhere"))
    with pytest.raises(PublishError, match="not published to kept"):
        published("kept")


def test_ctrl_c_ends_the_publishing_and_not_the_session(
    published: Callable[..., tuple[str, ...]], package: Path
) -> None:
    def interrupt() -> None:
        while not (package / "started").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(PublishError, match=r"found: Ctrl-C"):
        published("slow", 600)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "ValueError: no answer of https://example.org/?token=***"),
        ("refused", "the key was refused\nexpected: a key; found: another\nask for one"),
        ("dies", "its process died; it said: about to die"),
    ],
)
def test_what_fails_says_why(published: Callable[..., tuple[str, ...]], name: str, words: str) -> None:
    with pytest.raises(PublishError) as caught:
        published(name)
    assert words in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_case_is_its_runs_together() -> None:
    name = "bert-99-tiny-onnxruntime-cpu-Server"
    audit = performance(f"{name}-TEST01", test="TEST01", mode="compliance", verdict="TEST PASS")
    speed = performance(name, precision="int8", model_sha256="cd" * 32)
    results = [accuracy(name, scenario="Server", comparison=UNDECIDED), speed, audit]
    [case] = publication(finished(results), {}).cases
    assert (case.name, list(case.runs)) == (name, ["accuracy", "performance", "TEST01"])
    assert case.config["backend"] == "onnxruntime"
    assert "model_sha256" not in case.config
    assert case.config["performance"] == {"precision": "int8", "model_sha256": "cd" * 32}
    assert case.metrics["accuracy/F1"] == 93.5
    assert case.metrics["TEST01/queries_per_second"] == 126.3
    assert case.verdicts["accuracy/comparison"] == "undecided"
    assert case.latencies["performance"] == {50.0: 1.0, 90.0: 2.5, 99.0: 9.0}


def test_a_repeated_case_and_a_labelled_one_are_cases_of_their_own() -> None:
    cases = publication(finished([accuracy(), accuracy(), accuracy(label="mine")]), {}).cases
    name = accuracy().case
    assert [case.name for case in cases] == [name, name, f"{name} (mine)"]


def test_a_directory_with_a_packages_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb_of_nobody").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OptionError, match=r"pip install 'pytest-mlperf\[wandb\]'"):
        require_package("wandb_of_nobody", "wandb")
    require_package("pytest", "wandb")


@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["one process", "xdist"])
def test_a_session_publishes_once_and_passes_whatever_comes_of_it(
    benchmarks: RunSession, package: Path, workers: tuple[str, ...]
) -> None:
    options = ("--mlperf-dashboard=kept,raises", "--mlperf-dashboard=dies", "--hf-token=hidden")
    variables = {"PYTHONPATH": with_packages(package), "SOME_API_KEY": "hidden"}
    (package / "other_options.py").write_text("def pytest_addoption(parser): parser.addoption('--hf-token')\n")
    session = benchmarks(
        "-p", "other_options", *workers, *NULL, *options, **variables, MLPERF_TEST_LEASES=str(package.parent)
    )
    assert session.code == 0, session.output
    [found] = kept(package)
    assert [result.case for result in found.results] == ["null-null-cpu-Offline"]
    assert b"hidden" not in msgspec.json.encode(found)
    assert found.directory.startswith(str(package.parent / "here" / "mlperf-results"))
    assert "published to kept: the shelf" in session.output
    assert "chatter" not in session.output
    assert session.output.count("the results were not published to") == 2
    assert "Traceback" not in session.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--mlperf-dashboard=kept", "no place to keep it"),
        ("--mlperf-dashboard=wrong", "the dashboard wrong of other-boards 1.0 is not a valid dashboard"),
        ("--mlperf-dashboard=kep", "did you mean 'kept'?"),
    ],
)
def test_what_cannot_be_published_to_is_told_before_the_runs(
    benchmarks: RunSession, package: Path, options: str, words: str
) -> None:
    session = benchmarks(*NULL, options, PYTHONPATH=with_packages(package), MISSING="1")
    assert session.code == 4
    assert words in session.output
    assert not (package.parent / "here" / "mlperf-results").exists()


@pytest.mark.slow
def test_a_dashboard_gets_the_submission(benchmarks: RunSession, package: Path, shared_cache: Path) -> None:
    run = ("--model=resnet50-tiny", "--backend=onnxruntime", "--scenario=Offline", "--dataset-size=20")
    submit = ("--mlperf-submit", "--submitter=Community", f"--mlperf-cache={shared_cache}", "--mlperf-dashboard=kept")
    session = benchmarks(*run, "--test-query-count=32", *submit, PYTHONPATH=with_packages(package))
    assert session.code == 0, session.output
    [found] = kept(package)
    assert found.submission_verdict == "short"
    files = list(map(Path, found.submission))
    assert {file.name for file in files} >= {"open.tar.gz", "summary.csv", "summary.json"}
    assert all(file.stat().st_size for file in files)
