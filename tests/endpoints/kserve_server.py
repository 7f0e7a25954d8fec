"""Serves ONNX models by the open inference protocol: ``python -m tests.endpoints.kserve_server NAME=FILE ...``."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import onnxruntime

from tests.endpoints.http_server import Handler, Reply, Request, serve_forever

DATATYPES = {
    "tensor(float)": ("FP32", np.float32),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(int32)": ("INT32", np.int32),
}
NUMPY = dict(DATATYPES.values())
HEADER_LENGTH = "Inference-Header-Content-Length"
JSON = {"Content-Type": "application/json"}


def as_json(document: object, status: int = 200) -> Reply:
    return Reply(status, JSON, json.dumps(document).encode())


class Server:
    """A server of some ONNX files; with `binary`, tensors may be bytes."""

    def __init__(self, models: dict[str, str], *, binary: bool = True) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._sessions = {name: onnxruntime.InferenceSession(file, options) for name, file in models.items()}
        self._binary = binary

    def __call__(self, request: Request) -> Reply:
        path = request.path.partition("?")[0]
        if path == "/v2":
            extensions = ["binary_tensor_data"] if self._binary else []
            return as_json({"name": "test-server", "version": "1.0", "extensions": extensions})
        name, _, action = path.removeprefix("/v2/models/").partition("/")
        if name not in self._sessions or action not in ("", "infer"):
            return as_json({"error": f"unknown path {path}"}, 404)
        session = self._sessions[name]
        return self._infer(session, request) if action else as_json(metadata(name, session))

    def _infer(self, session: Any, request: Request) -> Reply:
        length = int(request.headers.get(HEADER_LENGTH.lower(), len(request.body)))
        asked, raw = json.loads(request.body[:length]), request.body[length:]
        inputs = {}
        for tensor in asked["inputs"]:
            dtype, size = NUMPY[tensor["datatype"]], tensor.get("parameters", {}).get("binary_data_size")
            if size is None:
                inputs[tensor["name"]] = np.array(tensor["data"], dtype).reshape(tensor["shape"])
            else:
                inputs[tensor["name"]] = np.frombuffer(raw[:size], dtype).reshape(tensor["shape"])
                raw = raw[size:]
        names = [output["name"] for output in asked["outputs"]]
        outputs, behind = [], b""
        for described, value in zip(asked["outputs"], session.run(names, inputs), strict=True):
            kind = next(datatype for datatype, dtype in DATATYPES.values() if value.dtype == dtype)
            output = {"name": described["name"], "datatype": kind, "shape": list(value.shape)}
            if described.get("parameters", {}).get("binary_data"):
                output["parameters"] = {"binary_data_size": value.nbytes}
                behind += value.tobytes()
            else:
                output["data"] = value.ravel().tolist()
            outputs.append(output)
        header = json.dumps({"outputs": outputs}).encode()
        return Reply(200, {HEADER_LENGTH: str(len(header))} if behind else JSON, header + behind)


def metadata(name: str, session: Any) -> dict[str, object]:
    def tensor(value: Any) -> dict[str, object]:
        shape = [length if isinstance(length, int) else -1 for length in value.shape]
        return {"name": value.name, "datatype": DATATYPES[value.type][0], "shape": shape}

    return {
        "name": name,
        "platform": "onnxruntime_onnx",
        "inputs": [tensor(value) for value in session.get_inputs()],
        "outputs": [tensor(value) for value in session.get_outputs()],
    }


def main() -> None:
    arguments = sys.argv[1:]
    models = dict(each.partition("=")[::2] for each in arguments if not each.startswith("--"))
    handler: Handler = Server(models, binary="--json" not in arguments)
    serve_forever(handler)


if __name__ == "__main__":
    main()
