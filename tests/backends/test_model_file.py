"""What the user gives for a model that is made from another file is one or the other by its form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.backends.base import Traits
from pytest_mlperf.backends.model_file import ModelFile
from pytest_mlperf.origin import Derived, Url

if TYPE_CHECKING:
    from pytest_mlperf.artifacts.recipe import LocalRecipe


def recipe(model: Path, sha256: str, python: str) -> LocalRecipe:
    raise NotImplementedError


CUT = Derived(Path("whole.onnx"), recipe)
CONVERTED = ModelFile("tflite", "fp32", Derived(CUT, recipe, source_format="onnx"))


def test_a_file_of_the_first_format_takes_all_steps() -> None:
    assert CONVERTED.origin == Path("whole.onnx")
    given = CONVERTED.at(Path("mine.onnx"))
    assert given.origin == Path("mine.onnx")
    assert isinstance(given.source, Derived)
    assert given.source.source == Derived(Path("mine.onnx"), recipe)


def test_a_file_of_another_format_is_the_model_itself() -> None:
    assert CONVERTED.at(Path("mine.tflite")).source == Path("mine.tflite")
    assert ModelFile("onnx", "fp32", CUT).at(Path("mine.onnx")).source == Derived(Path("mine.onnx"), recipe)


def test_an_address_is_no_file_that_anything_is_made_from() -> None:
    whole = ModelFile("onnx", "fp32", Path("whole.onnx"))
    cut = ModelFile("onnx", "fp32", CUT, variant="heads", instead=whole)
    assert cut.at(Url("http://server")).source == Url("http://server")
    assert cut.at(Url("http://server")).variant == ""


def test_a_backend_that_says_nothing_more_of_itself_runs_files_as_they_are() -> None:
    class Plain:
        pass

    class Wide:
        computes = {"fp32": ("bf16",)}  # noqa: RUF012 - as a user writes it
        default = False

    assert Traits.of(Plain) == Traits()
    assert Traits.of(Plain).can_run("fp32", "fp32")
    assert not Traits.of(Plain).can_run("bf16", "fp32")
    assert Traits.of(Wide).can_run("bf16", "fp32")
    assert not Traits.of(Wide).can_run("fp32", "int8")
    assert Traits.of(Wide).default is False
