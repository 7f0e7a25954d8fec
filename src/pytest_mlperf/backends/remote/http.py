"""Asks an endpoint over HTTP: connections that are used again, time-outs, counted retries, failures with a cause."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pytest_mlperf.errors import RunError
from pytest_mlperf.printable import fit, one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    import aiohttp
    import yarl

    from pytest_mlperf.backends.remote.target import Target

OK = 200
REDIRECTS = range(300, 400)
#: Those that a retry may help: too many requests, bad gateway, unavailable, gateway time-out.
PASSING = (429, 502, 503, 504)
#: Those of a server that does not have an optional path.
MISSING = (400, 404, 405, 501)
#: The most of an answer that is read, in bytes, and the most characters that are shown of what a server says.
LARGEST_ANSWER = 1 << 30
LONGEST_WORDS = 300
_CHUNK = 1 << 16
R = TypeVar("R")


class Answer(NamedTuple):
    """An answer with status 200."""

    headers: Mapping[str, str]
    body: bytes


class _UnansweredError(Exception):
    """A request without a full answer, or with a status that may pass; ``kind`` is for the count of retries."""

    def __init__(self, kind: str, error: RunError) -> None:
        super().__init__(kind)
        self.kind = kind
        self.error = error


class HttpClient:
    """The requests to one endpoint; all methods but the constructor are for the event loop's thread.

    Parameters
    ----------
    target
        The endpoint.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._session: aiohttp.ClientSession | None = None
        self._retried: Counter[str] = Counter()
        self._open = 0
        self._urls: dict[str, yarl.URL] = {}
        #: The connections that were in use at once, at most.
        self.connections = 0
        #: What the server calls itself.
        self.server = ""

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def notes(self) -> Iterator[str]:
        """Yield what users must know of the requests: how many were sent again, and why."""
        if self._retried:
            kinds = ", ".join(f"{count} after {kind}" for kind, count in sorted(self._retried.items()))
            yield f"requests that were sent to the endpoint again: {kinds}"

    async def get(self, path: str, *, optional: bool = False) -> Any:
        """Return the JSON of a path; None if it is optional and the endpoint does not have it.

        Raises
        ------
        RunError
            There is no answer with status 200, or it is no JSON.
        """

        async def receive(response: aiohttp.ClientResponse) -> Any:
            self.server = response.headers.get("Server", self.server)
            if optional and response.status in MISSING:
                return None
            await self._require_ok("GET", path, response)
            return self.parse(await self._read("GET", path, response), f"GET {path}")

        return await self._ask("GET", path, None, {}, receive)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body, again if retries are allowed, and return the answer.

        Raises
        ------
        RunError
            There is no answer with status 200.
        """

        async def receive(response: aiohttp.ClientResponse) -> Answer:
            await self._require_ok("POST", path, response)
            return Answer(response.headers, await self._read("POST", path, response))

        return await self._ask("POST", path, body, headers, receive)

    async def stream(self, path: str, body: bytes, headers: Mapping[str, str], take: Callable[[bytes], None]) -> None:
        """Send a body, again if retries are allowed, and give the answer's parts to `take` as they arrive.

        A stream that has begun is not asked for again.
        """

        async def receive(response: aiohttp.ClientResponse) -> None:
            await self._require_ok("POST", path, response)
            try:
                async for part in response.content.iter_any():
                    take(part)
            except Exception as error:
                raise self._unanswered("POST", path, error).error from error

        await self._ask("POST", path, body, headers, receive)

    def parse(self, body: bytes, what: str) -> Any:
        """Return a JSON document, of an answer to `what`; NaN and infinities are read as Python's json writes them.

        Raises
        ------
        RunError
            It is none.
        """
        import msgspec

        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            try:
                return json.loads(body)
            except (ValueError, RecursionError) as error:
                raise self.failure(
                    f"the endpoint's answer to {what} is no JSON", "one JSON document", self.words(body)
                ) from error

    def failure(self, what: str, expected: str, found: str, fix: str = "") -> RunError:
        """Return an error without the secrets that the endpoint was sent."""
        hide = self._target.hide
        return RunError(
            hide(what), expected=expected, found=hide(found), fix=fix or f"see {self._target.url}'s own log"
        )

    def words(self, body: bytes) -> str:
        """Return what a server says in an answer, cut: the message of a JSON error, or the text itself."""
        text = body[: LONGEST_WORDS * 8].decode("utf-8", "replace").strip()
        try:
            document = json.loads(body)
            found = document.get("error", document) if isinstance(document, dict) else document
            found = found.get("message", found) if isinstance(found, dict) else found
            text = found if isinstance(found, str) else text
        except (ValueError, RecursionError):
            pass
        return fit(one_line(self._target.hide(text)), LONGEST_WORDS) or "an empty answer"

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        receive: Callable[[aiohttp.ClientResponse], Awaitable[R]],
    ) -> R:
        """Send a request, again if retries are allowed, and return what `receive` makes of the response."""
        session = self._session or self._opened()
        url = self._urls.get(path) or self._url(path)
        for left in range(self._target.retries, -1, -1):
            self._open += 1
            self.connections = max(self.connections, self._open)
            try:
                async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                    return await receive(response)
            except Exception as error:  # `_unanswered` raises what is none of aiohttp's
                self._again(self._unanswered(method, path, error), left)
            finally:
                self._open -= 1
        raise AssertionError  # the last try raises

    def _unanswered(self, method: str, path: str, error: Exception) -> _UnansweredError:
        """Return what became of a request, from what aiohttp raised; raise anything else again."""
        import aiohttp

        if isinstance(error, _UnansweredError):
            return error
        if not isinstance(error, (aiohttp.ClientError, OSError, asyncio.TimeoutError)):
            raise error
        if isinstance(error, asyncio.TimeoutError):
            found = _UnansweredError("a time-out", self._late(method, path))
        elif isinstance(error, (aiohttp.ClientConnectorError, aiohttp.InvalidURL)):
            found = _UnansweredError("a refused connection", self._unreachable(error))
        else:
            found = _UnansweredError("a broken connection", self._broken(method, path, error))
        found.__cause__ = error
        return found

    def _url(self, path: str) -> yarl.URL:
        import yarl

        return self._urls.setdefault(path, yarl.URL(self._target.at(path)))

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self._target.timeout),
            # What the server would take to compress an answer would be part of each measured request.
            headers={"Accept-Encoding": "identity", **self._target.headers},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self._session

    async def _require_ok(self, method: str, path: str, response: aiohttp.ClientResponse) -> None:
        status = response.status
        if status == OK:
            return
        if status in REDIRECTS:
            raise self.failure(
                f"the endpoint redirects {method} {path} (HTTP {status})",
                "an answer; a redirect is not followed, because it would be part of each measured request",
                self._target.hide(response.headers.get("Location", "no Location")),
                "give the address that it redirects to with --endpoint",
            )
        error = self.failure(
            f"the endpoint answered {method} {path} with HTTP {status} {response.reason or ''}".rstrip(),
            "HTTP 200",
            self.words(await response.content.read(_CHUNK)),
            _FIXES.get(status, ""),
        )
        if status in PASSING:
            raise _UnansweredError(f"HTTP {status}", error)
        raise error

    async def _read(self, method: str, path: str, response: aiohttp.ClientResponse) -> bytes:
        length = response.content_length
        if length is not None and length <= LARGEST_ANSWER:
            return await response.read()
        parts, size = [], 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > LARGEST_ANSWER:
                raise self.failure(
                    f"the endpoint's answer to {method} {path} does not end",
                    f"{LARGEST_ANSWER:,} bytes at most",
                    "more",
                )
        return b"".join(parts)

    def _again(self, failure: _UnansweredError, left: int) -> None:
        """Count a retry; raise the error if none is left."""
        if not left:
            raise failure.error from failure.__cause__
        self._retried[failure.kind] += 1

    def _late(self, method: str, path: str) -> RunError:
        return self.failure(
            f"the endpoint did not answer {method} {path} in time",
            f"its whole answer within {self._target.timeout:g} s",
            "none" if not self._retried else "none, again",
            "give it more time with --backend-option timeout=SECONDS, or ask it less at once with "
            "--backend-option in_flight=N",
        )

    def _unreachable(self, error: Exception) -> RunError:
        return self.failure(
            f"the endpoint {self._target.url} cannot be reached",
            "a server that takes connections there",
            str(error) or type(error).__name__,
            "start the server, or correct --endpoint URL",
        )

    def _broken(self, method: str, path: str, error: Exception) -> RunError:
        return self.failure(
            f"the connection to the endpoint broke during {method} {path}",
            "a whole answer",
            f"{type(error).__name__}: {error}".rstrip(": "),
        )


_FIXES = {
    401: "give what it asks for: --backend-option token=TOKEN, or http://USER:PASSWORD@HOST",
    403: "give what it asks for: --backend-option token=TOKEN, or http://USER:PASSWORD@HOST",
    404: "correct the path in --endpoint URL, or the model's name with --backend-option model=NAME",
    413: "send less at once: --max-batchsize N",
    429: "ask it less at once with --backend-option in_flight=N, or allow --backend-option retries=N",
    503: "ask it less at once with --backend-option in_flight=N, or allow --backend-option retries=N",
}
