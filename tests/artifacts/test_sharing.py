"""A cache that others may write to: what they put there neither leads out of it, nor is waited for, nor is run."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.inventory import listing
from pytest_mlperf.artifacts.layout import user_directory
from pytest_mlperf.artifacts.sharing import is_own, make_directory
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.errors import CacheError
from pytest_mlperf.run.paces import FILE, Pace, note_pace, read_paces
from tests.artifacts.recipes import NOBODY, Scenes, become, run

if TYPE_CHECKING:
    from pathlib import Path

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become two users")


@pytest.fixture
def shared(public_path: Path) -> Path:
    """Return a cache that everybody may write to, and that keeps what is theirs."""
    root = public_path / "cache"
    root.mkdir()
    root.chmod(0o1777)
    return root


def program(public_path: Path, kind: str = "environment") -> Scenes:
    return Scenes(public_path / "tally", kind=kind)


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.lstat().st_mode for path in root.rglob("*")}


@pytest.mark.parametrize("place", [".locks", "dataset", ".import"])
@pytest.mark.parametrize("there", [True, False])
def test_no_directory_of_the_cache_is_made_or_entered_through_a_link(tmp_path: Path, place: str, there: bool) -> None:
    target, root, recipe = tmp_path / "target", tmp_path / "cache", Scenes(tmp_path / "tally")
    root.mkdir()
    if there:
        target.mkdir()
    (root / place).symlink_to(target)
    if place == ".import":  # nobody needs what a killed process left there
        with Store(root).staging() as staging:
            assert is_own(staging)
    else:
        with pytest.raises(CacheError, match=rf"{place} is not used: .*\n.*a symbolic link, of user .*\n.*remove it"):
            Store(root).get(recipe)
    assert target.exists() == there
    assert not there or list(target.iterdir()) == []


def look(root: Path, recipe: Scenes) -> None:
    assert Store(root).find(recipe) is None
    assert [entry.state for entry in listing(root)] == ["damaged"]
    assert read_paces(root) == {}
    note_pace(root, "case", Pace(wall=1.0, test=0.5, samples=1))


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    root, recipe = tmp_path / "cache", Scenes(tmp_path / "tally")
    made = Store(root).get(recipe)
    manifest = made.path.parent / "manifest.json"
    manifest.unlink()
    os.mkfifo(manifest)
    os.mkfifo(root / FILE)
    run(look, root, recipe, timeout_s=20)


def test_a_use_is_not_noted_at_the_end_of_a_link(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    made = store.get(Scenes(tmp_path / "tally"))
    elsewhere = made.path.parent.rename(tmp_path / "elsewhere")
    made.path.parent.symlink_to(elsewhere)
    os.utime(elsewhere, (1e9, 1e9))
    with store.use(made):
        assert elsewhere.stat().st_mtime == 1e9


@pytest.mark.parametrize("mode", [0o777, 0o2777], ids=oct)
def test_a_cache_in_which_everybody_may_exchange_everything_is_refused(tmp_path: Path, mode: int) -> None:
    store, recipe = Store(tmp_path / "cache"), Scenes(tmp_path / "tally")
    store.get(recipe)
    store.root.chmod(mode)
    for use in (store.find, store.get):
        with pytest.raises(
            CacheError, match=rf"everybody may exchange .*\n.*mode {mode:04o}.*\n.*chmod \+t '{store.root}'"
        ):
            use(recipe)
    store.root.chmod(mode | stat.S_ISVTX)
    assert store.find(recipe) is not None


def get_with_no_umask(root: Path, recipe: Scenes) -> None:
    os.umask(0)
    note_pace(root, "case", Pace(wall=1.0, test=0.5, samples=1))
    assert recipe.is_whole(Store(root).get(recipe))


def test_a_cache_that_is_made_without_a_umask_is_not_everybodys(tmp_path: Path) -> None:
    recipe = Scenes(tmp_path / "tally")
    run(get_with_no_umask, tmp_path / "cache", recipe)
    assert (tmp_path / "cache").stat().st_mode & 0o7777 == 0o775
    assert Store(tmp_path / "cache").find(recipe) is not None


def test_nobody_else_may_change_what_one_has_made_in_everybodys_cache(shared: Path) -> None:
    recipe = Scenes(shared.parent / "tally")
    Store(shared).get(recipe)
    for path, mode in modes(shared).items():
        is_common = path in (".locks", "dataset")
        assert stat.S_ISREG(mode) or bool(mode & 0o022) == is_common, path
        assert not is_common or mode & stat.S_ISVTX
    assert not any(mode & 0o022 for path, mode in modes(shared).items() if stat.S_ISREG(mode) and ".locks" not in path)


def test_a_directory_without_the_sticky_bit_gets_it_from_its_owner(shared: Path) -> None:
    (shared / ".locks").mkdir()
    (shared / ".locks").chmod(0o777)  # as earlier versions made it
    Store(shared).get(Scenes(shared.parent / "tally"))
    assert (shared / ".locks").stat().st_mode & 0o7777 == 0o1777


def refuse(uid: int, root: Path, recipe: Scenes, match: str) -> None:
    become(uid)
    with pytest.raises(CacheError, match=match):
        Store(root).get(recipe)


@as_root
def test_a_directory_without_the_sticky_bit_is_refused_by_everybody_else(shared: Path) -> None:
    (shared / "dataset").mkdir()
    (shared / "dataset").chmod(0o777)
    run(refuse, NOBODY, shared, Scenes(shared.parent / "tally"), "everybody may exchange.*\n.*of user root\n.*chmod")


def get_as(uid: int, root: Path, recipe: Scenes) -> None:
    become(uid)
    made = Store(root).get(recipe)
    assert made.path.is_relative_to(root / f".user-{uid}")
    assert [entry.path for entry in listing(root)] == [str(made.path)]


@as_root
@pytest.mark.parametrize("kind", ["environment", "loadgen", "checker"])
def test_what_is_run_is_each_users_own_where_everybody_may_write(shared: Path, kind: str) -> None:
    recipe = program(shared.parent, kind)
    run(get_as, NOBODY, shared, recipe)
    recipe.tally.chmod(0o666)
    run(get_as, NOBODY - 1, shared, recipe)
    assert recipe.builds() == 2
    assert Store(shared).find(recipe) is None


def plant_directory(shared: Path, victim: int) -> None:
    become(NOBODY)
    get_as(NOBODY, shared, program(shared.parent))
    (shared / f".user-{NOBODY}").rename(shared / f".user-{victim}")
    (shared / f".user-{victim}").chmod(0o755)


@as_root
def test_what_another_user_put_in_the_place_of_ones_own_is_not_run(shared: Path) -> None:
    run(plant_directory, shared, 0)
    recipe = program(shared.parent)
    for use in (Store(shared).find, Store(shared).get):
        with pytest.raises(CacheError, match=rf"{user_directory(shared)} is not used.*\n.*of user nobody"):
            use(recipe)
    assert listing(shared) == []


def test_a_directory_of_ones_own_that_others_may_write_to_is_not_used(shared: Path) -> None:
    make_directory(user_directory(shared), 0o022)
    with pytest.raises(CacheError, match="a directory that is yours and that nobody else may write to"):
        Store(shared).find(program(shared.parent))


def test_a_groups_cache_shares_what_is_run(public_path: Path) -> None:
    root = public_path / "cache"
    root.mkdir()
    root.chmod(0o2775)
    made = Store(root).get(program(public_path))
    assert made.path.parent.parent == root / "environment"
    assert made.path.stat().st_mode & 0o7777 == 0o2775
