"""A model's digest covers every file that a runtime reads for it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pytest_mlperf.backends.model_content import model_content
from pytest_mlperf.backends.onnx_external_data import external_data
from pytest_mlperf.errors import ModelError
from tests.test_retinanet_tiny_model import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def outside(location: str) -> onnx.TensorProto:
    """Return a tensor whose bytes are in another file."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), location)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=location)
    return tensor


def graph(*locations: str) -> onnx.GraphProto:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])
    return helper.make_graph([], "g", [value], [value], [outside(each) for each in locations])


def in_initializers(model: onnx.ModelProto) -> None:
    model.graph.initializer.extend([outside("w.bin"), outside("w.bin")])


def in_a_constant(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=outside("w.bin")))


def in_a_branch(model: onnx.ModelProto) -> None:
    node = helper.make_node("If", ["x"], ["y"], then_branch=graph("w.bin"), else_branch=graph())
    model.graph.node.append(node)


def in_a_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=outside("w.bin"))
    model.functions.append(helper.make_function("d", "f", [], ["c"], [node], [helper.make_opsetid("", 13)]))


def in_a_sparse_tensor(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add(values=outside("w.bin"), indices=outside("w.bin"), dims=[4])


def in_a_list_of_tensors(model: onnx.ModelProto) -> None:
    model.graph.node.add(op_type="Own").attribute.add(name="each", tensors=[outside("w.bin")])


PLACES = (in_initializers, in_a_constant, in_a_branch, in_a_function, in_a_sparse_tensor, in_a_list_of_tensors)


def saved(path: Path, place: Callable[[onnx.ModelProto], None]) -> Path:
    model = helper.make_model(graph())
    place(model)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_found_wherever_a_tensor_can_be(tmp_path: Path, place: Callable[..., None]) -> None:
    assert external_data(saved(tmp_path / "model.onnx", place)) == ["w.bin"]


def test_a_group_which_readers_skip_hides_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.onnx", in_initializers)
    number = 1000 << 3
    group = [number | 3, 8, 1, number | 4]  # start, a field in it, end
    encoded = b"".join(bytes([each & 0x7F | 0x80, each >> 7]) if each > 127 else bytes([each]) for each in group)
    path.write_bytes(encoded + path.read_bytes())
    onnx.load(path, load_external_data=False)
    assert external_data(path) == ["w.bin"]


def test_a_model_without_external_data_has_the_digest_of_its_file(tmp_path: Path) -> None:
    assert external_data(MODEL) == []
    assert model_content(MODEL, "onnx").sha256 == hashlib.sha256(MODEL.read_bytes()).hexdigest()
    (tmp_path / "text.onnx").write_text("location, location, location")
    assert external_data(tmp_path / "text.onnx") == []


def test_external_data_is_in_the_digest_and_another_directory_has_the_same(tmp_path: Path) -> None:
    digests = []
    for name, weights in (("one", b"0" * 16), ("two", b"0" * 16), ("three", b"1" * 16)):
        (tmp_path / name).mkdir()
        path = saved(tmp_path / name / "model.onnx", in_initializers)
        (path.parent / "w.bin").write_bytes(weights)
        (path.parent / "w.txt").write_text(name)  # no part of it
        digests.append(model_content(path, "onnx").sha256)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("location", ["../w.bin", "/w.bin", "a/../../w.bin", ""])
def test_external_data_outside_of_the_directory_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    (tmp_path / "inside" / "a").mkdir(parents=True)
    path = tmp_path / "inside" / "model.onnx"
    path.write_bytes(helper.make_model(graph(location)).SerializeToString())
    with pytest.raises(ModelError, match=f"expected: external data below that directory; found: .*'{location}'"):
        model_content(path, "onnx")


def test_missing_external_data_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.onnx", in_a_branch)
    with pytest.raises(ModelError, match=r"expected: a file w.bin beside it; found: nothing"):
        model_content(path, "onnx")


def test_a_directory_counts_with_all_that_is_in_it(tmp_path: Path) -> None:
    saved(tmp_path / "decoder.onnx", in_initializers)
    (tmp_path / "w.bin").write_bytes(bytes(16))
    before = model_content(tmp_path, "onnx", ["decoder.onnx"])
    (tmp_path / "vocabulary.txt").write_text("a b c")
    assert before.change() is not None
    assert model_content(tmp_path, "onnx", ["decoder.onnx"]).sha256 != before.sha256
    (tmp_path / "w.bin").unlink()
    with pytest.raises(ModelError, match=r"w\.bin"):
        model_content(tmp_path, "onnx", ["decoder.onnx"])
