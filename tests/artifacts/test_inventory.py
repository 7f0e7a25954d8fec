from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.artifacts.inventory import Entry, find, listing
from pytest_mlperf.artifacts.layout import build_lock, use_lock
from pytest_mlperf.artifacts.locks import is_held, lease
from pytest_mlperf.artifacts.removal import Keep, collect, remove
from pytest_mlperf.artifacts.store import Artifact, Store
from pytest_mlperf.errors import CacheError
from tests.artifacts.recipes import NOBODY, Scenes, artifacts_in, become, processes, run

NOW = datetime.now(timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    return Scenes(tmp_path / "tally")


def age(artifact: Artifact, days: float) -> None:
    seconds = time.time() - days * 86400
    os.utime(artifact.path.parent, (seconds, seconds))


def leave_partial(store: Store, days: float) -> Path:
    """What a fetch leaves that was cut off."""
    place = store.root / ".partial" / "model-retinanet-0123456789abcdef"
    place.mkdir(parents=True)
    (place / "retinanet.onnx.part").write_bytes(b"." * 700)
    for path in (place / "retinanet.onnx.part", place):
        os.utime(path, (time.time() - days * 86400,) * 2)
    return place


def leave_evidence(store: Store) -> Path:
    place = store.root / ".evidence" / "retinanet.onnx-0123456789ab"
    place.mkdir(parents=True)
    (place / "retinanet.onnx").write_bytes(b"<html>")
    (place / "note.json").write_text('{"wanted": "retinanet.onnx", "address": "https://example.org/r", "size": 6}')
    return place


def test_an_entry_says_what_its_manifest_says(store: Store, scenes: Scenes) -> None:
    made = store.get(scenes)
    [entry] = listing(store.root)
    assert (entry.state, entry.kind, entry.name, entry.source, entry.size, entry.created) == (
        "ready",
        made.manifest.kind,
        made.manifest.name,
        made.manifest.source,
        made.manifest.size,
        made.manifest.created,
    )
    assert entry.path == str(made.path)


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert listing(tmp_path / "none") == []


def test_downloads_evidence_damage_and_what_a_kill_left_are_listed(store: Store, scenes: Scenes) -> None:
    made = store.get(scenes)
    (made.path.parent / "manifest.json").unlink()
    (store.root / "dataset" / ".scenes-ab.tmpxy").mkdir()
    leave_partial(store, 0)
    leave_evidence(store)
    found = {entry.state: entry for entry in listing(store.root)}
    assert set(found) == {"damaged", "unfinished", "partial", "evidence"}
    assert found["damaged"].size == 3000
    assert found["partial"].size == 700
    assert (found["evidence"].name, found["evidence"].source) == ("retinanet.onnx", "https://example.org/r")


def entry(number: int = 0, **fields: Any) -> Entry:
    values: dict[str, Any] = {
        "state": "ready",
        "kind": "model",
        "name": "retinanet",
        "source": "https://zenodo.org",
        "size": 10,
        "created": NOW.isoformat(),
        "used": NOW.isoformat(),
        "directory": f"/c/model/e{number}",
        "path": "/c",
    }
    return Entry(**{**values, **fields})


def test_every_word_must_be_there_in_any_order_and_case() -> None:
    entries = [entry(kind="model"), entry(kind="dataset", name="OpenImages")]
    assert find(entries, ["ZENODO", "Model"]) == entries[:1]
    assert find(entries, ["openimages", "model"]) == []
    assert find(entries, []) == entries


def test_no_word_is_found_across_two_fields() -> None:
    assert find([entry(kind="model", name="retinanet")], ["modelretinanet"]) == []


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 50)), max_size=12), st.floats(0, 50), st.integers(0, 500))
def test_a_collection_keeps_the_last_used_that_fit_and_nothing_old(
    things: list[tuple[int, float]], days: float, size: int
) -> None:
    entries = [
        entry(n, size=s, used=(NOW - timedelta(days=d)).isoformat(), directory=f"/nowhere/model/e{n:02}")
        for n, (s, d) in enumerate(things)
    ]
    removal = collect(Path("/nowhere"), entries, Keep(days, size), NOW, dry_run=True)
    left = [item for item in entries if item not in removal.removed]
    assert sum(item.size for item in left) <= size
    assert all(datetime.fromisoformat(item.used) >= NOW - timedelta(days=days) for item in left)
    # Nothing went that could have stayed: the newest that is gone is too old, or would not have fitted.
    recent = [i for i in removal.removed if datetime.fromisoformat(i.used) >= NOW - timedelta(days=days)]
    if recent:
        newest = max(recent, key=lambda i: (i.used, i.directory))
        assert sum(item.size for item in left) + newest.size > size
        assert all((item.used, item.directory) > (newest.used, newest.directory) for item in left)


def test_use_is_remembered_and_saves_from_a_collection(store: Store, scenes: Scenes) -> None:
    old, used = store.get(scenes), store.get(replace(scenes, seed=1))
    age(old, 30)
    age(used, 30)
    with store.use(used) as there:
        assert there
    collect(store.root, listing(store.root), Keep(days=7), NOW)
    assert [artifact.path for artifact in artifacts_in(store)] == [used.path]


def use(root: Path, recipe: Scenes, ready: Any, enough: Any) -> None:
    store = Store(root)
    with store.use(store.get(recipe)):
        ready.set()
        enough.wait(60)


def test_what_another_process_uses_stays_until_it_ends(store: Store, scenes: Scenes) -> None:
    made = store.get(scenes)
    enough, ready = processes.Event(), [processes.Event() for _ in range(2)]
    users = [processes.Process(target=use, args=(store.root, scenes, event, enough)) for event in ready]
    for user in users:
        user.start()
    assert all(event.wait(60) for event in ready)
    removal = remove(store.root, listing(store.root))
    assert (len(removal.removed), len(removal.in_use)) == (0, 1)
    assert collect(store.root, listing(store.root), Keep(size=0), NOW, dry_run=True).removed == ()
    assert collect(store.root, listing(store.root), Keep(size=0), NOW).removed == ()
    assert scenes.is_whole(made)
    for user in users:
        user.kill()  # frees it like an end
        user.join()
    assert len(remove(store.root, listing(store.root)).removed) == 1
    assert not made.path.parent.exists()
    assert listing(store.root) == []


def test_what_is_used_does_not_stop_a_collection_from_taking_the_next(store: Store, scenes: Scenes) -> None:
    held, free = store.get(scenes), store.get(replace(scenes, seed=1))
    age(held, 3)
    with store.use(held):
        age(held, 3)
        removal = collect(store.root, listing(store.root), Keep(size=3000), NOW)
    assert [item.path for item in removal.in_use] == [str(held.path)]
    assert [item.path for item in removal.removed] == [str(free.path)]


def test_use_says_when_a_removal_came_first(store: Store, scenes: Scenes) -> None:
    made = store.get(scenes)
    remove(store.root, listing(store.root))
    with store.use(made) as there:
        assert not there
    assert scenes.is_whole(store.get(scenes))


def test_old_downloads_go_and_those_under_way_stay(store: Store) -> None:
    place = leave_partial(store, 30)
    with lease(build_lock(store.root / "model" / "retinanet-0123456789abcdef")):
        assert collect(store.root, listing(store.root), Keep(days=7), NOW).removed == ()
        assert place.exists()
    assert collect(store.root, listing(store.root), Keep(days=40), NOW).removed == ()
    assert len(collect(store.root, listing(store.root), Keep(days=7), NOW).removed) == 1
    assert not place.exists()


def test_what_a_kill_left_goes_at_once_and_a_build_under_way_stays(store: Store) -> None:
    left = store.root / "dataset" / ".scenes-0123456789abcdef.tmpxy"
    left.mkdir(parents=True)
    with lease(build_lock(store.root / "dataset" / "scenes-0123456789abcdef")):
        assert len(collect(store.root, listing(store.root), Keep(days=7), NOW).in_use) == 1
    assert left.exists()
    collect(store.root, listing(store.root), Keep(days=7), NOW)
    assert not left.exists()


def use_as_nobody(root: Path, recipe: Scenes) -> None:
    become(NOBODY)
    store = Store(root)
    artifact = store.find(recipe)
    assert artifact is not None
    with store.use(artifact) as there:
        assert there
        assert is_held(use_lock(artifact.path.parent))
    with pytest.raises(CacheError, match="cannot"):
        remove(root, listing(root))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_cache_that_may_only_be_read_can_be_used_and_is_held(public_path: Path, tmp_path: Path) -> None:
    scenes = Scenes(tmp_path / "tally")
    root = public_path / "cache"
    root.mkdir()
    root.chmod(0o755)
    made = Store(root).get(scenes)
    run(use_as_nobody, root, scenes)
    assert scenes.is_whole(made)
