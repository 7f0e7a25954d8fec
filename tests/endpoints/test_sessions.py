"""Whole sessions on endpoints: the answers of a local model, the network's fields, and failures that end the run."""

from __future__ import annotations

import json
import re
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.rules.system_fields import NETWORK_FIELDS
from pytest_mlperf.shipped import shipped
from tests.endpoints.chat_server import EVENTS, chat, models, word
from tests.endpoints.echo_server import describe, echo
from tests.endpoints.http_server import Reply, Request, serving
from tests.endpoints.kserve_server import Server
from tests.sandbox import assert_no_traceback, item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Sandbox

#: Quick and valid whatever the machine is doing.
EASY = ("--test-query-count=700", "--target-qps=500", "--target-latency=20000")


@pytest.fixture
def serve() -> Iterator[Any]:
    """Serve with a handler until the test ends; returns the address."""
    with ExitStack() as stack:
        yield lambda handler: stack.enter_context(serving(handler))


class After:
    """Echoes so many requests, then answers otherwise."""

    def __init__(self, good: int, otherwise: Reply) -> None:
        self._left = good
        self._otherwise = otherwise
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        if request.method == "GET":
            return describe(request)
        with self._lock:
            self._left -= 1
        return echo(request) if self._left >= 0 else self._otherwise


def answers(result: dict[str, Any]) -> dict[int, str]:
    """Return the answers in a run's accuracy log, by sample."""
    log = Path(result["output"]) / "mlperf_log_accuracy.json"
    return {entry["qsl_idx"]: entry["data"] for entry in json.loads(log.read_text())}


@pytest.mark.slow
@pytest.mark.parametrize("binary", [True, False])
def test_a_served_model_gives_the_answers_of_a_local_one(
    sandbox: Sandbox, serve: Any, shared_cache: Path, binary: bool
) -> None:
    address = serve(Server({"digits": str(shipped("resnet50-tiny.onnx"))}, binary=binary))
    scenarios = ["SingleStream", "Offline"] if binary else ["Offline"]
    cases = [f"resnet50-tiny-kserve-remote-{scenario}" for scenario in scenarios]
    code, output = sandbox.run(
        *(item(case) for case in ("resnet50-tiny-onnxruntime-cpu-Offline", *cases)),
        "--model=resnet50-tiny",
        "--backend=onnxruntime,kserve",
        f"--endpoint={address}/v2/models/digits",
        "--dataset-size=60",
        f"--mlperf-cache={shared_cache}",
        "--max-batchsize=4",
    )
    assert code == pytest.ExitCode.OK, output
    local, *remote = (result for (_, _), result in sorted(sandbox.results().items(), reverse=True))
    assert local["device"] == "cpu"
    for result in remote:
        assert (result["device"], result["verdict"], result["model_sha256"]) == ("remote", "reached", "")
        assert answers(result) == answers(local)
        assert result["versions"]["server"] == "test-server 1.0"
        assert result["network"]["loopback"] is True
        assert 1 <= result["network"]["connections"] <= result["layout"]["streams"]


@pytest.mark.slow
def test_every_scenario_is_measured_as_that_of_a_system_in_the_network(sandbox: Sandbox, serve: Any) -> None:
    address = serve(echo)
    code, output = sandbox.run(
        str(Path(item("")).parent / "test_mlperf.py").partition("::")[0],
        "--model=echo",
        "--backend=kserve",
        f"--endpoint={address}/v2/models/echo",
        *EASY,
    )
    assert code == pytest.ExitCode.OK, output
    results = sandbox.results()
    assert len(results) == 8
    verdicts = {(mode, result["verdict"]) for (_, mode), result in results.items()}
    assert verdicts == {("accuracy", "reached"), ("performance", "VALID")}
    for result in results.values():
        log = (Path(result["output"]) / "mlperf_log_detail.txt").read_text()
        assert '"key": "sut_name", "value": "Network SUT: kserve"' in log


FAILURES: dict[str, tuple[Reply, str]] = {
    "status": (Reply(500, {}, b'{"error": "the card is on fire"}'), "HTTP 500 Said\n.*found: the card is on fire"),
    "reset": (Reply(200, {}, b"{", declared=99, breaks=True), "the connection to the endpoint broke"),
    "slow": (Reply(seconds=60), r"in time\nexpected: its whole answer within 0.5 s"),
    "wrong": (Reply(200, {}, b'{"outputs": []}'), "is not the benchmark's\nexpected: an output y; found: no output"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "status" else pytest.mark.slow) for name in FAILURES]
)
def test_a_failure_in_the_middle_ends_the_run_with_its_cause(sandbox: Sandbox, serve: Any, name: str) -> None:
    reply, words = FAILURES[name]
    scenario = {"status": "Offline", "reset": "SingleStream", "slow": "Server", "wrong": "MultiStream"}[name]
    address = serve(After(30, reply))
    case = f"echo-kserve-remote-{scenario}"
    options = ("--model=echo", "--backend=kserve", f"--endpoint={address}/v2/models/echo", "--max-batchsize=1")
    code, output = sandbox.run(item(case), *options, "--backend-option=timeout=0.5", "--backend-option=in_flight=8")
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert_no_traceback(output)
    [text] = sandbox.failures().values()
    assert re.search(words, str(text)), text
    [result] = sandbox.results().values()
    assert (result["verdict"], result["accuracy"]) == ("failed", None)
    assert (Path(result["output"]) / "mlperf_log_detail.txt").exists()  # LoadGen was at work
    sandbox.assert_nothing_is_left()


@pytest.mark.slow
def test_a_failure_in_the_warm_up_ends_the_run_too(sandbox: Sandbox, serve: Any) -> None:
    address = serve(After(3, Reply(400, {}, b'{"error": "batch too large"}')))
    options = ("--model=echo", "--backend=kserve", f"--endpoint={address}/v2/models/echo")
    code, _ = sandbox.run(item("echo-kserve-remote-Offline", "performance"), *options)
    assert code == pytest.ExitCode.TESTS_FAILED
    [text] = sandbox.failures().values()
    assert "batch too large" in str(text)
    sandbox.assert_nothing_is_left()


@pytest.mark.slow
def test_answers_for_fewer_samples_than_asked_are_not_taken(sandbox: Sandbox, serve: Any) -> None:
    def shorter(request: Request) -> Reply:
        if request.method == "GET":
            return describe(request)
        text = b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [1.0]}]}'
        return Reply(200, {}, text)

    options = ("--model=echo", "--backend=kserve", f"--endpoint={serve(shorter)}/v2/models/echo", "--max-batchsize=4")
    code, _ = sandbox.run(item("echo-kserve-remote-Offline"), *options)
    assert code == pytest.ExitCode.TESTS_FAILED
    [text] = sandbox.failures().values()
    assert "the model gave 1 answers to a batch of 4 samples" in str(text)


@pytest.mark.slow
def test_a_benchmark_that_asks_more_than_once_has_a_thread_for_each_batch(sandbox: Sandbox, serve: Any) -> None:
    options = ("--model=twice", "--backend=kserve", f"--endpoint={serve(echo)}/v2/models/echo", *EASY)
    cases = [item("twice-kserve-remote-Offline", mode) for mode in ("accuracy", "performance")]
    code, output = sandbox.run(*cases, *options)
    assert code == pytest.ExitCode.OK, output
    for result in sandbox.results().values():
        assert result["layout"]["streams"] <= 16


@pytest.mark.slow
def test_retries_are_in_the_notes(sandbox: Sandbox, serve: Any) -> None:
    failing = [Reply(503)] * 3

    def handler(request: Request) -> Reply:
        return failing.pop() if failing and request.method == "POST" else echo(request)

    options = ("--model=echo", "--backend=kserve", f"--endpoint={serve(handler)}/v2/models/echo")
    code, output = sandbox.run(item("echo-kserve-remote-SingleStream"), *options, "--backend-option=retries=4")
    assert code == pytest.ExitCode.OK, output
    [result] = sandbox.results().values()
    assert result["notes"] == ["kserve: requests that were sent to the endpoint again: 3 after HTTP 503"]
    assert "3 after HTTP 503" in output


def test_secrets_are_in_no_file_and_on_no_screen(sandbox: Sandbox, serve: Any) -> None:
    seen: set[str | None] = set()

    def handler(request: Request) -> Reply:
        seen.add(request.headers.get("authorization"))
        if request.method == "POST":
            return Reply(401, {}, f"{request.headers.get('authorization')} {request.path}".encode())
        return describe(request)

    address = serve(handler).replace("//", "//me:hush1@")
    options = ("--model=echo", "--backend=kserve", f"--endpoint={address}/v2/models/echo?api_key=hush2")
    code, output = sandbox.run(item("echo-kserve-remote-Offline"), *options, "--backend-option=token=hush3")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert seen == {"Bearer hush3"}
    texts = [output, *(file.read_text("utf-8", "replace") for file in sandbox.root.rglob("*") if file.is_file())]
    assert len(texts) > 5
    assert not any("hush" in text for text in texts)


def test_without_an_address_the_item_says_what_is_missing(sandbox: Sandbox) -> None:
    code, output = sandbox.run(item("echo-kserve-remote-Offline"), "--model=echo", "--backend=kserve")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert_no_traceback(output)
    assert "kserve needs the address of an endpoint" in output
    assert "--endpoint URL" in output


@pytest.mark.slow
def test_one_address_does_not_serve_two_benchmarks(sandbox: Sandbox) -> None:
    options = ("--model=resnet50-tiny,retinanet-tiny", "--backend=kserve", "--endpoint=http://host/v2/models/m")
    code, output = sandbox.run(item("x").partition("::")[0], *options)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "--endpoint http://host/v2/models/m is given for several benchmarks" in output


@pytest.mark.slow
def test_a_chat_is_answered_and_loadgen_measures_its_first_tokens(sandbox: Sandbox, serve: Any) -> None:
    options = ("--model=chat", "--backend=openai", f"--endpoint={serve(partial(chat, seconds=0.004))}/v1")
    names = [("Offline", "accuracy"), ("Server", "performance"), ("SingleStream", "accuracy")]
    cases = [item(f"chat-openai-remote-{scenario}", mode) for scenario, mode in names]
    code, output = sandbox.run(*cases, *options, "--test-query-count=700", "--target-qps=100")
    assert code == pytest.ExitCode.OK, output
    results = sandbox.results()
    assert results["chat-openai-remote-Offline", "accuracy"]["accuracy"]["value"] == 100
    log = (Path(results["chat-openai-remote-Server", "performance"]["output"]) / "mlperf_log_detail.txt").read_text()
    figures = dict(re.findall(r'"key": "(result_[a-z_0-9.]+)", "value": ([0-9.]+)', log))
    first, token = (
        float(figures[f"result_{name}_50.00_percentile{end}_ns"])
        for name, end in (("first_token", "_latency"), ("time_per_output_token", ""))
    )
    assert first > 0
    assert token > 3e6  # each word takes 4 ms at least
    assert 'is_error": true' not in log


@pytest.mark.slow
def test_a_stream_that_ends_early_fails_the_run(sandbox: Sandbox, serve: Any) -> None:
    cut = Reply(200, EVENTS, parts=[(0, word("a"))])
    address = serve(lambda request: models(request) or cut)
    code, _ = sandbox.run(
        item("chat-openai-remote-Server"), "--model=chat", "--backend=openai", f"--endpoint={address}/v1"
    )
    assert code == pytest.ExitCode.TESTS_FAILED
    [text] = sandbox.failures().values()
    assert "expected: a stream that ends with [DONE]; found: its end, behind 1 events with text" in str(text)


@pytest.mark.slow
def test_a_submission_of_an_endpoint_has_the_fields_of_the_network(
    sandbox: Sandbox, serve: Any, shared_cache: Path
) -> None:
    address = serve(Server({"digits": str(shipped("resnet50-tiny.onnx"))}))
    system = sandbox.root / "system.toml"
    system.write_text('network_media = "none"\noverprovisioning = "none"\n')
    cases = [item("resnet50-tiny-kserve-remote-Offline", mode) for mode in ("accuracy", "performance")]
    code, output = sandbox.run(
        *cases,
        "--model=resnet50-tiny",
        "--backend=kserve",
        f"--endpoint={address}/v2/models/digits",
        "--dataset-size=60",
        f"--mlperf-cache={shared_cache}",
        "--test-query-count=100",
        "--target-qps=200",
        "--mlperf-submit",
        "--submitter=Community",
        f"--mlperf-system={system}",
    )
    assert code == pytest.ExitCode.OK, output
    [description] = sandbox.root.glob("out/*/submission/open/Community/systems/*.json")
    fields = json.loads(description.read_text())
    assert fields["is_network"] == "true"
    assert all(fields[name] for name in (*NETWORK_FIELDS, "overprovisioning"))
    assert fields["network_media"] == "none"
    assert fields["framework"] == "test-server 1.0 (kserve)"
    assert "aiohttp" in fields["net_software_stack_loadgen"]
    assert "network" not in re.findall(r"\[(\S+)\]", output)
    assert "system-network" not in re.findall(r"\[(\S+)\]", output)
