"""A chat's text arrives token by token, the first one at once; a stream that is cut or wrong is an error."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_mlperf.backends.model_file import CHAT, Graph, ModelFile, Tensor
from pytest_mlperf.backends.openai import ChatModel, OpenAI
from pytest_mlperf.backends.remote.events import EventReader
from pytest_mlperf.errors import ModelError, OptionError, RunError
from pytest_mlperf.origin import Url
from tests.endpoints.chat_server import DONE, EVENTS, chat, event, models, word
from tests.endpoints.http_server import Handler, Reply, Request, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAPH = Graph(
    (Tensor("prompt", "str", (None,)), Tensor("max_tokens", "int64", (None,))),
    (Tensor("text", "str", (None,)), Tensor("tokens", "int64", (None,))),
)
MODEL = ModelFile(CHAT, "fp32", Url(""), (GRAPH,))


def say(*counts: int) -> dict[str, Any]:
    return {
        "prompt": np.array([f"say {count}" for count in counts], object),
        "max_tokens": np.full(len(counts), 16, np.int64),
    }


@contextmanager
def opened(handler: Handler, path: str = "/v1", **options: str) -> Iterator[ChatModel]:
    with serving(handler) as address:
        model = OpenAI().load(address + path, MODEL, "remote", 1, options)
        try:
            yield model
        finally:
            model.close()


class Collector:
    """Takes an answer, with the moments of its first token and its end."""

    def __init__(self) -> None:
        self.first_tokens: dict[int, tuple[bytes, float]] = {}
        self.answer: Any = None
        self.ended = threading.Event()
        self.end = 0.0

    def first(self, place: int, token: Any) -> None:
        assert place not in self.first_tokens
        self.first_tokens[place] = token.tobytes(), time.perf_counter()

    def done(self, outputs: Any) -> None:
        self.answer, self.end = outputs, time.perf_counter()
        self.ended.set()

    def failed(self, error: BaseException) -> None:
        self.done(error)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/chat/completions"])
def test_a_text_is_put_together_and_its_tokens_are_counted(path: str) -> None:
    with opened(chat, path) as model:
        texts, tokens = model.run(say(3, 1, 5))
    assert list(texts) == ["w0 w1 w2 ", "w0 ", "w0 w1 w2 w3 w4 "]
    assert tokens.tolist() == [3, 1, 5]


def test_where_the_server_does_not_count_each_event_is_a_token() -> None:
    with opened(partial(chat, usage=False)) as model:
        assert model.run(say(4))[1].tolist() == [4]


def test_the_first_token_is_told_when_it_arrives() -> None:
    collector = Collector()
    with opened(partial(chat, seconds=0.15)) as model:
        model.start(say(5), "", collector)
        assert collector.ended.wait(20)
    [(token, moment)] = collector.first_tokens.values()
    assert token == b"w0 "
    assert collector.end - moment > 0.4  # four more tokens came behind it


def test_messages_and_other_fields_are_sent_as_they_are() -> None:
    asked: list[dict[str, Any]] = []

    def handler(request: Request) -> Reply:
        if request.method == "POST":
            asked.append(json.loads(request.body))
        return models(request) or Reply(200, EVENTS, parts=[(0, word("hi") + DONE)])

    said = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "ä"}]
    graph = Graph((Tensor("messages", "str", (None,)), Tensor("temperature", "float32", (None,))), GRAPH.outputs[:1])
    inputs = {"messages": np.array([json.dumps(said)], object), "temperature": np.array([0.5], np.float32)}
    with serving(handler) as address:
        model = OpenAI().load(f"{address}/v1", ModelFile(CHAT, "fp32", Url(""), (graph,)), "remote", 1, {})
        [texts] = model.run(inputs)
        model.close()
    assert list(texts) == ["hi"]
    assert asked == [
        {
            "model": "small",
            "messages": said,
            "temperature": 0.5,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


BROKEN: dict[str, tuple[Reply, str]] = {
    "no end": (Reply(200, EVENTS, parts=[(0, word("a"))]), "expected: a stream that ends with [DONE]"),
    "cut event": (Reply(200, EVENTS, parts=[(0, word("a") + b"data: [DONE]")]), "a stream that ends with [DONE]"),
    "reset": (Reply(200, EVENTS, parts=[(0, word("a"))], breaks=True), "the connection to the endpoint broke"),
    "slow": (Reply(200, EVENTS, parts=[(0, word("a")), (30, DONE)]), "in time"),
    "no json": (Reply(200, EVENTS, parts=[(0, b"data: {oops\n\n" + DONE)]), "{oops"),
    "error": (Reply(200, EVENTS, parts=[(0, event({"error": {"message": "out of memory"}}))]), "out of memory"),
    "no delta": (Reply(200, EVENTS, parts=[(0, event({"choices": [{"text": "a"}]}) + DONE)]), "choices with a delta"),
    "no stream": (Reply(200, {}, json.dumps({"choices": [{"message": {"content": "a"}}]}).encode()), "[DONE]"),
    "status": (Reply(400, {}, b'{"error": {"message": "context too long"}}'), "context too long"),
    "redirect": (Reply(308, {"Location": "https://elsewhere/"}), "https://elsewhere/"),
    "not text": (Reply(200, EVENTS, parts=[(0, event([1]) + DONE)]), "events with choices"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_failure_says_what_the_server_did(name: str) -> None:
    reply, words = BROKEN[name]
    with opened(lambda request: models(request) or reply, timeout="0.5") as model:
        with pytest.raises(RunError) as caught:
            model.run(say(2))
        collector = Collector()
        model.start(say(2), "", collector)
        assert collector.ended.wait(20)
    assert words in str(caught.value)
    assert str(collector.answer) == str(caught.value)


def test_a_stream_that_has_begun_is_not_asked_for_again() -> None:
    asked = []

    def handler(request: Request) -> Reply:
        if (found := models(request)) is not None:
            return found
        asked.append(request)
        return Reply(503) if len(asked) == 1 else Reply(200, EVENTS, parts=[(0, word("a"))], breaks=True)

    with opened(handler, retries="5") as model:
        with pytest.raises(RunError, match="the connection to the endpoint broke"):
            model.run(say(2))
        assert model.notes == ("requests that were sent to the endpoint again: 1 after HTTP 503",)
    assert len(asked) == 2


@pytest.mark.parametrize("listed", [[], [{"id": "small"}, {"id": "large"}], None, [{"name": "small"}]])
def test_the_model_must_be_named_unless_it_is_the_only_one(listed: object) -> None:
    def handler(request: Request) -> Reply:
        return chat(request) if request.method == "POST" else Reply(200, {}, json.dumps({"data": listed}).encode())

    with pytest.raises(OptionError) as caught, opened(handler):
        pass
    assert "--backend-option model=NAME" in str(caught.value)
    with opened(handler, model="small") as model:
        assert model.run(say(2))[1].tolist() == [2]


def test_a_benchmark_of_tensors_is_no_chat() -> None:
    graph = Graph((Tensor("x", "float32", (None, 1)),), (Tensor("y", "float32", (None, 1)),))
    with pytest.raises(ModelError, match="is no chat"):
        OpenAI().load("http://localhost:1/v1", ModelFile(CHAT, "fp32", Url(""), (graph,)), "remote", 1, {})


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_events_are_the_same_however_they_arrive(size: int, newline: bytes) -> None:
    text = newline.join(
        [b": hello", b"", b"event: x", b"data: one", b"", b"data:two", b"data: more", b"", b"data: cut"]
    )
    reader = EventReader()
    found = [data for start in range(0, len(text), size) for data in reader.feed(text[start : start + size])]
    assert found == [b"one", b"two\nmore"]


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mlperf.backends.remote.events.LONGEST_LINE", 100)
    endless = Reply(200, EVENTS, parts=[(0.0, b"x" * 60)] * 4)
    with (
        opened(lambda request: models(request) or endless) as model,
        pytest.raises(RunError, match="is not that of a chat"),
    ):
        model.run(say(2))
