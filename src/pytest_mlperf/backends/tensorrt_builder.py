"""Looks for TensorRT and a GPU, and builds an engine: a program of its own, which needs nothing of this package.

    python -I tensorrt_builder.py look DEVICE
    python -I tensorrt_builder.py build JOB

DEVICE is a GPU's number, and JOB is JSON with the fields of `Job`. The last line of the output is JSON with the fields
of `Seen`, or of `Found`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ENGINE = "model.engine"
#: Beside an engine, what it cannot be asked for.
BUILT = "built.json"
#: From this version on all networks are strongly typed: what has no 16-bit types in its file is not run in them.
STRONGLY_TYPED_ALONE = 11
#: What `Seen.lacks` may be.
TENSORRT, CUDA_BINDINGS, GPU, DEVICE = "tensorrt", "cuda-bindings", "gpu", "device"
#: TensorRT's names of element types, and numpy's.
DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT64": "int64",
    "INT32": "int32",
    "UINT8": "uint8",
    "INT8": "int8",
    "BOOL": "bool",
}
#: By precision, the names of its flag and of its type.
REDUCED = {"fp16": ("FP16", "float16"), "bf16": ("BF16", "bfloat16")}
#: The layers with weights, or products of activations: those that take the time.
HEAVY = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")


@dataclass(frozen=True)
class Seen:
    """What there is to build an engine with.

    Attributes
    ----------
    lacks, said
        What is missing, empty if nothing is: one of the four constants above; and what said so.
    tensorrt, cuda
        The versions of TensorRT, and of the newest CUDA that the driver supports: 13000 for 13.0.
    count, name, capability
        How many GPUs there are, and the name and the compute capability of the one asked for.
    """

    lacks: str = ""
    said: str = ""
    tensorrt: str = ""
    cuda: int = 0
    count: int = 0
    name: str = ""
    capability: str = ""


@dataclass(frozen=True)
class Job:
    """What is built.

    Attributes
    ----------
    model, engine
        The ONNX file, and where the engine goes.
    device, precision
        The number of the GPU, and ``fp32``, ``fp16``, ``bf16`` or ``int8``.
    inputs, outputs
        The inputs' names in the file with their shapes, in which None is the batch, and the names of the outputs that
        are wanted.
    batch
        The largest batch, where it is not fixed.
    """

    model: str
    engine: str
    device: int
    precision: str
    inputs: dict[str, list[int | None]]
    outputs: list[str]
    batch: int


@dataclass(frozen=True)
class Found:
    """What was found in the model: name, element type and shape of each input and output.

    A length in a shape is None if it may vary. ``fault`` is why there is no engine; it is empty if there is one.
    """

    inputs: list[tuple[str, str, list[int | None]]]
    outputs: list[tuple[str, str, list[int | None]]]
    fault: str = ""


class CudaError(RuntimeError):
    """A function of CUDA failed."""


def checked(answer: tuple[Any, ...]) -> Any:
    """Return what a function of cuda.bindings.runtime gives besides its status: a value, several, or None.

    Raises
    ------
    CudaError
        The status is an error.
    """
    status, *values = answer
    if int(status) != 0:
        raise CudaError(str(getattr(status, "name", status)))
    return values[0] if len(values) == 1 else tuple(values) or None


def look(device: int) -> Seen:
    """Return what this interpreter and this machine have."""
    try:
        import tensorrt
    except (ImportError, OSError) as error:  # OSError: a library that it is linked with
        return Seen(TENSORRT, _said(error))
    version = str(tensorrt.__version__)
    try:
        from cuda.bindings import runtime as cuda
    except (ImportError, OSError) as error:
        return Seen(CUDA_BINDINGS, _said(error), version)
    try:
        count = checked(cuda.cudaGetDeviceCount())
        supported = checked(cuda.cudaDriverGetVersion())
        if count == 0:
            return Seen(GPU, "the driver has none", version, supported)
        if device >= count:
            return Seen(DEVICE, f"{count} GPUs", version, supported, count)
        found = checked(cuda.cudaGetDeviceProperties(device))
    except RuntimeError as error:  # a CudaError, or the driver's library cannot be loaded
        return Seen(GPU, _said(error), version)
    name = found.name.decode() if isinstance(found.name, bytes) else str(found.name)
    return Seen("", "", version, supported, count, name.rstrip("\0"), f"{found.major}.{found.minor}")


def build_engine(job: Job) -> Found:
    """Write the engine of a model."""
    import tensorrt as trt
    from cuda.bindings import runtime as cuda

    inputs: list[Any] = []
    outputs: list[Any] = []
    heard: list[str] = []
    try:
        checked(cuda.cudaSetDevice(job.device))
        logger = listener(trt, heard)
        builder = trt.Builder(logger)
        network = builder.create_network(_typing(trt, job.precision))
        _read(trt, network, job.model, logger)
        given = [network.get_input(place) for place in range(network.num_inputs)]
        made = [network.get_output(place) for place in range(network.num_outputs)]
        inputs += map(_described, given)
        outputs += map(_described, made)
        for tensor in made:
            if tensor.name not in job.outputs:  # nobody reads it
                network.unmark_output(tensor)
        config = builder.create_builder_config()
        # Else convolutions and products of fp32 are rounded to the 10 bits of TF32.
        config.clear_flag(trt.BuilderFlag.TF32)
        if job.precision in REDUCED:
            _reduce(trt, network, config, job.precision)
        for shapes in profiles(job, {tensor.name: tuple(tensor.shape) for tensor in given}):
            profile = builder.create_optimization_profile()
            for name, bounds in shapes.items():
                profile.set_shape(name, *bounds)
            config.add_optimization_profile(profile)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            return Found(inputs, outputs, _last(heard))
        with Path(job.engine).open("wb") as file:
            file.write(plan)
        Path(job.engine).with_name(BUILT).write_text(json.dumps({"precision": job.precision}), "utf-8")
    except Exception as error:  # TensorRT's own have no common class; any of them is about this model or this GPU
        return Found(inputs, outputs, " ".join(dict.fromkeys([_said(error), *heard[-1:]])))
    return Found(inputs, outputs)


def profiles(job: Job, in_file: dict[str, tuple[int, ...]]) -> list[dict[str, tuple[tuple[int, ...], ...]]]:
    """Return for each optimization profile the least, best and largest shape by input; none if all lengths are fixed.

    One sample is a profile of its own: what is best for a large batch is not for it.
    """
    if not any(length < 0 for shape in in_file.values() for length in shape):
        return []

    def at(batch: int) -> dict[str, tuple[int, ...]]:
        return {name: tuple(batch if n is None else n for n in shape) for name, shape in job.inputs.items()}

    one, most = at(1), at(job.batch)
    if one == most:
        return [{name: (one[name],) * 3 for name in one}]
    return [{name: (one[name],) * 3 for name in one}, {name: (one[name], most[name], most[name]) for name in one}]


def listener(trt: Any, heard: list[str]) -> Any:
    """Return a logger of TensorRT's that keeps its errors in a list."""
    severity = trt.ILogger.Severity

    class Listener(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, level: Any, text: str) -> None:
            """Keep a line, and write it to the run's log, if it is about an error."""
            if level in (severity.INTERNAL_ERROR, severity.ERROR):
                heard.append(text.strip()[:300])
                sys.stderr.write(f"TensorRT: {text}\n")

    return Listener()


def _typing(trt: Any, precision: str) -> int:
    """Return the flags of a network: with the types of the file alone, unless some layers are to have others."""
    return 0 if precision in REDUCED else 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _read(trt: Any, network: Any, model: str, logger: Any) -> None:
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(model):
        errors = [parser.get_error(place).desc() for place in range(parser.num_errors)]
        raise ValueError("; ".join(dict.fromkeys(errors)) or "TensorRT cannot read it")


def _reduce(trt: Any, network: Any, config: Any, precision: str) -> None:
    """Have each layer that takes time computed in a precision: the flag alone lets TensorRT choose."""
    flag, dtype = REDUCED[precision]
    config.set_flag(getattr(trt.BuilderFlag, flag))
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for place in range(network.num_layers):
        layer = network.get_layer(place)
        if str(layer.type).rpartition(".")[2] in HEAVY and layer.get_output(0).dtype == trt.float32:
            layer.precision = getattr(trt, dtype)


def _described(tensor: Any) -> tuple[str, str, list[int | None]]:
    return tensor.name, dtype_name(tensor.dtype), [length if length >= 0 else None for length in tensor.shape]


def dtype_name(dtype: Any) -> str:
    """Return numpy's name of an element type of TensorRT's."""
    name = str(dtype).rpartition(".")[2]
    return DTYPES.get(name, name)


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or ["no reason"]
    return f"{type(error).__name__}: {lines[0]}"[:500]


def _last(heard: list[str]) -> str:
    return heard[-1] if heard else "TensorRT gave no engine, and no reason"


def main(action: str, argument: str) -> None:
    """Print what was found."""
    found = look(int(argument)) if action == "look" else build_engine(Job(**json.loads(argument)))
    sys.stdout.write(f"\n{json.dumps(asdict(found))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
