"""A cache that cannot be written says which option names another; whatever else happened to it goes unnoticed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.benchmarks.retinanet import TINY
from pytest_mlperf.datasets.digit_scenes import generate
from pytest_mlperf.datasets.layout import IMAGES
from pytest_mlperf.datasets.scenes_recipe import ScenesRecipe
from tests.artifacts.recipes import leftovers, verify
from tests.bad_input.conftest import Tiny
from tests.conftest import run_benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Session

RECIPE = ScenesRecipe(TINY.dataset.size or 0)
ADVICE = "--mlperf-cache DIR or PYTEST_MLPERF_CACHE"


class OneScene(ScenesRecipe):
    """The data set's entry with less in it than another process of this version would have made."""

    def build(self, directory: Path) -> None:
        generate(directory, "validation", 1)


@dataclass(frozen=True)
class Rebuilt:
    """A session on a damaged cache, and what it made of it."""

    session: Session
    tiny: Tiny


@pytest.fixture(scope="session")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Rebuilt:
    """Run the tiny edition on a cache with files that are not those of the manifest, behind a stale lock."""
    root = tmp_path_factory.mktemp("rebuilt")
    made = Store(root / "cache").get(OneScene(RECIPE.count))
    image = made.path / IMAGES / "scene-000000.jpg"
    image.chmod(0o644)
    os.truncate(image, 100)
    [lock] = (root / "cache" / ".locks").glob("*.lock")
    # The process number is above the largest that Linux gives by default.
    lock.write_text('{"pid": 4194305, "host": "elsewhere", "since": "2001-01-01"}')
    tiny = Tiny(partial(run_benchmarks, directory=root), root, root / "cache", root / "results", root / "report.json")
    return Rebuilt(tiny.made(), tiny)


@pytest.fixture(scope="session")
def whole_cache(rebuilt: Rebuilt) -> Path:
    """A cache with the tiny edition's data set, for everybody to read."""
    return rebuilt.tiny.cache


@pytest.mark.slow
def test_a_damaged_entry_behind_a_stale_lock_is_made_again_without_a_word(rebuilt: Rebuilt) -> None:
    rebuilt.tiny.runs(rebuilt.session)
    assert not any(word in rebuilt.session.output.lower() for word in ("warning", "is not used", "captured"))
    made = Store(rebuilt.tiny.cache).find(RECIPE)
    assert made is not None
    verify(made)
    assert len(list((made.path / IMAGES).iterdir())) == RECIPE.count
    assert leftovers(rebuilt.tiny.cache) == []


@pytest.mark.parametrize("place", ["a file", "below a file", "/sys/pytest-mlperf"])
def test_a_cache_that_cannot_be_made(tiny: Tiny, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    cache = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "cache"}.get(place, Path(place))
    session = tiny.made("--mlperf-cache", str(cache))
    tiny.refuses(session, f"cannot write to the cache {cache}", "expected: a directory in which you may write", ADVICE)
    assert (tmp_path / "file").read_text() == "mine"
    assert not tiny.output.exists()


@pytest.mark.slow
def test_a_cache_that_the_environment_names_is_the_same(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = ("--model=retinanet-tiny", "--backend=onnxruntime", "--scenario=Offline", "--mode=accuracy")
    session = tiny.benchmarks(*options, f"--mlperf-json={tiny.report}", PYTEST_MLPERF_CACHE=str(tmp_path / "file"))
    tiny.refuses(session, "cannot write to the cache", ADVICE)


@pytest.mark.slow
def test_a_cache_with_no_room_for_a_file(tiny: Tiny) -> None:
    session = tiny.made(python=("prlimit", "--fsize=20000", sys.executable))
    tiny.refuses(session, "no room in the cache to make retinanet-tiny scenes 500", "File too large", ADVICE)
    assert leftovers(tiny.cache) == []


@pytest.mark.slow
def test_a_cache_on_a_full_disk(tiny: Tiny, make_disk: Callable[[str], Path]) -> None:
    tiny = replace(tiny, cache=make_disk("256k") / "cache")
    tiny.refuses(tiny.made(), "no room in the cache", "No space left on device", ADVICE)
    assert leftovers(tiny.cache) == []


@pytest.mark.slow
def test_a_read_only_cache_serves_what_it_has(tiny: Tiny, whole_cache: Path, make_disk: Callable[[str], Path]) -> None:
    disk = make_disk("64m")
    shutil.copytree(whole_cache, disk / "cache")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    tiny.runs(tiny.made("--mlperf-cache", str(disk / "cache")))


@pytest.mark.parametrize("locale", ["C.UTF-8", pytest.param("C", marks=pytest.mark.slow)])
def test_every_path_may_have_spaces_and_letters_of_any_language(
    tiny: Tiny, whole_cache: Path, tmp_path: Path, locale: str
) -> None:
    directory = tmp_path / "Größe mit Leerzeichen 'π' 模型 [1]"
    (directory / "here").mkdir(parents=True)
    shutil.copytree(whole_cache, directory / "cache")
    tiny = replace(tiny, cache=directory / "cache", output=directory / "results", report=directory / "report.json")
    session = tiny.made(directory=directory / "here", LC_ALL=locale)
    result = tiny.runs(session)
    assert Path(result["output"]).is_relative_to(tiny.output)
    assert (Path(result["output"]) / "mlperf_log_accuracy.json").stat().st_size > 0
    assert sorted(path.name for path in directory.iterdir()) == ["cache", "here", "report.json", "results"]


def test_a_link_in_place_of_a_device_lease_is_named_and_nothing_is_made_at_its_end(tiny: Tiny, tmp_path: Path) -> None:
    lock = tmp_path / "pytest-mlperf-cpu.lock"
    lock.symlink_to(tmp_path / "target")
    session = tiny.made(MLPERF_TEST_LEASES=str(tmp_path))
    tiny.refuses(session, "cannot lock the device cpu", str(lock), "a symbolic link, of user", "or root, remove")
    assert not (tmp_path / "target").exists()
