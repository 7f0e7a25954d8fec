from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_mlperf.artifacts.layout import default_cache_dir
from pytest_mlperf.artifacts.store import Artifact, Store
from pytest_mlperf.errors import CacheError, DatasetError
from tests.artifacts.recipes import Made, Scenes, artifacts_in, leftovers, truncate, verify

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "le cache – 測試" / "inner"


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    return Scenes(tmp_path / "tally")


def test_an_artifact_is_built_once_and_found_again(root: Path, scenes: Scenes) -> None:
    store = Store(root, "1.2.3")
    assert store.find(scenes) is None
    assert not root.exists(), "a look must not write"
    made = store.get(scenes)
    assert scenes.is_whole(made)
    assert made.path == store.path(scenes)
    assert Store(root).get(scenes) == Store(root).find(scenes) == made
    assert scenes.builds() == 1
    assert leftovers(root) == []


def test_the_manifest_tells_what_the_artifact_is(root: Path, scenes: Scenes) -> None:
    manifest = Store(root, "1.2.3").get(scenes).manifest
    assert (manifest.kind, manifest.name, manifest.source) == ("dataset", "scènes d’essai 3", "generated")
    assert manifest.key == scenes.key()
    assert [(file.path, file.size) for file in manifest.files] == [
        ("part 0/scène 0.bin", 1000),
        ("part 0/scène 2.bin", 1000),
        ("part 1/scène 1.bin", 1000),
    ]
    assert manifest.size == 3000
    assert manifest.made_by.startswith("pytest-mlperf 1.2.3, Python 3.")
    assert manifest.created.endswith("+00:00")


def test_equal_names_with_different_keys_live_side_by_side(root: Path, scenes: Scenes) -> None:
    other = replace(scenes, seed=1)
    store = Store(root)
    assert store.get(scenes).path != store.get(other).path
    assert scenes.is_whole(store.get(scenes))
    assert other.is_whole(store.get(other))
    assert scenes.builds() == 2


def test_entries_are_the_whole_artifacts_of_every_kind(root: Path, scenes: Scenes) -> None:
    store = Store(root)
    assert artifacts_in(store) == []
    made = [store.get(scenes), store.get(Made(lambda directory: (directory / "m.onnx").touch()))]
    broken = store.get(replace(scenes, seed=1))
    (broken.path.parent / "manifest.json").unlink()
    (root / "notes.txt").touch()
    assert artifacts_in(store) == made


def test_a_store_of_a_relative_path_survives_a_change_of_directory(
    tmp_path: Path, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("cache"))
    monkeypatch.chdir("/")
    assert store.get(scenes).path.is_relative_to(tmp_path)


def test_threads_build_an_artifact_once(root: Path, scenes: Scenes) -> None:
    slow = replace(scenes, pause_s=0.05)
    found: list[Artifact] = []
    threads = [threading.Thread(target=lambda: found.append(Store(root).get(slow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [slow.is_whole(artifact) for artifact in found] == [True] * 4
    assert slow.builds() == 1


def test_an_artifact_may_be_made_of_another(root: Path, scenes: Scenes) -> None:
    store = Store(root)
    packed = Made(lambda directory: shutil.copytree(store.get(scenes).path, directory / "copy"))
    assert len(store.get(packed).manifest.files) == 3


# What is damaged does not exist.


def edit(entry: Path, **fields: Any) -> None:
    path = entry / "manifest.json"
    text = json.dumps({**json.loads(path.read_text()), **fields})
    path.unlink()
    path.write_text(text)


def overwrite(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def put_a_file_there(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.touch()


def put_an_empty_directory_there(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.mkdir()


FIRST = Path("content", "part 0", "scène 0.bin")

DAMAGES: dict[str, Callable[[Path], object]] = {
    "a truncated file": lambda entry: truncate(entry / FIRST, 999),
    "an empty file": lambda entry: truncate(entry / FIRST, 0),
    "a longer file": lambda entry: overwrite(entry / FIRST, b"." * 1001),
    "an extra file": lambda entry: (entry / "content" / "more.bin").touch(),
    "an extra file in a directory": lambda entry: (entry / FIRST.with_name(".more")).touch(),
    "a missing file": lambda entry: (entry / FIRST).unlink(),
    "a renamed file": lambda entry: (entry / FIRST).rename(entry / FIRST.with_name("0.bin")),
    "a directory for a file": lambda entry: replace_by_directory(entry / FIRST),
    "a link for a file": lambda entry: replace_by_link(entry / FIRST),
    "a pipe": lambda entry: os.mkfifo(entry / "content" / "pipe"),
    "no content": lambda entry: shutil.rmtree(entry / "content"),
    "no manifest": lambda entry: (entry / "manifest.json").unlink(),
    "an empty manifest": lambda entry: overwrite(entry / "manifest.json", b""),
    "half a manifest": lambda entry: truncate(entry / "manifest.json", 200),
    "a manifest of zeros": lambda entry: overwrite(entry / "manifest.json", b"\0" * 500),
    "a manifest that is not UTF-8": lambda entry: overwrite(entry / "manifest.json", b'{"format":"\xff"}'),
    "a deep manifest": lambda entry: overwrite(entry / "manifest.json", b'{"key":{"a":' + b"[" * 100_000),
    "a manifest that is a directory": lambda entry: replace_by_directory(entry / "manifest.json"),
    "a newer format": lambda entry: edit(entry, format=2),
    "an unknown field": lambda entry: edit(entry, licence="MIT"),
    "a wrong type": lambda entry: edit(entry, size="3000"),
    "another key": lambda entry: edit(entry, key={"seed": 1}),
    "a key that is none": lambda entry: edit(entry, key={"seed": [{"a": 1}]}),
    "another kind": lambda entry: edit(entry, kind="model"),
    "a file for the entry": put_a_file_there,
    "an empty entry": put_an_empty_directory_there,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_does_not_exist_and_is_built_again(
    root: Path, scenes: Scenes, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(root)
    damage(store.get(scenes).path.parent)
    assert store.find(scenes) is None
    assert artifacts_in(store) == []
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert scenes.is_whole(store.get(scenes))
    assert scenes.builds() == 2
    assert leftovers(root) == []
    verify(store.get(scenes))


def test_a_file_changed_in_place_is_found_by_verify(root: Path, scenes: Scenes) -> None:
    made = Store(root).get(scenes)
    verify(made)
    overwrite(made.path / "part 1" / "scène 1.bin", b"#" * 1000)
    found = Store(root).find(scenes)
    assert found is not None, "a lookup reads no content"
    with pytest.raises(CacheError, match=r"damaged\n.*part 1/scène 1.bin has SHA-256 .*\ndelete ") as error:
        verify(found)
    shutil.rmtree(error.value.fix.removeprefix("delete ").split(";")[0])
    assert scenes.is_whole(Store(root).get(scenes)), "the advice helps"


@pytest.mark.parametrize("name", ["a missing file", "an extra file", "no content"])
def test_verify_finds_what_a_lookup_finds(root: Path, scenes: Scenes, name: str) -> None:
    made = Store(root).get(scenes)
    DAMAGES[name](made.path.parent)
    with pytest.raises(CacheError, match="is damaged"):
        verify(made)


def test_leftovers_of_other_entries_are_left_alone(root: Path, scenes: Scenes) -> None:
    store = Store(root)
    entry = store.path(scenes).parent
    entry.parent.mkdir(parents=True)
    own, others = entry.with_name(f".{entry.name}.abc"), entry.with_name(".other-0123456789abcdef.abc")
    for left in (own, others):
        (left / "content").mkdir(parents=True)
    store.get(scenes)
    assert leftovers(root) == [others]


# A build that fails.


class Fails:
    def __init__(self, error: BaseException, times: int = 1) -> None:
        self.error, self.times = error, times

    def __call__(self, directory: Path) -> None:
        (directory / "read-only").mkdir()
        (directory / "read-only" / "half").write_text("half")
        (directory / "read-only").chmod(0o555)
        if self.times:
            self.times -= 1
            raise self.error


@pytest.mark.parametrize(
    "error",
    [
        DatasetError("no images", found="none", fix="Get some."),
        KeyboardInterrupt(),
        SystemExit(3),
        ValueError("a bug"),
        FileNotFoundError(2, "No such file or directory", "/nowhere/else"),
    ],
    ids=repr,
)
def test_what_a_build_raises_passes_and_the_next_get_tries_again(root: Path, error: BaseException) -> None:
    recipe, store = Made(Fails(error)), Store(root)
    with pytest.raises(type(error)) as raised:
        store.get(recipe)
    assert raised.value is error
    assert store.find(recipe) is None
    assert leftovers(root) == []
    assert [file.path for file in store.get(recipe, timeout=0).manifest.files] == ["read-only/half"]


def test_a_build_that_loses_its_directory_is_the_caches_fault(root: Path) -> None:
    def lose(directory: Path) -> None:
        shutil.rmtree(directory.parent)

    with pytest.raises(CacheError, match="cannot write to the cache"):
        Store(root).get(Made(lose))


def test_the_first_of_two_that_no_lock_kept_apart_wins(root: Path, tmp_path: Path) -> None:
    # As on a disk that two hosts mount with locks of their own.
    def be_overtaken(directory: Path) -> None:
        other = Store(tmp_path / "other")
        first = other.get(Made(lambda inner: (inner / "who").write_text("first"))).path.parent
        first.rename(store.path(recipe).parent)
        (directory / "who").write_text("second")

    store, recipe = Store(root), Made(be_overtaken)
    assert (store.get(recipe).path / "who").read_text() == "first"
    assert leftovers(root) == []


@pytest.mark.parametrize("where", ["root", "above", "kind", "locks"])
def test_a_file_in_place_of_a_directory_is_named(tmp_path: Path, scenes: Scenes, where: str) -> None:
    root = tmp_path / "above" / "root"
    file = {"root": root, "above": root.parent, "kind": root / "dataset", "locks": root / ".locks"}[where]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    assert Store(root).find(scenes) is None
    assert artifacts_in(Store(root)) == []
    with pytest.raises(CacheError, match=str(file)) as error:
        Store(root).get(scenes)
    assert "directory" in error.value.fix
    assert scenes.builds() == 0


# What may be in an artifact.


def test_relative_links_inside_the_artifact_are_kept(root: Path) -> None:
    def make(directory: Path) -> None:
        (directory / "lib").mkdir()
        (directory / "lib" / "model.onnx").write_text("weights")
        (directory / "lib64").symlink_to("lib")
        (directory / "lib" / "latest.onnx").symlink_to("../lib64/model.onnx")

    store = Store(root)
    made = store.get(Made(make))
    assert (made.path / "lib64" / "latest.onnx").read_text() == "weights"
    assert [(link.path, link.target) for link in made.manifest.links] == [
        ("lib/latest.onnx", "../lib64/model.onnx"),
        ("lib64", "lib"),
    ]
    assert [file.path for file in made.manifest.files] == ["lib/model.onnx"]
    verify(made)
    (made.path / "lib64").unlink()
    (made.path / "lib64").symlink_to("lib/../lib")
    assert store.find(Made(make)) is None


def link_out_through_a_link(directory: Path) -> None:
    (directory / "deep" / "er").mkdir(parents=True)
    (directory / "deep" / "er" / "up").symlink_to("../..")
    (directory / "out").symlink_to("deep/er/up/../..")


def link_by_its_full_path(directory: Path) -> None:
    (directory / "file").touch()
    (directory / "link").symlink_to(directory / "file")


REFUSED: dict[str, Callable[[Path], object]] = {
    "absolute": lambda directory: (directory / "l").symlink_to("/etc/passwd"),
    "absolute, inside": link_by_its_full_path,
    "outside": lambda directory: (directory / "l").symlink_to("../../../"),
    "outside through a link": link_out_through_a_link,
    "dangling": lambda directory: (directory / "l").symlink_to("nothing"),
    "circular": lambda directory: (directory / "l").symlink_to("l"),
    "pipe": lambda directory: os.mkfifo(directory / "pipe"),
    "name not Unicode": lambda directory: Path(os.fsdecode(bytes(directory) + b"/caf\xe9")).touch(),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_would_not_survive_in_the_cache_is_refused(root: Path, make: Callable[[Path], object]) -> None:
    with pytest.raises(CacheError, match=r"cannot keep .* in the cache\nexpected: files, .*found: a"):
        Store(root).get(Made(make))
    assert leftovers(root) == []
    assert Store(root).find(Made(make)) is None


def test_published_files_cannot_be_written_by_accident_and_programs_still_run(root: Path) -> None:
    def make(directory: Path) -> None:
        (directory / "tool").write_text("#!/bin/sh\n")
        (directory / "tool").chmod(0o744)
        (directory / "data").touch(0o600)

    root.mkdir(parents=True)
    root.chmod(0o755)
    made = Store(root).get(Made(make))
    modes = {path.name: path.stat().st_mode & 0o7777 for path in made.path.parent.rglob("*")}
    assert modes == {"content": 0o755, "tool": 0o555, "data": 0o444, "manifest.json": 0o444}


def test_an_artifact_without_files_is_an_artifact(root: Path) -> None:
    made = Store(root).get(Made(lambda directory: (directory / "empty").mkdir()))
    assert (made.manifest.files, made.manifest.size) == ((), 0)


def test_many_files_are_one_artifact(root: Path, scenes: Scenes) -> None:
    # More than are brought to the disk one by one.
    many = replace(scenes, count=500)
    assert many.is_whole(Store(root).get(many))
    assert Store(root).find(many) is not None


def test_the_manifest_is_json_that_others_can_read(root: Path, scenes: Scenes) -> None:
    made = Store(root).get(scenes)
    read = json.loads((made.path.parent / "manifest.json").read_text())
    assert read == msgspec.to_builtins(made.manifest) | {"files": read["files"], "links": []}
    assert read["files"][0].keys() == {"path", "size", "sha256"}


# Where the cache is.


def test_the_cache_is_where_the_variable_says(tmp_path: Path) -> None:
    assert default_cache_dir({"PYTEST_MLPERF_CACHE": str(tmp_path / "a b")}) == tmp_path / "a b"
    assert default_cache_dir({"PYTEST_MLPERF_CACHE": "~/x"}) == Path.home() / "x"


def test_the_cache_is_where_the_platform_keeps_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir({}) == default_cache_dir({"PYTEST_MLPERF_CACHE": ""})
    assert default_cache_dir({}).name == "pytest-mlperf"
