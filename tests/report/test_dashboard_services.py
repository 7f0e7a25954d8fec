"""Weights & Biases and MLflow themselves: what is published is read back, and no server's fault is the session's.

Both are installed into a directory of their own, with what they need: 190 MB, half a minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.errors import PublishError
from pytest_mlperf.report.dashboards.publishing import publication, publish
from tests.conftest import REPOSITORY, support_path
from tests.report.results import HOSTILE, accuracy, finished, performance
from tests.sandbox import wait_until

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.report.dashboards.base import Publication
    from tests.conftest import RunSession

pytestmark = pytest.mark.backends

KEY = "0123456789abcdef" * 2 + "deadbeef"
CASE = "bert-99-tiny-onnxruntime-cpu-Server"
READ_MLFLOW = """
import json, sys
from mlflow.tracking import MlflowClient
client = MlflowClient()
found = []
for experiment in client.search_experiments():
    for run in client.search_runs([experiment.experiment_id]):
        name = "performance/latency_ms"
        series = client.get_metric_history(run.info.run_id, name) if name in run.data.metrics else []
        files = [file.path for folder in ("", "submission") for file in client.list_artifacts(run.info.run_id, folder)]
        found.append({
            "experiment": experiment.name, "name": run.info.run_name, "status": run.info.status,
            "params": run.data.params, "metrics": run.data.metrics, "tags": run.data.tags,
            "series": [[each.step, each.value] for each in series], "files": files,
        })
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with both clients, for all tests of a session and all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    place, ready = shared / "dashboard-clients", shared / "dashboard-clients-ready"
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(place)]
    with lease(shared / "dashboard-clients.lock"):
        if not ready.exists():
            subprocess.run([*install, *extras["wandb"], *extras["mlflow"]], check=True)
            ready.touch()
    return place


@pytest.fixture
def environment(clients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let processes find the clients and no account; return an empty directory that is the current one."""
    for name in list(os.environ):
        if name.startswith(("WANDB_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(clients), *support_path()]))
    monkeypatch.setenv("HOME", str(tmp_path))  # ~/.netrc, ~/.config/wandb
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def session(environment: Path) -> Publication:
    """A session with three cases, one of them with two runs and one with a hostile name, and a submission."""
    logs = environment / "mlperf-results" / "20260102-030405"
    logs.mkdir(parents=True)
    tarball = environment / "open.tar.gz"
    tarball.write_bytes(b"tarball")
    results = [
        accuracy(CASE, scenario="Server", output=str(logs / "a")),
        performance(CASE, output=str(logs / "b")),
        accuracy("another", output=str(logs / "c"), label=HOSTILE),
    ]
    found = publication(replace(finished(results), root=environment), {"--backend": "onnxruntime"})
    assert found.directory == str(logs)
    return type(found)(
        **{name: getattr(found, name) for name in found.__struct_fields__ if not name.startswith("submission")},
        submission=(str(tarball),),
        submission_verdict="short",
    )


def wandb_run(directory: Path) -> dict[str, Any]:
    """Return what the file of a run says: its config, its last history, its summary, its artifacts."""
    [file] = directory.glob("*.wandb")
    reader = [sys.executable, str(Path(__file__).with_name("wandb_file.py")), str(file)]
    lines = subprocess.run(reader, check=True, capture_output=True, text=True).stdout.splitlines()
    found: dict[str, Any] = {"config": {}, "history": {}, "summary": {}, "artifacts": []}
    for record in map(json.loads, lines):
        if "run" in record:
            found["run"] = record["run"]
            found["config"] |= _values(record["run"]["config"]["update"])
        found["history"] |= _values(record.get("history", {}).get("item", []))
        found["summary"] |= _values(record.get("summary", {}).get("update", []))
        found["artifacts"] += [record["artifact"]] if "artifact" in record else []
    return found


def _values(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {each.get("key") or ".".join(each["nested_key"]): json.loads(each["value_json"]) for each in items}


def mlflow_runs() -> dict[str, dict[str, Any]]:
    """Return what MLflow's client finds, by the runs' names."""
    done = subprocess.run([sys.executable, "-c", READ_MLFLOW], check=True, capture_output=True, text=True)
    runs = json.loads(done.stdout.splitlines()[-1])
    found = {run["name"]: run for run in runs}
    assert len(found) == len(runs)
    return found


def assert_no_secret(directory: Path) -> None:
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_wandb_keeps_a_run_for_each_case_and_one_with_the_submission(
    session: Publication, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    runs = [wandb_run(Path(place)) for place in publish("wandb", session, 120)]
    assert [run["run"]["job_type"] for run in runs] == ["benchmark", "benchmark", "submission"]
    assert {(run["run"]["project"], run["run"]["run_group"]) for run in runs} == {("pytest-mlperf", "20260102-030405")}
    first = runs[0]
    assert first["run"]["display_name"] == CASE
    assert first["config"]["backend"] == "onnxruntime"
    assert first["config"]["version.onnxruntime"] == "1.23.0"
    assert first["config"]["options"] == {"--backend": "onnxruntime"}
    assert first["config"]["machine"]["cpus"] >= 1
    assert first["config"]["model_sha256"] == "ab" * 32
    assert first["history"]["accuracy/F1"] == 93.5
    assert first["history"]["performance/queries_per_second"] == 126.3
    assert first["summary"]["performance/verdict"] == "VALID"
    [table] = (environment / "mlperf-results").rglob("files/media/table/**/*.table.json")
    assert json.loads(table.read_text())["data"] == [["p50", 1.0], ["p90", 2.5], ["p99", 9.0]]
    assert runs[1]["run"]["display_name"].startswith("another")
    assert runs[2]["summary"]["verdict"] == "short"
    [artifact] = runs[2]["artifacts"]
    assert artifact["type"] == "submission"
    assert [each["path"] for each in artifact["manifest"]["contents"]] == ["open.tar.gz"]
    assert_no_secret(environment)


def test_mlflow_keeps_a_run_for_each_case_and_one_with_the_submission(
    session: Publication, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{environment / 'mlflow.db'}")
    assert len(publish("mlflow", session, 120)) == 3
    runs = mlflow_runs()
    assert {(run["experiment"], run["status"]) for run in runs.values()} == {("pytest-mlperf", "FINISHED")}
    first = runs[CASE]
    assert first["params"]["backend"] == "onnxruntime"
    assert first["params"]["version.onnxruntime"] == "1.23.0"
    assert first["params"]["options.backend"] == "onnxruntime"
    assert int(first["params"]["machine.cpus"]) >= 1
    assert first["metrics"]["accuracy/F1"] == 93.5
    assert first["metrics"]["performance/queries_per_second"] == 126.3
    assert first["series"] == [[50, 1.0], [90, 2.5], [99, 9.0]]
    assert first["tags"]["performance/verdict"] == "VALID"
    assert first["files"] == ["results.json"]
    assert runs["submission"]["files"] == ["submission", "submission/open.tar.gz"]
    assert runs["submission"]["tags"]["verdict"] == "short"
    # A second session adds to the same experiment.
    assert len(publish("mlflow", session, 120)) == 3
    assert_no_secret(environment)


@contextmanager
def server(status: int | None) -> Iterator[str]:
    """A server that answers everything with a status, or with None never; yield its address."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if status is None:
                over.wait()
                return
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that the library asks for

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        over.set()
        listening.shutdown()


def point_to(name: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv({"wandb": "WANDB_BASE_URL", "mlflow": "MLFLOW_TRACKING_URI"}[name], address)


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
@pytest.mark.parametrize("status", [401, 500])
def test_a_server_that_refuses_is_an_error_that_says_what_to_check(
    session: Publication, monkeypatch: pytest.MonkeyPatch, name: str, status: int
) -> None:
    with server(status) as address:
        point_to(name, address, monkeypatch)
        with pytest.raises(PublishError) as caught:
            publish(name, session, 120)
    words = str(caught.value)
    assert words.startswith(f"the results were not published to {name}")
    assert {"wandb": "check WANDB_API_KEY", "mlflow": "check MLFLOW_TRACKING_URI"}[name] in words
    assert KEY not in words
    assert "Traceback" not in words


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_server_that_never_answers_costs_the_time_limit_and_leaves_no_process(
    session: Publication, environment: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with server(None) as address:
        point_to(name, address, monkeypatch)
        begun = time.monotonic()
        with pytest.raises(PublishError, match="no end after 8 s"):
            publish(name, session, 8)
        assert time.monotonic() - begun < 60
    # Its service is in a session of its own.
    wait_until(lambda: not any(_is_of(process, environment.parent) for process in psutil.process_iter()), "their end")


def _is_of(process: psutil.Process, home: Path) -> bool:
    try:
        return process.pid != os.getpid() and bool(process.environ().get("HOME") == str(home))
    except psutil.Error:
        return False


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_nobody_who_listens_is_an_error(session: Publication, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with server(500) as address:
        pass
    point_to(name, address, monkeypatch)
    with pytest.raises(PublishError, match=f"not published to {name}"):
        publish(name, session, 120)


def test_a_session_publishes_to_both_and_passes_where_one_refuses(
    benchmarks: RunSession, environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ("--model=null", "--backend=null", "--scenario=Offline", "--mode=performance")
    with server(401) as address:
        session = benchmarks(
            *run,
            "--mlperf-dashboard=wandb,mlflow",
            PYTHONPATH=os.environ["PYTHONPATH"],
            WANDB_BASE_URL=address,
            MLFLOW_TRACKING_URI=f"sqlite:///{environment / 'mlflow.db'}",
            MLPERF_TEST_LEASES=str(tmp_path),
        )
    assert session.code == 0, session.output
    assert "published to mlflow: run " in session.output
    assert "the results were not published to wandb" in session.output
    assert KEY not in session.output
    assert session.output.index("MLPerf results") < session.output.index("not published to wandb")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{environment / 'mlflow.db'}")
    [kept] = mlflow_runs().values()
    assert kept["metrics"]["performance/samples_per_second"] > 0
