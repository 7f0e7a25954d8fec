"""Models good and bad for the backend pytorch: a script for an interpreter with torch. It prints what happened as JSON.

python pytorch_cases.py DIRECTORY
"""

from __future__ import annotations

import json
import os
import sys
import threading
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from pytest_mlperf.backends.model_file import Graph, ModelFile, Tensor
from pytest_mlperf.backends.pytorch import PyTorch
from pytest_mlperf.backends.pytorch_networks.rnnt import Encoder, Joint, Prediction
from pytest_mlperf.benchmarks.rnnt import Sizes, graphs
from pytest_mlperf.errors import MLPerfError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_mlperf.backends.pytorch import PyTorchModel

SIDE = 8
GRAPH = Graph((Tensor("images", "float32", (None, 3, SIDE, SIDE)),), (Tensor("scores", "float32", (None, 5)),))
IMAGES = np.random.default_rng(0).random((6, 3, SIDE, SIDE), np.float32)
CASES: dict[str, Callable[[Path], Any]] = {}


def case(function: Callable[[Path], Any]) -> Callable[[Path], Any]:
    CASES[function.__name__] = function
    return function


class Network(nn.Module):  # type: ignore[misc] # torch is not followed
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.linear = nn.Linear(16, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.relu(self.conv(images)).mean((2, 3)))


class Evil:
    """What unpickling it does is seen afterwards."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def network() -> Network:
    torch.manual_seed(0)
    made: Network = Network().eval()
    return made


def exported(path: Path, batch: int | None = None, side: int = SIDE) -> Path:
    open_batch = None if batch else ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(network(), (torch.rand(batch or 2, 3, side, side),), dynamic_shapes=open_batch)
    torch.export.save(program, path)
    return path


def load(
    path: Path, graph: Graph = GRAPH, device: str = "cpu", precision: str = "fp32", threads: int = 1, **options: str
) -> PyTorchModel:
    return PyTorch().load(path, ModelFile("pytorch", precision, path, (graph,)), device, threads, options)


def answers(model: PyTorchModel, count: int = 6) -> Any:
    [scores] = model.run({"images": IMAGES[:count]})
    return scores


def expected(count: int = 6) -> Any:
    with torch.no_grad():
        return network()(torch.from_numpy(IMAGES[:count])).numpy()


def off(found: Any, wanted: Any) -> float:
    return float(np.abs(found - wanted).max())


@case
def an_exported_program_runs_any_batch(directory: Path) -> Any:
    model = load(exported(directory / "model.pt2"))
    worst = max(off(answers(model, count), expected(count)) for count in (1, 2, 6))
    return [worst, model.max_batch, model.device, list(model.weight_types), model.precision]


@case
def a_fixed_batch_is_filled_up_and_no_more_is_taken(directory: Path) -> Any:
    model = load(exported(directory / "model.pt2", batch=4))
    found = answers(model, 3)
    return [off(found, expected(3)), list(found.shape), model.max_batch]


@case
def torchscript_runs(directory: Path) -> Any:
    torch.jit.trace(network(), torch.from_numpy(IMAGES)).save(str(directory / "model.pt"))
    model = load(directory / "model.pt")
    return [off(answers(model), expected()), list(model.weight_types)]


@case
def in_bf16_the_answers_are_near_and_not_the_same(directory: Path) -> Any:
    model = load(exported(directory / "model.pt2"), precision="bf16")
    found = answers(model)
    return [off(found, expected()), str(found.dtype), list(model.weight_types), model.precision]


@case
def options_change_no_answer(directory: Path) -> Any:
    path = exported(directory / "model.pt2")
    return off(answers(load(path, channels_last="false", keep_memory="false")), answers(load(path)))


@case
def compiled_it_gives_the_same(directory: Path) -> Any:
    model = load(exported(directory / "model.pt2"), compile="true")
    return max(off(answers(model, count), expected(count)) for count in (2, 6))


@case
def streams_have_their_own_threads(directory: Path) -> Any:
    path = exported(directory / "model.pt2")
    one, two = load(path, threads=1), load(path, threads=2)
    seen: dict[str, list[int]] = {}
    wrong: list[float] = []
    wanted = expected()

    def work(name: str, models: list[PyTorchModel]) -> None:
        for _ in range(20):
            for model in models:
                wrong.append(off(answers(model), wanted))
                seen.setdefault(name, []).append(torch.get_num_threads())

    threads = [
        threading.Thread(target=work, args=each) for each in (("one", [one]), ("two", [two]), ("both", [one, two]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [{name: sorted(set(values)) for name, values in seen.items()}, seen["both"][:4], max(wrong)]


@case
def a_closed_model_has_no_weights(directory: Path) -> Any:
    model = load(exported(directory / "model.pt2"))
    model.close()
    try:
        answers(model)
    except KeyError:
        return "closed"
    return "open"


@case
def a_pickle_is_refused_and_not_run(directory: Path) -> Any:
    torch.save({"state_dict": {"weight": Evil(directory / "mark")}}, directory / "model.pth")
    return refusal(lambda: load(directory / "model.pth"), directory / "mark")


@case
def a_whole_module_is_refused(directory: Path) -> Any:
    torch.save(network(), directory / "model.pth")
    return refusal(lambda: load(directory / "model.pth"))


@case
def a_pickle_in_an_exported_program_is_refused_and_not_run(directory: Path) -> Any:
    whole, changed = exported(directory / "model.pt2"), directory / "changed.pt2"
    torch.save(Evil(directory / "mark"), directory / "evil.pt")
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_STORED) as new:
        replaced = 0
        for name in old.namelist():
            evil = "sample_inputs" in name and name.endswith(".pt")
            replaced += evil
            new.writestr(name, (directory / "evil.pt").read_bytes() if evil else old.read(name))
    assert replaced == 1
    return refusal(lambda: load(changed), directory / "mark")


@case
def a_program_of_another_size_is_refused(directory: Path) -> Any:
    return refusal(lambda: load(exported(directory / "model.pt2", side=SIDE + 4)))


@case
def a_program_with_another_output_is_refused(directory: Path) -> Any:
    more = Graph(GRAPH.inputs, (Tensor("classes", "int64", (None,)),))
    return refusal(lambda: load(exported(directory / "model.pt2"), more))


@case
def torchscript_of_other_inputs_is_refused(directory: Path) -> Any:
    torch.jit.trace(nn.Linear(4, 5), torch.rand(2, 4)).save(str(directory / "model.pt"))
    return refusal(lambda: load(directory / "model.pt"))


@case
def torchscript_of_other_outputs_is_refused(directory: Path) -> Any:
    torch.jit.trace(nn.Flatten(), torch.from_numpy(IMAGES)).save(str(directory / "model.pt"))
    return refusal(lambda: load(directory / "model.pt"))


@case
def what_is_no_model_is_refused(directory: Path) -> Any:
    (directory / "text.pt").write_text("not a model")
    return refusal(lambda: load(directory / "text.pt"))


@case
def half_a_file_is_refused(directory: Path) -> Any:
    whole = exported(directory / "model.pt2").read_bytes()
    (directory / "half.pt2").write_bytes(whole[: len(whole) // 2])
    return refusal(lambda: load(directory / "half.pt2"))


@case
def a_missing_file_is_refused(directory: Path) -> Any:
    return refusal(lambda: load(directory / "none.pt2"))


@case
def a_state_dict_of_no_known_network_is_refused(directory: Path) -> Any:
    torch.save(network().state_dict(), directory / "model.pth")
    return refusal(lambda: load(directory / "model.pth"))


def speech(path: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> ModelFile:
    torch.manual_seed(0)
    whole = nn.ModuleDict({"encoder": Encoder(240, 8, 1, 1), "prediction": Prediction(4, 1), "joint": Joint(12, 6)})
    state = dict(whole.state_dict())
    change(state)
    torch.save({"state_dict": state}, path)
    return ModelFile("pytorch", "fp32", path, graphs(Sizes(8, 4, 1)))


@case
def a_state_dict_becomes_its_networks_graphs(directory: Path) -> Any:
    path = directory / "model.pth"
    model = PyTorch().load(path, speech(path), "cpu", 1, {})
    features, lengths = np.ones((2, 7, 240), np.float32), np.array([7, 4])
    [encoded] = model.run({"features": features, "lengths": lengths}, "encoder")
    state = np.zeros((2, 1, 4), np.float32)
    made = model.run({"label": np.array([28, 3]), "hidden": state, "cell": state}, "prediction")
    [logits] = model.run({"encoded": encoded[:, 0], "predicted": made[0]}, "joint")
    return [list(encoded.shape), [list(each.shape) for each in made], list(logits.shape)]


@case
def a_state_dict_that_lacks_a_weight_is_refused(directory: Path) -> Any:
    file = speech(directory / "model.pth", lambda state: state.pop("joint.net.3.bias"))
    return refusal(lambda: PyTorch().load(directory / "model.pth", file, "cpu", 1, {}))


@case
def a_state_dict_with_another_weight_is_refused(directory: Path) -> Any:
    file = speech(directory / "model.pth", lambda state: state.update({"joint.extra": torch.zeros(1)}))
    return refusal(lambda: PyTorch().load(directory / "model.pth", file, "cpu", 1, {}))


@case
def a_weight_of_another_shape_is_refused(directory: Path) -> Any:
    file = speech(directory / "model.pth", lambda state: state.update({"joint.net.3.bias": torch.zeros(30)}))
    return refusal(lambda: PyTorch().load(directory / "model.pth", file, "cpu", 1, {}))


@case
def cuda_without_a_gpu_is_refused(directory: Path) -> Any:
    if torch.cuda.is_available():
        return "there is a GPU"
    path = exported(directory / "model.pt2")
    return [refusal(partial(load, path, device=each)) for each in ("cuda", "cuda:1")]


@case
def fp16_on_the_cpu_is_refused(directory: Path) -> Any:
    return refusal(lambda: load(exported(directory / "model.pt2"), precision="fp16"))


@case
def compiling_without_a_compiler_is_refused(directory: Path) -> Any:
    path, kept = exported(directory / "model.pt2"), dict(os.environ)
    os.environ.pop("CXX", None)
    os.environ["PATH"] = str(directory)
    try:
        return refusal(lambda: load(path, compile="true"))
    finally:
        os.environ.update(kept)


def refusal(load_it: Callable[[], object], mark: Path | None = None) -> Mapping[str, Any]:
    """Return the error of a load, and whether it executed what it must not."""
    try:
        load_it()
    except MLPerfError as error:
        found = {"error": type(error).__name__, "what": error.what, "expected": error.expected, "found": error.found}
        return {**found, "fix": error.fix, "executed": mark is not None and mark.exists()}
    return {"error": "none", "executed": mark is not None and mark.exists()}


def main(directory: Path) -> None:
    results = {}
    for name, function in CASES.items():
        place = directory / name
        place.mkdir()
        try:
            results[name] = function(place)
        except Exception as error:  # shown by the test of that case
            results[name] = f"{type(error).__name__}: {error}"
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
