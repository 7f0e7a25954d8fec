from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from pytest_mlperf.artifacts.locks import lease
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.environments.commands import run_command
from pytest_mlperf.errors import CacheError, ModelError
from tests.artifacts.recipes import NOBODY, Made, Scenes, artifacts_in, become, get, leftovers, run, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import KeyValue

#: A group that nobody on this machine is in.
GROUP = 65000
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become two users, or mount a disk")


def set_modes(root: Path, directory: int, file: int) -> None:
    for path in [root, *root.rglob("*")]:
        path.chmod(directory if path.is_dir() else file)


def read_only_lookup(root: Path, recipe: Scenes) -> None:
    become(NOBODY)
    with pytest.raises(PermissionError):
        (root / "probe").touch()
    store = Store(root)
    assert recipe.is_whole(store.get(recipe, timeout=0))
    assert len(artifacts_in(store)) == 1
    verify(artifacts_in(store)[0])


def test_a_read_only_cache_serves_what_it_has(public_path: Path, tmp_path: Path) -> None:
    root, recipe = public_path / "cache", Scenes(tmp_path / "tally")
    Store(root).get(recipe)
    shutil.rmtree(root / ".locks")
    set_modes(root, 0o555, 0o444)
    run(read_only_lookup, root, recipe)
    assert recipe.builds() == 1
    set_modes(root, 0o755, 0o444)


def build_where_one_may_not(root: Path, recipe: Scenes) -> None:
    become(NOBODY)
    with pytest.raises(CacheError, match=rf"{root}.*\nexpected: .*Permission denied.*\n.*directory"):
        Store(root).get(recipe)


@pytest.mark.parametrize("there", ["nothing", "another entry", "this entry, damaged"])
def test_a_build_in_a_read_only_cache_says_so(public_path: Path, tmp_path: Path, there: str) -> None:
    root, recipe = public_path / "cache", Scenes(tmp_path / "tally")
    if there != "nothing":
        made = Store(root).get(recipe)
        if there == "another entry":
            recipe = replace(recipe, seed=1)
        else:
            (made.path / "more").touch()
        set_modes(root, 0o555, 0o444)
    public_path.chmod(0o555)
    run(build_where_one_may_not, root, recipe)
    public_path.chmod(0o777)
    if root.exists():
        set_modes(root, 0o755, 0o444)


def test_an_entry_that_one_may_not_read_does_not_exist(public_path: Path, tmp_path: Path) -> None:
    root, recipe = public_path / "cache", Scenes(tmp_path / "tally")
    Store(root).get(recipe)
    root.chmod(0o000)
    run(build_where_one_may_not, root, recipe)
    root.chmod(0o755)


def get_as(uid: int, root: Path, recipe: Scenes) -> None:
    become(uid, GROUP)
    os.umask(0o077)
    get(root, recipe)


def share(root: Path, mode: int) -> None:
    """Make a directory a shared cache: with the sticky bit everybody's, else a group's."""
    os.chown(root, os.geteuid(), GROUP)
    root.chmod(mode)


@as_root
@pytest.mark.parametrize("mode", [0o2775, 0o1777], ids=oct)
def test_users_of_a_shared_cache_use_and_extend_it_whatever_their_umask(public_path: Path, mode: int) -> None:
    share(public_path, mode)
    recipe, other = Scenes(public_path / "tally"), Scenes(public_path / "tally 2", seed=1)
    run(get_as, NOBODY, public_path, recipe)
    run(get_as, NOBODY - 1, public_path, recipe)
    assert recipe.builds() == 1
    recipe.tally.chmod(0o666)
    # The lock file of a third user, whose build was killed, is no obstacle.
    entry = Store(public_path).path(other).parent
    lock = public_path / ".locks" / f"dataset-{entry.name}.lock"
    lock.touch()
    lock.chmod(0o666)
    os.chown(lock, NOBODY - 2, NOBODY - 2)
    run(get_as, NOBODY - 1, public_path, other)
    assert other.builds() == 1


@as_root
def test_a_damaged_entry_of_another_member_is_replaced_in_a_groups_cache(public_path: Path) -> None:
    share(public_path, 0o2775)
    recipe = Scenes(public_path / "tally")
    run(get_as, NOBODY, public_path, recipe)
    recipe.tally.chmod(0o666)
    (Store(public_path).path(recipe) / "more").touch()
    run(get_as, NOBODY - 1, public_path, recipe)
    assert recipe.builds() == 2
    assert leftovers(public_path) == []


def fail_with_read_only_directories(root: Path) -> None:
    become(NOBODY)

    def make(directory: Path) -> None:
        (directory / "a" / "b").mkdir(parents=True)
        (directory / "a" / "b" / "half").touch()
        (directory / "a" / "b").chmod(0o555)
        (directory / "a").chmod(0o555)
        raise ValueError("given up")

    with pytest.raises(ValueError, match="given up"):
        Store(root).get(Made(make))
    assert leftovers(root) == []


def test_a_failed_build_is_removed_though_it_made_directories_read_only(public_path: Path) -> None:
    run(fail_with_read_only_directories, public_path / "cache")


def delete_own_entry(root: Path, recipe: Scenes) -> None:
    become(NOBODY)
    made = Store(root).get(recipe)
    with pytest.raises(PermissionError):
        next(made.path.rglob("*.bin")).write_bytes(b"")
    shutil.rmtree(made.path.parent)


def test_the_owner_of_an_entry_cannot_write_to_its_files_but_can_delete_it(public_path: Path) -> None:
    run(delete_own_entry, public_path / "cache", Scenes(public_path / "tally"))


# Few file descriptors.


def look_with_no_file_left(root: Path, recipe: Scenes) -> None:
    store, opened = Store(root), []
    whole = store.find(recipe)
    assert whole is not None
    psutil.pids()  # imports
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with suppress(OSError):
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    for use in (lambda: store.find(recipe), lambda: store.get(recipe), whole.fault):
        with pytest.raises(CacheError, match=r"Too many open files.*\nraise the limit of open files: ulimit -n 1024"):
            use()
    with pytest.raises(CacheError, match="ulimit -n"), lease(root / "lock"):
        pass
    for descriptor in opened:
        os.close(descriptor)
    verify(whole)


def test_what_is_whole_is_not_made_again_where_no_more_files_can_be_opened(tmp_path: Path) -> None:
    recipe = Scenes(tmp_path / "tally")
    Store(tmp_path / "cache").get(recipe)
    run(look_with_no_file_left, tmp_path / "cache", recipe)
    assert recipe.builds() == 1


# Names that are no text.


def test_a_source_that_is_no_text_is_recorded_as_what_it_is(tmp_path: Path) -> None:
    recipe = Scenes(tmp_path / "tally", source=os.fsdecode(b"/caf\xe9/loadgen"))
    assert Store(tmp_path / "cache").get(recipe).manifest.source == r"/caf\udce9/loadgen"


@dataclass(frozen=True)
class OfAPath(Scenes):
    def key(self) -> dict[str, KeyValue]:
        return {"interpreter": os.fsdecode(b"/caf\xe9/python")}


def test_a_key_that_is_no_text_is_an_error_that_names_it(tmp_path: Path) -> None:
    for use in (Store(tmp_path / "cache").get, Store(tmp_path / "cache").find):
        with pytest.raises(CacheError, match=r"valid Unicode; found: .*caf\\udce9/python"):
            use(OfAPath(tmp_path / "tally"))


# No room.


def build_beyond_the_limit(root: Path, recipe: Scenes) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (recipe.size // 2, hard))
    with pytest.raises(CacheError, match=r"no room in the cache.*\n.*File too large.*bytes are free") as error:
        Store(root).get(recipe)
    assert isinstance(error.value.__cause__, OSError)
    assert error.value.__cause__.errno == errno.EFBIG
    assert leftovers(root) == []
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    get(root, recipe)


def test_a_file_beyond_the_limit_is_no_room_and_the_next_get_tries_again(tmp_path: Path) -> None:
    run(build_beyond_the_limit, tmp_path / "cache", Scenes(tmp_path / "tally", size=100_000))


def build_beyond_the_limit_of_the_manifest(root: Path, recipe: Scenes) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    with pytest.raises(CacheError, match="no room in the cache"):
        Store(root).get(recipe)
    assert Store(root).find(recipe) is None
    assert leftovers(root) == []


def test_no_room_for_the_manifest_is_no_artifact(tmp_path: Path) -> None:
    run(build_beyond_the_limit_of_the_manifest, tmp_path / "cache", Scenes(tmp_path / "tally", count=100))


@pytest.fixture
def small_disk(make_disk: Callable[[str], Path]) -> Path:
    return make_disk("256k")


def write_too_much(directory: Path) -> None:
    (directory / "big").write_bytes(bytes(1 << 20))


def save_too_much(directory: Path) -> None:
    np.save(directory / "big.npy", np.zeros(1 << 20, np.uint8))


@as_root
@pytest.mark.parametrize("make", [write_too_much, save_too_much])
def test_a_full_disk_says_so_and_keeps_what_is_whole(
    small_disk: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    store, recipe = Store(small_disk / "cache"), Scenes(tmp_path / "tally")
    store.get(recipe)
    with pytest.raises(CacheError, match=r"no room in the cache to make made\n.*bytes are free in /"):
        store.get(Made(make))
    assert leftovers(store.root) == []
    assert recipe.is_whole(store.get(recipe))
    assert store.find(Made(make)) is None


def convert_too_much(directory: Path) -> None:
    """Let a program of its own write, as compilers and converters do, and tell its last words."""
    code = f"open({str(directory / 'big')!r}, 'wb').write(bytes(1 << 20))"
    done = run_command([sys.executable, "-I", "-c", code])
    raise ModelError("the model cannot be converted", found=done.last_lines(), fix="give another model")


@as_root
def test_a_program_that_finds_the_disk_full_is_not_taken_for_one_that_fails(small_disk: Path) -> None:
    store = Store(small_disk / "cache")
    with pytest.raises(CacheError, match=r"no room to make made\n[^$]*No space left on device[^$]*bytes are free in /"):
        store.get(Made(convert_too_much))
    assert leftovers(store.root) == []


@as_root
def test_a_read_only_disk_serves_what_it_has_and_says_what_it_cannot(small_disk: Path, tmp_path: Path) -> None:
    store, recipe = Store(small_disk / "cache"), Scenes(tmp_path / "tally")
    store.get(recipe)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert recipe.is_whole(store.get(recipe))
    with pytest.raises(CacheError, match="Read-only file system"):
        store.get(replace(recipe, seed=1))
    with pytest.raises(CacheError, match="Read-only file system"):
        store.get(Made(write_too_much))
