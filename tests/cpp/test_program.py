"""What the program says, and how it ends, reaches the process that prepares; the programs here are scripts."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.benchmarks import resnet50
from pytest_mlperf.cpp.program import Program, Setup
from pytest_mlperf.cpp.sample_file import SampleFile
from pytest_mlperf.errors import ModelError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

GRAPH = resnet50.class_graph(48)
HEAD = f"""#!{sys.executable}
import os, socket, sys
from pytest_mlperf.cpp.channel import Channel
channel = Channel(socket.socket(fileno=int(sys.argv[1])))
setup = channel.receive()
"""


class Unreadable:
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        raise FileNotFoundError(2, "No such file or directory", f"image-{index}.jpg")


@pytest.fixture
def start(tmp_path: Path) -> Callable[[str], Program]:
    def start(body: str) -> Program:
        script = tmp_path / "program"
        script.write_text(HEAD + textwrap.dedent(body))
        script.chmod(0o755)
        samples = SampleFile(resnet50.TINY, GRAPH.inputs, Unreadable(), 1)
        setup = Setup(Path("libx.so"), Path("m.onnx"), "cpu", {"a.b": "1"}, GRAPH, ("label", "-1"))
        return Program(str(script), setup, samples)

    return start


def test_the_setup_is_what_the_program_reads(start: Callable[[str], Program]) -> None:
    program = start("channel.send(['done']); channel.receive(); channel.send(['done', *setup[1:]])")
    assert program.request("echo") == [
        *("3", "libx.so", "m.onnx", "cpu", "1", "a.b", "1"),
        *("1", "input_tensor:0", "float32", "4", "-1", "3", "48", "48"),
        *("1", "ArgMax:0", "int64", "1", "-1"),
        *("label", "-1"),
    ]
    program.close()


def test_a_fault_has_the_class_that_the_program_names(start: Callable[[str], Program]) -> None:
    with pytest.raises(ModelError) as error:
        start("channel.send(['fault', 'ModelError', 'a', 'b', 'c', 'd'])")
    assert (error.value.what, error.value.expected, error.value.found, error.value.fix) == ("a", "b", "c", "d")


@pytest.mark.parametrize(("kind", "raised"), [("", RuntimeError), ("MemoryError", MemoryError), ("os", RuntimeError)])
def test_any_other_fault_is_no_users(start: Callable[[str], Program], kind: str, raised: type[Exception]) -> None:
    with pytest.raises(raised, match="what it says"):
        start(f"channel.send(['fault', '{kind}', 'what it says', '', '', ''])")


def test_an_end_without_a_word_is_said(start: Callable[[str], Program]) -> None:
    with pytest.raises(RunError, match="the C\\+\\+ program ended before its test") as error:
        start("sys.exit(3)")
    assert error.value.found == "exit code 3"


def test_a_sample_that_cannot_be_read_is_the_error(start: Callable[[str], Program]) -> None:
    program = start("channel.send(['done']); channel.receive(); channel.send(['load', '2']); channel.receive()")
    with pytest.raises(FileNotFoundError, match="image-2"):
        program.request("test")
    program.close()


def test_what_the_program_said_before_its_end_is_not_lost(start: Callable[[str], Program]) -> None:
    program = start("channel.send(['done']); channel.send(['fault', '', 'in a thread', '', '', '']); sys.exit(70)")
    program._process.wait()
    with pytest.raises(RuntimeError, match="in a thread"):
        program.request("test")
