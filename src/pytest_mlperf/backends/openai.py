"""OpenAI: chat completions over HTTP, streamed by server-sent events, from a server that runs a language model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.backends.model_file import CHAT
from pytest_mlperf.backends.remote.events import EventReader
from pytest_mlperf.backends.remote.model import REQUIREMENTS, RemoteModel
from pytest_mlperf.backends.remote.target import read_target
from pytest_mlperf.errors import ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.backends.remote.target import Target

TIMEOUT = 600.0
#: The inputs that are what is said: a text, or a JSON list of messages. Others are fields of the request.
PROMPT, MESSAGES = "prompt", "messages"
#: The outputs: the text, and how many tokens it has.
TEXT, TOKENS = "text", "tokens"
_PATH = "/chat/completions"
_DONE = b"[DONE]"
_HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream"}


@dataclass
class Reply:
    """What has arrived of an answer."""

    parts: list[str] = field(default_factory=list)
    counted: int | None = None
    is_done: bool = False

    @property
    def tokens(self) -> int:
        """The tokens that the server counts, or else the events with text."""
        return len(self.parts) if self.counted is None else self.counted


class ChatModel(RemoteModel):
    """A language model at an endpoint: one request for each sample, whose text arrives bit by bit.

    Parameters
    ----------
    target
        The endpoint; if it does not name the model, the only one that the endpoint has is used.
    model
        The graph: which inputs there are, and which outputs are wanted.
    """

    max_batch: int | None = 1

    def __init__(self, target: Target, model: ModelFile) -> None:
        super().__init__(target, "OpenAI chat completions")
        self._outputs = [tensor.name for tensor in model.graph.outputs]
        self._name = target.model
        self.open(self._look)

    async def _look(self) -> None:
        if self._name:
            return
        found = await self._http.get("/models")
        listed = found.get("data") if isinstance(found, dict) else None
        names = [str(each["id"]) for each in listed or () if isinstance(each, dict) and "id" in each]
        if len(names) != 1:
            raise OptionError(
                "the model at the endpoint is not named",
                expected="one model there, or its name",
                found=", ".join(names) or "no models",
                fix="name it with --backend-option model=NAME",
            )
        [self._name] = names

    async def _infer(self, inputs: Inputs, graph: str, first: Callable[[int, NDArray[Any]], None]) -> Outputs:
        import numpy as np

        del graph  # there is one
        requests = [self._request(inputs, place) for place in range(len(next(iter(inputs.values()))))]
        answers = [self._answer(body, place, first) for place, body in enumerate(requests)]
        replies = [await answers[0]] if len(answers) == 1 else await asyncio.gather(*answers)
        texts = np.array(["".join(reply.parts) for reply in replies], object)
        outputs = {TEXT: texts, TOKENS: np.array([reply.tokens for reply in replies], np.int64)}
        return [outputs[name] for name in self._outputs]

    def _request(self, inputs: Inputs, place: int) -> bytes:
        import msgspec

        values = {name: value[place] for name, value in inputs.items()}
        prompt, messages = values.pop(PROMPT, None), values.pop(MESSAGES, None)
        said = msgspec.json.decode(messages) if messages is not None else [{"role": "user", "content": str(prompt)}]
        fields = {name: getattr(value, "item", lambda value=value: value)() for name, value in values.items()}
        stream = {"stream": True, "stream_options": {"include_usage": True}}
        return msgspec.json.encode({"model": self._name, "messages": said, **stream, **fields})

    async def _answer(self, body: bytes, place: int, first: Callable[[int, NDArray[Any]], None]) -> Reply:
        import numpy as np

        reply, reader = Reply(), EventReader()

        def take(part: bytes) -> None:
            for data in reader.feed(part):
                had = bool(reply.parts)
                self._take(data, reply)
                if reply.parts and not had:
                    first(place, np.frombuffer(reply.parts[0].encode(), np.uint8))

        try:
            await self._http.stream(_PATH, body, _HEADERS, take)
        except ValueError as error:
            raise self._wrong("events of a chat", str(error)) from error
        if not reply.is_done:
            raise self._wrong("a stream that ends with [DONE]", f"its end, behind {len(reply.parts)} events with text")
        return reply

    def _take(self, data: bytes, reply: Reply) -> None:
        """Add an event to the answer."""
        if data == _DONE:
            reply.is_done = True
            return
        event = self._http.parse(data, f"POST {_PATH}")
        if not isinstance(event, dict) or event.get("error"):
            raise self._wrong("events with choices", self._http.words(data))
        usage, choices = event.get("usage"), event.get("choices") or ()
        if isinstance(usage, dict) and isinstance(usage.get("completion_tokens"), int):
            reply.counted = usage["completion_tokens"]
        try:
            texts = [choice["delta"].get("content") for choice in choices]
        except (KeyError, TypeError, AttributeError) as error:
            raise self._wrong("choices with a delta", self._http.words(data)) from error
        reply.parts += [str(text) for text in texts if text]

    def _wrong(self, expected: str, found: str) -> Exception:
        return self._http.failure(f"the endpoint's answer to POST {_PATH} is not that of a chat", expected, found)


class OpenAI:
    """A server that speaks OpenAI's chat completions: vLLM, llama.cpp, TensorRT-LLM, SGLang, Ollama."""

    devices: tuple[str, ...] = (REMOTE,)
    formats: tuple[str, ...] = (CHAT,)
    requirements: tuple[str, ...] = REQUIREMENTS

    def __init__(self) -> None:
        self._server = ""

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> ChatModel:
        """Find the model at an address; see `pytest_mlperf.backends.base.Backend.load`."""
        del device, threads
        _check_graph(model)
        target = read_target(str(file), options, "openai", timeout=TIMEOUT, path_end=_PATH)
        found = ChatModel(target, model)
        self._server = found.server
        return found

    def versions(self) -> Mapping[str, str]:
        """Return the client's version, and what the server calls itself."""
        return {"aiohttp": version("aiohttp"), **({"server": self._server} if self._server else {})}


def _check_graph(model: ModelFile) -> None:
    inputs: Sequence[str] = [tensor.name for tensor in model.graph.inputs]
    outputs = [tensor.name for tensor in model.graph.outputs]
    if len({PROMPT, MESSAGES}.intersection(inputs)) != 1 or not {TEXT, TOKENS}.issuperset(outputs):
        raise ModelError(
            "the benchmark's model is no chat",
            expected=f"an input {PROMPT} or {MESSAGES}, and of the outputs {TEXT} and {TOKENS}",
            found=f"inputs {', '.join(inputs)}; outputs {', '.join(outputs)}",
            fix="correct the benchmark's entry with the format chat",
        )
