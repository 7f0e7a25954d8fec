"""KServe: tensors over HTTP, by the open inference protocol v2, to a server that runs the model."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.backends.model_file import ENDPOINT
from pytest_mlperf.backends.remote.model import REQUIREMENTS, RemoteModel
from pytest_mlperf.backends.remote.target import read_target
from pytest_mlperf.backends.remote.tensors import DTYPES, MismatchError, Names, decode, described, fits, split
from pytest_mlperf.errors import ModelError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_mlperf.backends.base import Inputs, Outputs
    from pytest_mlperf.backends.model_file import Graph, ModelFile, Tensor
    from pytest_mlperf.backends.remote.target import Target

TIMEOUT = 60.0
BINARY = "binary_tensor_data"
_PATH = "/v2/models/"


class KServeModel(RemoteModel):
    """The graphs of a model at an endpoint, each a model of the server's; outputs are in the `ModelFile`'s order.

    Parameters
    ----------
    target
        The endpoint.
    model
        The graphs.
    names
        The name of the server's model, by that of the graph.
    binary
        Whether tensors are sent as bytes; None: if the server says that it takes them.
    """

    def __init__(self, target: Target, model: ModelFile, names: Mapping[str, str], *, binary: bool | None) -> None:
        super().__init__(target, "open inference protocol v2")
        self._graphs: dict[str, tuple[str, Names]] = {}
        self._binary = bool(binary)
        self.open(lambda: self._look(names, model, binary))

    async def _infer(self, inputs: Inputs, graph: str, first: Callable[[int, NDArray[Any]], None]) -> Outputs:
        del first  # a graph has no tokens
        path, names = self._graphs[graph]
        request = names.encode(inputs, binary=self._binary)
        answer = await self._http.post(path, request.body, request.headers)
        try:
            document, raw = split(answer.body, answer.headers)
            return decode(names, self._http.parse(document, f"POST {path}"), raw)
        except MismatchError as fault:
            raise self._http.failure(
                f"the endpoint's answer to POST {path} is not the benchmark's", fault.expected, fault.found
            ) from fault

    async def _look(self, names: Mapping[str, str], model: ModelFile, binary: bool | None) -> None:
        server = _mapping(await self._http.get("/v2", optional=True))
        extensions = server.get("extensions")
        has_binary = isinstance(extensions, list) and BINARY in extensions
        self._binary = has_binary if binary is None else binary
        self.runtime = " ".join(str(server[key]) for key in ("name", "version") if server.get(key))
        batches: list[int] = []
        for graph in model.graphs:
            path = _PATH + names[graph.name]
            found = _mapping(await self._http.get(path))
            self._graphs[graph.name] = f"{path}/infer", self._named(path, graph, found)
            lengths = (shape[0] for shape in _input_shapes(graph, found) if shape)
            batches += [length for length in lengths if length is not None and length > 0]
            # Triton's; the metadata do not have it.
            limit = _mapping(await self._http.get(f"{path}/config", optional=True)).get("max_batch_size")
            batches += [limit] if isinstance(limit, int) and limit > 0 else []
        self.max_batch = min(batches) if batches else None

    def _named(self, path: str, graph: Graph, found: Mapping[str, Any]) -> Names:
        inputs = self._matched(path, "input", graph.inputs, found.get("inputs"), exactly=True)
        outputs = self._matched(path, "output", graph.outputs, found.get("outputs"), exactly=False)
        names = {tensor.name: name for tensor, name in zip(graph.inputs, inputs, strict=True)}
        return Names(graph, names, outputs)

    def _matched(self, path: str, kind: str, wanted: Sequence[Tensor], found: object, *, exactly: bool) -> list[str]:
        """Return the endpoint's names of tensors: those of the benchmark's file, or the benchmark's own."""
        listed = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        there = {str(each.get("name")): each for each in listed}
        names = []
        for tensor in wanted:
            name = next((name for name in (tensor.in_file, tensor.name) if name in there), None)
            if name is None or not _agrees(tensor, there[name]):
                raise self._contract(path, kind, wanted, listed)
            names.append(name)
        if exactly and len(names) != len(there):
            raise self._contract(path, kind, wanted, listed)
        return names

    def _contract(
        self, path: str, kind: str, wanted: Sequence[Tensor], found: Sequence[Mapping[str, Any]]
    ) -> ModelError:
        return ModelError(
            f"{path} of the endpoint is not a model of this benchmark: its {kind}s differ",
            expected=f"{kind}s: " + ", ".join(described(t.in_file, t.dtype, t.shape) for t in wanted),
            found=", ".join(described(str(t.get("name")), t.get("datatype"), t.get("shape")) for t in found) or "none",
            fix="serve the benchmark's model, or name another with --backend-option model=NAME",
        )


class KServe:
    """A server that speaks the open inference protocol v2 over HTTP: KServe, Triton, OpenVINO, MLServer."""

    devices: tuple[str, ...] = (REMOTE,)
    formats: tuple[str, ...] = (ENDPOINT,)
    requirements: tuple[str, ...] = REQUIREMENTS

    def __init__(self) -> None:
        self._server = ""

    def load(
        self, file: Path | str, model: ModelFile, device: str, threads: int, options: Mapping[str, str]
    ) -> KServeModel:
        """Find the model at an address; see `pytest_mlperf.backends.base.Backend.load`.

        A model of several graphs is several models there, with the graph's name behind the model's: ``rnnt_encoder``.
        """
        del device, threads
        address, _, named = str(file).partition(_PATH)
        more = {"binary": "yes or no: tensors as bytes; default: as the server says"}
        # The query and the secrets of the address stand behind the model's name.
        tail = named.partition("?")
        target = read_target(f"{address}{tail[1]}{tail[2]}", options, "kserve", timeout=TIMEOUT, more=more)
        name = target.model or tail[0].strip("/")
        if not name:
            raise OptionError(
                f"the model at the endpoint {target.url} is not named",
                expected="http://HOST:PORT/v2/models/NAME",
                found=target.url,
                fix="name it in --endpoint, or with --backend-option model=NAME",
            )
        names = {graph.name: _of_graph(name, graph) for graph in model.graphs}
        found = KServeModel(target, model, names, binary=_yes(options.get("binary")))
        self._server = found.server
        return found

    def versions(self) -> Mapping[str, str]:
        """Return the client's version, and what the server calls itself."""
        return {"aiohttp": version("aiohttp"), **({"server": self._server} if self._server else {})}


def _of_graph(name: str, graph: Graph) -> str:
    """Return the name of a graph's model; a version stays at its end."""
    if not graph.name:
        return name
    model, versions, number = name.partition("/versions/")
    return f"{model}_{graph.name}{versions}{number}"


def _yes(text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() not in ("yes", "no"):
        raise OptionError(
            f"--backend-option: binary cannot be {text!r}", expected="yes or no", found=text, fix="correct it"
        )
    return text.lower() == "yes"


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _input_shapes(graph: Graph, found: Mapping[str, Any]) -> list[Sequence[int | None]]:
    """Return the shapes of the inputs, by the benchmark and by the endpoint: either may fix the batch."""
    return [tensor.shape for tensor in graph.inputs] + [each["shape"] for each in found["inputs"]]


def _agrees(tensor: Tensor, found: Mapping[str, Any]) -> bool:
    return DTYPES.get(str(found.get("datatype"))) == tensor.dtype and fits(tensor.shape, found.get("shape"))
