"""Streams chat completions as a script says: ``say N`` gets N words, each an event."""

from __future__ import annotations

import json

from tests.endpoints.http_server import Reply, Request

EVENTS = {"Content-Type": "text/event-stream", "Server": "chatter"}
DONE = b"data: [DONE]\n\n"


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def word(text: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})


def words(request: Request) -> list[str]:
    """Return the words that a request asks for."""
    asked = json.loads(request.body)
    assert asked["stream"] is True
    assert asked["max_tokens"] == 16
    return [f"w{n} " for n in range(int(asked["messages"][-1]["content"].removeprefix("say ")))]


def models(request: Request) -> Reply | None:
    """Answer the question for the models; None for another."""
    if request.method == "GET" and request.path.endswith("/v1/models"):
        return Reply(200, {"Server": "chatter"}, json.dumps({"data": [{"id": "small"}]}).encode())
    return None


def chat(request: Request, *, seconds: float = 0.001, usage: bool = True) -> Reply:
    """Stream the words, with a comment before them, and how many they were behind them."""
    if (found := models(request)) is not None:
        return found
    said = words(request)
    counted = event({"choices": [], "usage": {"completion_tokens": len(said)}}) if usage else b""
    role = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
    parts = [(0.0, b": wait\n\n" + role), *((seconds, word(each)) for each in said), (0.0, counted + DONE)]
    return Reply(200, EVENTS, parts=parts)
