from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.errors import CacheError
from tests.artifacts.recipes import Scenes, artifacts_in, get, leftovers, processes, truncate, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.artifacts.locks import Holder

COUNT = 10


def get_when_all_are_ready(barrier: object, root: Path, recipe: Scenes) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    get(root, recipe)


@pytest.mark.parametrize("damaged", [False, True], ids=["missing", "damaged"])
def test_of_many_processes_one_builds_and_all_get_the_whole(tmp_path: Path, damaged: bool) -> None:
    root, recipe = tmp_path / "cache", Scenes(tmp_path / "tally", pause_s=0.05)
    if damaged:
        truncate(Store(root).get(recipe).path / "part 0" / "scène 0.bin", 5)
    barrier = processes.Barrier(12)
    many = [processes.Process(target=get_when_all_are_ready, args=(barrier, root, recipe)) for _ in range(12)]
    for one in many:
        one.start()
    for one in many:
        one.join(60)
    assert [one.exitcode for one in many] == [0] * 12
    assert recipe.builds() == 1 + damaged
    assert leftovers(root) == []


def read_until_told(root: Path, stop: Path, seen: Path) -> None:
    """Look at whatever the cache shows, all the time, and raise if anything is not whole."""
    looks = artifacts = 0
    while not stop.exists():
        for artifact in artifacts_in(Store(root)):
            assert len(artifact.manifest.files) == COUNT
            verify(artifact)
            artifacts += 1
        looks += 1
    seen.write_text(f"{looks} {artifacts}")


def kill_while_it_builds(root: Path, recipe: Scenes, seconds: float, chance: random.Random) -> None:
    already = recipe.builds()
    builder = processes.Process(target=get, args=(root, recipe))
    builder.start()
    while recipe.builds() == already and builder.is_alive():
        time.sleep(0.001)
    time.sleep(chance.uniform(0, seconds))
    builder.kill()
    builder.join()


def damage(root: Path, recipe: Scenes) -> None:
    truncate(Store(root).get(recipe).path / "part 1" / "scène 1.bin", 5)


def kill_many_builders(tmp_path: Path, rounds: int, before: Callable[[Path, Scenes], None] | None) -> None:
    root, chance = tmp_path / "cache", random.Random(1)
    started = time.monotonic()
    Store(root).get(Scenes(tmp_path / "warm", count=COUNT))
    longest = 1.5 * (time.monotonic() - started)
    cut_off = 0
    for number in range(rounds):
        recipe = Scenes(tmp_path / f"tally {number}", seed=number + 1, count=COUNT)
        if before:
            before(root, recipe)
        kill_while_it_builds(root, recipe, longest, chance)
        found = Store(root).find(recipe)
        assert found is None or recipe.is_whole(found)
        cut_off += found is None
        assert recipe.is_whole(Store(root).get(recipe, timeout=5))
        assert leftovers(root) == []
    assert cut_off >= rounds / 5, "too few of the kills met a build"
    assert len(artifacts_in(Store(root))) == rounds + 1


def kill_many_builders_beside_a_reader(tmp_path: Path, rounds: int) -> None:
    stop, seen = tmp_path / "stop", tmp_path / "seen"
    reader = processes.Process(target=read_until_told, args=(tmp_path / "cache", stop, seen))
    reader.start()
    try:
        kill_many_builders(tmp_path, rounds, None)
    finally:
        stop.touch()
        reader.join(30)
    assert reader.exitcode == 0
    looks, artifacts = map(int, seen.read_text().split())
    assert looks > 1
    assert artifacts > rounds


def test_a_killed_builder_leaves_nothing_that_anyone_sees(tmp_path: Path) -> None:
    kill_many_builders_beside_a_reader(tmp_path, 30)


@pytest.mark.slow
def test_two_hundred_killed_builders_leave_nothing_that_anyone_sees(tmp_path: Path) -> None:
    kill_many_builders_beside_a_reader(tmp_path, 200)


def test_a_killed_builder_of_a_damaged_entry_leaves_nothing(tmp_path: Path) -> None:
    kill_many_builders(tmp_path, 10, damage)


def test_waiting_for_a_builder_says_for_whom_and_can_end(tmp_path: Path) -> None:
    root, recipe = tmp_path / "cache", Scenes(tmp_path / "tally", pause_s=0.3)
    builder = processes.Process(target=get, args=(root, recipe))
    builder.start()
    while not recipe.builds():
        time.sleep(0.005)
    told: list[Holder | None] = []
    with pytest.raises(CacheError, match=rf"in vain.*\n.*held by process {builder.pid} on"):
        Store(root).get(recipe, timeout=0.1, on_wait=told.append)
    assert recipe.is_whole(Store(root).get(recipe, on_wait=told.append))
    builder.join()
    assert [who.pid for who in told if who] == [builder.pid] * 2
    assert recipe.builds() == 1


def test_an_entry_that_is_there_waits_for_no_lock(tmp_path: Path) -> None:
    root, recipe = tmp_path / "cache", Scenes(tmp_path / "tally")
    Store(root).get(recipe)
    other = replace(recipe, seed=1, pause_s=1.0)
    builder = processes.Process(target=get, args=(root, other))
    builder.start()
    while recipe.builds() < 2:
        time.sleep(0.005)
    assert recipe.is_whole(Store(root).get(recipe, timeout=0))
    assert len(artifacts_in(Store(root))) == 1
    builder.kill()
    builder.join()
