"""Tensors come back as they went, in both forms; whatever else a server answers is an error with its cause."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.backends.kserve import KServe, KServeModel
from pytest_mlperf.backends.model_file import ENDPOINT, Graph, ModelFile, Tensor
from pytest_mlperf.errors import ModelError, OptionError, RunError
from pytest_mlperf.origin import Url
from tests.endpoints.echo_server import METADATA, SERVER, as_json, describe, echo, edited
from tests.endpoints.http_server import Handler, Reply, Request, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GRAPH = Graph((Tensor("x", "float32", (None, 1)),), (Tensor("y", "float32", (None, 1)),))
MODEL = ModelFile(ENDPOINT, "fp32", Url(""), (GRAPH,))
INPUTS = {"x": np.array([[1.5], [-2.0], [3e-7]], np.float32)}


@contextmanager
def opened(handler: Handler, path: str = "/v2/models/echo", **options: str) -> Iterator[KServeModel]:
    with serving(handler) as address:
        model = KServe().load(address + path, MODEL, "remote", 1, options)
        try:
            yield model
        finally:
            model.close()


def at_infer(reply: Callable[[Request], Reply] | Reply) -> Handler:
    """Describe the echo model, and answer its requests so."""

    def handler(request: Request) -> Reply:
        if request.method == "GET":
            return describe(request)
        return reply if isinstance(reply, Reply) else reply(request)

    return handler


@pytest.mark.parametrize("binary", ["yes", "no"])
def test_tensors_come_back_to_the_last_bit(binary: str) -> None:
    values = {"x": np.array([[np.nan], [-np.inf], [1e-45], [0.1]], np.float32)}
    if binary == "no":  # JSON has neither NaN nor infinities
        values = INPUTS
    with opened(echo, binary=binary) as model:
        [answer] = model.run(values)
    assert answer.tobytes() == values["x"].tobytes()
    assert answer.shape == values["x"].shape
    answer += 1  # a benchmark may write to it, as to a local model's


def test_the_server_says_whether_tensors_may_be_bytes() -> None:
    seen = []

    def handler(request: Request) -> Reply:
        seen.append(request.headers.get("content-type"))
        return echo(request) if binary else edited(lambda _: None)(request)

    for binary in (True, False):  # noqa: B007 - the handler looks at it
        with opened(handler) as model:
            model.run(INPUTS)
    assert [kind for kind in seen if kind] == ["application/octet-stream", "application/json"]


def test_null_and_nan_in_json_are_nan_as_from_a_local_model() -> None:
    def holes(answer: dict[str, Any]) -> None:
        answer["outputs"][0]["data"][:2] = [None, float("nan")]

    with opened(edited(holes)) as model:
        [answer] = model.run(INPUTS)
    assert np.isnan(answer[:2]).all()
    assert answer[2] == INPUTS["x"][2]


def test_one_connection_is_used_again_and_again() -> None:
    with opened(echo) as model:
        for _ in range(50):
            model.run(INPUTS)
        assert model.connections == 1
        assert model.notes == ()
        assert (model.device, model.server) == ("remote", "echo-server 2, echo")


class Collector:
    """Takes answers, and remembers the most that were outstanding."""

    def __init__(self) -> None:
        self.answers: list[object] = []
        self.ended = threading.Semaphore(0)

    def first(self, place: int, token: Any) -> None:
        raise AssertionError

    def done(self, outputs: Any) -> None:
        self.answers.append(outputs)
        self.ended.release()

    def failed(self, error: BaseException) -> None:
        self.answers.append(error)
        self.ended.release()


def test_many_are_in_flight_from_one_thread() -> None:
    collector, before = Collector(), threading.active_count()
    slow = at_infer(lambda request: Reply(200, dict(echo(request).headers), echo(request).body, seconds=0.3))
    with opened(slow) as model:
        for _ in range(100):
            model.start(INPUTS, "", collector)
        assert threading.active_count() <= before + 2  # the server's thread, and the client's
        for _ in range(100):
            assert collector.ended.acquire(timeout=20)
        assert model.connections == 100
    assert all(isinstance(answer, list) for answer in collector.answers)


BROKEN: dict[str, tuple[Reply, str]] = {
    "words": (Reply(500, {}, b'{"error": "the card is on fire"}'), "the card is on fire"),
    "openai's words": (Reply(400, {}, b'{"error": {"message": "too long"}}'), "too long"),
    "plain words": (Reply(502, {}, b"<html>bad gateway</html>"), "bad gateway"),
    "no words": (Reply(503), "an empty answer"),
    "redirect": (Reply(307, {"Location": "http://elsewhere/v2"}), "http://elsewhere/v2"),
    "no json": (Reply(200, {}, b'{"outputs": [{'), '{"outputs": [{'),
    "no object": (Reply(200, {}, b"[1, 2]"), "is not the benchmark's"),
    "no outputs": (Reply(200, {}, b"{}"), "is not the benchmark's"),
    "nested": (Reply(200, {}, b"[" * 100_000), "is no JSON"),
    "reset": (Reply(200, {}, b'{"outp', declared=1000, breaks=True), "the connection to the endpoint broke"),
    "reset at once": (Reply(200, {}, b"", declared=10, breaks=True), "the connection to the endpoint broke"),
    "slow": (Reply(seconds=30), "did not answer POST /v2/models/echo/infer in time"),
    "slow body": (Reply(200, parts=((0, b"{"), (30, b"}"))), "did not answer POST /v2/models/echo/infer in time"),
    "header's length": (Reply(200, {"Inference-Header-Content-Length": "99"}, b"{}"), "99"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_failure_says_what_the_server_did(name: str) -> None:
    reply, words = BROKEN[name]
    with opened(at_infer(reply), timeout="0.5") as model:
        with pytest.raises(RunError) as caught:
            model.run(INPUTS)
        collector = Collector()
        model.start(INPUTS, "", collector)
        assert collector.ended.acquire(timeout=20)
    assert words in str(caught.value)
    assert [str(answer) for answer in collector.answers] == [str(caught.value)]


def output(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda answer: answer["outputs"][0].update(changes)


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "name": (output(name="z"), "expected: an output y; found: z"),
    "none": (lambda answer: answer["outputs"].clear(), "expected: an output y; found: no output"),
    "dtype": (output(datatype="INT64"), "expected: y float32[n,1]; found: y int64[3,1]"),
    "rank": (output(shape=[3]), "found: y float32[3]"),
    "length": (output(shape=[1, 3]), "found: y float32[1,3]"),
    "shape of words": (output(shape=["3", 1]), "is not the benchmark's"),
    "no shape": (output(shape=None), "found: y float32[?]"),
    "too few": (output(data=[1.0]), "expected: 3 values of y, float32"),
    "words": (output(data=["a", "b", "c"]), "expected: 3 values of y, float32"),
    "bytes": (output(parameters={"binary_data_size": 12}), "expected: 12 bytes of y; found: 0 behind the JSON"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_not_taken(name: str) -> None:
    change, words = WRONG[name]
    with opened(edited(change)) as model, pytest.raises(RunError) as caught:
        model.run(INPUTS)
    assert words in str(caught.value)


def test_nobody_there_is_an_error() -> None:
    with serving(echo) as address:
        pass
    with pytest.raises(RunError) as caught:
        KServe().load(f"{address}/v2/models/echo", MODEL, "remote", 1, {})
    assert f"the endpoint {address} cannot be reached" in str(caught.value)
    assert "start the server" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": []}, "its inputs differ"),
        ({"inputs": [*METADATA["inputs"], {"name": "mask", "datatype": "BOOL", "shape": [-1]}]}, "mask bool[n]"),
        ({"outputs": [{"name": "y", "datatype": "FP16", "shape": [-1, 1]}]}, "found: y float16[n,1]"),
        ({"outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]}, "found: y float32[n,2]"),
        ({"outputs": "nonsense"}, "found: none"),
    ],
)
def test_another_model_is_refused_before_anything_is_asked(change: dict[str, Any], words: str) -> None:
    def handler(request: Request) -> Reply:
        return as_json({**METADATA, **change}) if request.path == "/v2/models/echo" else as_json(SERVER)

    with pytest.raises(ModelError) as caught, opened(handler):
        pass
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("", {}, "the model at the endpoint"),
        ("/v2/models/nothing", {}, "HTTP 404"),
        ("/v2/models/echo", {"speed": "9"}, "kserve has no option speed"),
        ("/v2/models/echo", {"timeout": "soon"}, "timeout cannot be 'soon'"),
        ("/v2/models/echo", {"in_flight": "0"}, "in_flight cannot be '0'"),
        ("/v2/models/echo", {"retries": "1.5"}, "retries cannot be '1.5'"),
        ("/v2/models/echo", {"binary": "maybe"}, "binary cannot be 'maybe'"),
        ("/v2/models/echo", {"token": "a\nb"}, "the token cannot be sent"),
    ],
)
def test_what_cannot_be_asked_is_refused(path: str, options: dict[str, str], words: str) -> None:
    with pytest.raises((OptionError, RunError)) as caught, opened(echo, path, **options):
        pass
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "address", ["ftp://host/v2/models/a", "http://", "http://host:port/v2/models/a", "http://a b/"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(OptionError, match="cannot be used"):
        KServe().load(address, MODEL, "remote", 1, {})


def test_the_model_may_be_named_by_an_option() -> None:
    with opened(echo, "", model="echo") as model:
        assert len(model.run(INPUTS)) == 1


def test_retries_are_none_unless_asked_for_and_then_they_are_told() -> None:
    failures = [Reply(503), Reply(200, {}, b"{", declared=9, breaks=True), Reply(429)]
    left: list[Reply] = []

    def handler(request: Request) -> Reply:
        return left.pop() if left else echo(request)

    with opened(at_infer(handler)) as model:
        left.append(Reply(503))
        with pytest.raises(RunError, match="HTTP 503"):
            model.run(INPUTS)
        assert model.notes == ()
    with opened(at_infer(handler), retries="3") as model:
        left += failures
        model.run(INPUTS)
        kinds = "1 after HTTP 429, 1 after HTTP 503, 1 after a broken connection"
        assert model.notes == (f"requests that were sent to the endpoint again: {kinds}",)
        left += [*failures, Reply(503)]
        with pytest.raises(RunError, match=r"HTTP (429|503)"):
            model.run(INPUTS)


def test_a_retry_is_not_made_of_what_will_not_pass() -> None:
    asked = []

    def refuse(request: Request) -> Reply:
        asked.append(request)
        return Reply(400)

    with opened(at_infer(refuse), retries="5") as model, pytest.raises(RunError):
        model.run(INPUTS)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("user", "query", "options", "header"),
    [
        ("", "", {"token": "hush"}, "Bearer hush"),
        ("me:hush@", "", {}, "Basic bWU6aHVzaA=="),
        ("", "?token=hush", {}, None),
    ],
)
def test_secrets_are_sent_and_shown_nowhere(user: str, query: str, options: dict[str, str], header: str | None) -> None:
    seen = []

    def tells(request: Request) -> Reply:
        seen.append((request.headers.get("authorization"), request.path.partition("?")[2]))
        if request.method == "GET":
            return describe(request)
        return Reply(403, {}, f"{request.path} with {request.headers.get('authorization')}".encode())

    with serving(tells) as address:
        place = address.replace("//", f"//{user}")
        model = KServe().load(f"{place}/v2/models/echo{query}", MODEL, "remote", 1, options)
        with pytest.raises(RunError) as caught:
            model.run(INPUTS)
        model.close()
    assert set(seen) == {(header, query[1:])}
    assert "hush" not in str(caught.value)
    assert "aHVzaA" not in str(caught.value)
    assert "***" in str(caught.value) or query


def test_a_server_says_its_largest_batch() -> None:
    def handler(request: Request) -> Reply:
        return as_json({"max_batch_size": 8}) if request.path.endswith("/config") else describe(request)

    with opened(handler) as model:
        assert model.max_batch == 8
    with opened(echo) as model:
        assert model.max_batch is None


def test_an_endless_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mlperf.backends.remote.http.LARGEST_ANSWER", 1000)
    endless = Reply(200, parts=[(0.0, b" " * 600)] * 100)
    with opened(at_infer(endless)) as model, pytest.raises(RunError, match="does not end"):
        model.run(INPUTS)


def test_closing_leaves_no_thread_and_no_connection() -> None:
    before = threading.active_count()
    with opened(echo) as model:
        model.run(INPUTS)
    assert threading.active_count() == before
