"""Answers tensors with themselves by the open inference protocol: ``python -m tests.endpoints.echo_server``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from tests.endpoints.http_server import Reply, Request, serve_forever

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER_LENGTH = "Inference-Header-Content-Length"
TENSOR = {"datatype": "FP32", "shape": [-1, 1]}
METADATA = {"name": "echo", "inputs": [{"name": "x", **TENSOR}], "outputs": [{"name": "y", **TENSOR}]}
SERVER = {"name": "echo-server", "version": "2", "extensions": ["binary_tensor_data"]}


def as_json(document: object, status: int = 200) -> Reply:
    return Reply(status, {"Content-Type": "application/json", "Server": "echo"}, json.dumps(document).encode())


def describe(request: Request) -> Reply:
    """Answer a GET."""
    path = request.path.partition("?")[0]
    known: dict[str, object] = {"/v2": SERVER, "/v2/models/echo": METADATA}
    return as_json(known[path]) if path in known else as_json({"error": "no such thing"}, 404)


def echo(request: Request) -> Reply:
    """Answer a request with its own tensor, in its own form."""
    if request.method == "GET":
        return describe(request)
    length = request.headers.get(HEADER_LENGTH.lower())
    if length is None:
        [tensor] = msgspec.json.decode(request.body)["inputs"]
        return Reply(200, {}, msgspec.json.encode({"outputs": [{**tensor, "name": "y"}]}))
    header, raw = request.body[: int(length)], request.body[int(length) :]
    [tensor] = msgspec.json.decode(header)["inputs"]
    answer = msgspec.json.encode({"outputs": [{**tensor, "name": "y"}]})
    return Reply(200, {HEADER_LENGTH: str(len(answer))}, answer + raw)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Request], Reply]:
    """Return an echo without bytes whose answers are changed."""

    def handler(request: Request) -> Reply:
        if request.method == "GET":
            return as_json({**SERVER, "extensions": []}) if request.path == "/v2" else describe(request)
        [tensor] = msgspec.json.decode(request.body)["inputs"]
        answer = {"outputs": [{**tensor, "name": "y"}]}
        change(answer)
        return Reply(200, {}, json.dumps(answer).encode())

    return handler


if __name__ == "__main__":
    serve_forever(echo)
