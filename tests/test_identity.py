"""The model that ran and the data that was scored are those that are recorded; anything else fails the item."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import onnx
import pytest

from pytest_mlperf.artifacts.bundle import export_bundle, import_bundle
from pytest_mlperf.artifacts.disk import file_sha256
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.datasets.layout import ANNOTATIONS, IMAGES
from pytest_mlperf.datasets.scenes_recipe import ScenesRecipe
from tests.packages import with_packages, write_package
from tests.test_retinanet_tiny_model import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

COUNT = 8
TINY_RUN = (
    *("--model=retinanet-tiny", "--backend=onnxruntime", "--scenario=Offline"),
    *(f"--dataset-size={COUNT}", "--mlperf-json=results.json"),
)
#: A runtime that changes the file $MEDDLE_WITH when it is made, when it loads a model, or when it first infers.
MEDDLER = """
import os
import threading
from dataclasses import replace
from pathlib import Path

from mlperf_test_runtimes import GRAPH, NULL, Null, NullDataset
from pytest_mlperf.benchmarks.base import ModelFile


def meddle(moment):
    if os.environ["MEDDLE_WHEN"] == moment:
        path = Path(os.environ["MEDDLE_WITH"])
        other = path.with_name(f"other-{threading.get_ident()}")
        other.write_bytes(path.read_bytes() + b"." if path.exists() else b"new")
        other.replace(path)


class Meddler(Null):
    formats = ("meddled", "onnx")

    def __init__(self):
        meddle("made")

    def load(self, *arguments):
        meddle("load")
        return super().load(*arguments)

    def run(self, inputs):
        meddle("run")
        return (inputs["x"],)


class Labelled(NullDataset):
    def used_files(self, directory, count):
        return ["labels"]


def benchmark(form, directory):
    models = (ModelFile(form, "fp32", Path(__file__), (GRAPH,), directory=directory),)
    return replace(NULL, dataset=Labelled(), models=models)


FILE, DIRECTORY = benchmark("onnx", False), benchmark("meddled", True)
"""


@pytest.fixture
def meddled(benchmarks: RunSession, tmp_path: Path) -> RunSession:
    """Sessions with that runtime, and two benchmarks for it."""
    place = write_package(
        tmp_path / "meddler",
        "meddler",
        MEDDLER,
        benchmarks={"file": "FILE", "directory": "DIRECTORY"},
        backends={"meddler": "Meddler"},
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labels").write_text("0 1 2")
    options = (
        *("--backend=meddler", "--scenario=Offline", "--mode=accuracy", "--dataset-size=20"),
        f"--dataset-path={tmp_path / 'data'}",
    )
    return partial(benchmarks, *options, PYTHONPATH=with_packages(place), PYTHONDONTWRITEBYTECODE="1")


def with_external_data(directory: Path) -> Path:
    """Write the tiny model with its weights in a file of their own."""
    directory.mkdir()
    path = directory / "model.onnx"
    onnx.save_model(onnx.load(MODEL), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def results(directory: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((directory / "results.json").read_text())["results"]
    return found


@pytest.mark.parametrize(
    ("when", "what", "says"),
    [
        ("made", "model.onnx", "was changed before the run loaded it"),
        ("load", "model.onnx", "was changed while the run had the model loaded"),
        ("run", "weights.bin", "was changed while the run had the model loaded"),
    ],
)
def test_a_file_replaced_after_it_was_hashed_fails_the_item(
    meddled: RunSession, tmp_path: Path, when: str, what: str, says: str
) -> None:
    path = with_external_data(tmp_path / "model")
    target = path.with_name(what)
    session = meddled("--model=file", f"--model-path={path}", MEDDLE_WHEN=when, MEDDLE_WITH=str(target))
    assert session.outcomes().startswith("1 failed"), session.output
    sha256 = "SHA-256 ([0-9a-f]{64})"
    found = re.search(rf"{says}\nexpected: {sha256}; found: {sha256}\n", session.output)
    assert found, session.output
    assert found[1] != found[2]
    if when != "made":
        assert found[2] == hashlib.sha256(target.read_bytes()).hexdigest()


@pytest.mark.slow
def test_a_file_added_to_the_models_directory_fails_the_item(meddled: RunSession, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "graph").write_text("1")
    added = tmp_path / "model" / "added"
    session = meddled("--model=directory", f"--model-path={added.parent}", MEDDLE_WHEN="run", MEDDLE_WITH=str(added))
    assert session.outcomes().startswith("1 failed"), session.output
    assert "was changed while the run had the model loaded\nexpected: no such file; found: a new file" in session.output


@pytest.mark.slow
def test_a_file_of_the_data_set_that_is_replaced_during_the_run_fails_the_item(
    meddled: RunSession, tmp_path: Path
) -> None:
    labels = tmp_path / "data" / "labels"
    before = hashlib.sha256(labels.read_bytes()).hexdigest()
    session = meddled("--model=file", f"--model-path={MODEL}", MEDDLE_WHEN="run", MEDDLE_WITH=str(labels))
    assert session.outcomes().startswith("1 failed"), session.output
    after = hashlib.sha256(labels.read_bytes()).hexdigest()
    assert f"{labels} was changed while the run used it\nexpected: SHA-256 {before}; found: SHA-256 {after}\n" in (
        session.output
    )


@pytest.fixture(scope="module")
def scenes(shared_cache: Path) -> Path:
    """The data set that a session makes."""
    return Store(shared_cache).get(ScenesRecipe(500)).path


@pytest.fixture
def cache(scenes: Path, tmp_path: Path) -> Path:
    """A cache that has it, to be damaged."""
    entry = scenes.parent
    shutil.copytree(entry, tmp_path / "cache" / "dataset" / entry.name)
    return tmp_path / "cache"


def write_anew(path: Path) -> None:
    """Change the middle of a file, which keeps its size and its time."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(0o400)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.slow
@pytest.mark.parametrize("file", [ANNOTATIONS, IMAGES / "scene-000003.jpg"])
def test_a_changed_cache_entry_is_found_before_it_is_scored(
    benchmarks: RunSession, cache: Path, tmp_path: Path, file: Path
) -> None:
    [entry] = (cache / "dataset").iterdir()
    write_anew(entry / "content" / file)
    session = benchmarks(*TINY_RUN, "--mode=accuracy", f"--mlperf-cache={cache}")
    assert session.outcomes().startswith("1 failed"), session.output
    assert "the artifact retinanet-tiny scenes 500 is damaged" in session.output
    assert re.search(rf"found: {file} has SHA-256 [0-9a-f]{{64}}, not [0-9a-f]{{64}}\n", session.output)
    assert not list((tmp_path / "here").rglob("mlperf_log_*"))


@pytest.mark.slow
def test_an_edited_bundle_with_a_manifest_to_match_is_found_before_it_is_scored(
    benchmarks: RunSession, cache: Path, tmp_path: Path
) -> None:
    store = Store(cache)
    artifact = store.find(ScenesRecipe(500))
    assert artifact is not None
    edited = artifact.path / IMAGES / "scene-000003.jpg"
    write_anew(edited)
    manifest = artifact.path.parent / "manifest.json"
    before = next(file.sha256 for file in artifact.manifest.files if file.path.endswith(edited.name))
    manifest.chmod(0o600)
    manifest.write_text(manifest.read_text().replace(before, file_sha256(edited)))
    [whole] = [found for found in [store.find(ScenesRecipe(500))] if found]
    export_bundle(store, [whole], tmp_path / "bundle")
    import_bundle(Store(tmp_path / "other"), tmp_path / "bundle")
    session = benchmarks(*TINY_RUN, "--mode=accuracy", f"--mlperf-cache={tmp_path / 'other'}")
    assert session.outcomes().startswith("1 failed"), session.output
    assert f"found: {IMAGES}/{edited.name} has SHA-256 {file_sha256(edited)}, not {before}" in session.output


@pytest.mark.slow
def test_the_data_set_is_recorded_and_is_the_pinned_one(benchmarks: RunSession, cache: Path, tmp_path: Path) -> None:
    session = benchmarks(*TINY_RUN, "--test-query-count=64", f"--mlperf-cache={cache}", "--junitxml=junit.xml")
    assert session.outcomes().startswith("2 passed"), session.output
    accuracy, performance = results(tmp_path / "here")
    assert accuracy["verdict"] == "reached"
    assert accuracy["dataset_sha256"] == performance["dataset_sha256"] == TINY.reference_data(COUNT)
    assert accuracy["model_sha256"] == hashlib.sha256(MODEL.read_bytes()).hexdigest()
    written = (tmp_path / "here" / "junit.xml").read_text()
    assert f'"mlperf.dataset_sha256" value="{TINY.reference_data(COUNT)}"' in written


@pytest.mark.slow
def test_a_named_data_set_is_held_against_the_reference_of_its_own_samples_only(
    benchmarks: RunSession, scenes: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(scenes, tmp_path / "copy")
    run = partial(benchmarks, *TINY_RUN, "--mode=accuracy", f"--dataset-path={copy}")
    assert run().outcomes().startswith("1 passed")
    [same] = results(tmp_path / "here")
    file = json.loads((copy / ANNOTATIONS).read_text())
    file["annotations"].pop()
    (copy / ANNOTATIONS).unlink()
    (copy / ANNOTATIONS).write_text(json.dumps(file))
    session = run()
    [other] = results(tmp_path / "here")
    assert (same["verdict"], other["verdict"]) == ("reached", "not comparable"), session.output
    assert same["dataset_sha256"] != other["dataset_sha256"]
    assert other["accuracy"]["limits"] == []
    assert f"retinanet-tiny was scored on other data than its reference is known for: {copy}" in session.output
