from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.artifacts.fetching import Downloads, Provenance, place
from pytest_mlperf.artifacts.remote import ArchiveRecipe, FileRecipe
from pytest_mlperf.artifacts.sources import Network, RemoteFile
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.errors import ArchiveError, CacheError, FetchError, OfflineError
from tests.artifacts.packing import packed
from tests.artifacts.recipes import NOBODY, become, leftovers, processes, run, verify
from tests.artifacts.test_store_processes import COUNT, read_until_told
from tests.artifacts.web import QUICK, Web, cut_after, status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import KeyValue, Recipe

CONTENT = random.Random(1).randbytes(700_000)
FILES = {f"part {n % 2}/{n}.bin": random.Random(n).randbytes(60_000) for n in range(COUNT)}


ARCHIVE = packed(FILES)


def store(tmp_path: Path, network: Network = QUICK) -> Store:
    return Store(tmp_path / "cache", "1.0", network)


def model(web: Web, content: bytes = CONTENT, **known: Any) -> FileRecipe:
    web.files["/m.onnx"] = content
    return FileRecipe(RemoteFile("m.onnx", (f"{web.url}/m.onnx",), **known), "a model")


def scenes(web: Web, path: str = "/s.tar.gz") -> ArchiveRecipe:
    web.files[path] = ARCHIVE
    return ArchiveRecipe(RemoteFile("s.tar.gz", (f"{web.url}{path}",)), "scenes")


def fetched_leftovers(root: Path) -> list[Path]:
    return sorted((root / ".partial").glob("**/*"))


def test_a_file_becomes_an_artifact_that_says_where_it_came_from(web: Web, tmp_path: Path) -> None:
    recipe = model(web, md5=hashlib.md5(CONTENT, usedforsecurity=False).hexdigest() + " ")
    recipe = replace(recipe, file=replace(recipe.file, urls=(f"{web.url}/gone", *recipe.file.urls)))
    artifact = store(tmp_path).get(recipe)
    verify(artifact)
    (file,) = artifact.manifest.files
    assert (file.path, file.sha256) == ("m.onnx", hashlib.sha256(CONTENT).hexdigest())
    assert artifact.manifest.source == f"{web.url}/m.onnx"
    assert (artifact.path / "m.onnx").stat().st_nlink == 1
    assert fetched_leftovers(tmp_path / "cache") == []
    assert store(tmp_path, replace(QUICK, offline=True)).get(recipe) == artifact


def test_an_archive_becomes_its_content(web: Web, tmp_path: Path) -> None:
    artifact = store(tmp_path).get(scenes(web))
    assert {file.path: (artifact.path / file.path).read_bytes() for file in artifact.manifest.files} == FILES
    assert fetched_leftovers(tmp_path / "cache") == []


def test_nothing_in_the_cache_has_a_secret_of_an_address(web: Web, tmp_path: Path) -> None:
    path = "/m.onnx?X-Amz-Signature=hidden&token=hidden"
    web.files[path] = web.files["/m.onnx"] = CONTENT
    url = f"{web.url}{path}".replace("://", "://me:hidden@")
    wrong = FileRecipe(RemoteFile("m.onnx", (url,), sha256="0" * 64), "another model")
    with pytest.raises(FetchError) as raised:
        store(tmp_path).get(wrong)
    assert "hidden" not in str(raised.value)
    artifact = store(tmp_path).get(FileRecipe(RemoteFile("m.onnx", (url,)), "a model"))
    assert artifact.manifest.source == f"{web.url}/m.onnx?X-Amz-Signature=***&token=***"
    written = [file for file in (tmp_path / "cache").rglob("*") if file.is_file() and file.name != "m.onnx"]
    assert {"manifest.json", "note.json"} <= {file.name for file in written}
    assert [file for file in written if b"hidden" in file.read_bytes()] == []


def test_the_key_is_the_checksum_or_the_address_but_not_the_mirror() -> None:
    urls = ("https://a/f", "https://b/f")
    with_sum = FileRecipe(RemoteFile("f", urls, sha256="AB" * 32), "a")
    assert with_sum.key() == replace(with_sum, file=replace(with_sum.file, urls=urls[::-1], size=3)).key()
    assert with_sum.key() != replace(with_sum, file=replace(with_sum.file, sha256="cd" * 32)).key()
    without = FileRecipe(RemoteFile("f", urls), "a")
    assert without.key() != replace(without, file=replace(without.file, urls=urls[::-1])).key()
    assert without.key() != ArchiveRecipe(without.file, "a").key()


def test_content_that_changes_after_it_was_trusted_is_an_error(web: Web, tmp_path: Path) -> None:
    recipe = model(web)
    first = store(tmp_path).get(recipe)
    shutil.rmtree(first.path.parent)
    web.files["/m.onnx"] = changed = CONTENT[::-1]
    with pytest.raises(FetchError, match=r"it had .* when it was fetched on") as caught:
        store(tmp_path).get(recipe)
    assert store(tmp_path).find(recipe) is None
    (evidence,) = (tmp_path / "cache" / ".evidence").glob("*/m.onnx")
    assert evidence.read_bytes() == changed
    (pins,) = (tmp_path / "cache" / ".pins").iterdir()
    assert f"delete {pins}" in str(caught.value)
    pins.unlink()
    assert (store(tmp_path).get(recipe).path / "m.onnx").read_bytes() == changed


def test_the_pinned_content_is_taken_from_whichever_address_still_has_it(web: Web, tmp_path: Path) -> None:
    recipe = model(web)
    web.files["/old"] = CONTENT
    recipe = replace(recipe, file=replace(recipe.file, urls=(*recipe.file.urls, f"{web.url}/old")))
    shutil.rmtree(store(tmp_path).get(recipe).path.parent)
    web.files["/m.onnx"] = CONTENT[::-1]
    assert store(tmp_path).get(recipe).manifest.source == f"{web.url}/old"


def test_what_could_not_be_made_into_an_artifact_is_not_trusted(web: Web, tmp_path: Path) -> None:
    recipe = scenes(web)
    web.files["/s.tar.gz"] = b"<html>come back later</html>" * 30
    with pytest.raises(ArchiveError):
        store(tmp_path).get(recipe)
    web.files["/s.tar.gz"] = ARCHIVE
    assert len(store(tmp_path).get(recipe).manifest.files) == COUNT


def test_pins_that_cannot_be_read_do_not_let_anything_pass(web: Web, tmp_path: Path) -> None:
    recipe = model(web)
    shutil.rmtree(store(tmp_path).get(recipe).path.parent)
    (pins,) = (tmp_path / "cache" / ".pins").iterdir()
    pins.write_text("{")
    with pytest.raises(CacheError, match="which content was trusted"):
        store(tmp_path).get(recipe)


def test_offline_names_what_is_missing(web: Web, tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match=r"m\.onnx \(700,000 bytes\)"):
        store(tmp_path, replace(QUICK, offline=True)).get(model(web, size=len(CONTENT)))
    assert web.requests == []


def test_an_artifact_that_came_in_parts_over_two_sessions_has_its_source(web: Web, tmp_path: Path) -> None:
    recipe = model(web)
    web.faults["/m.onnx"] = [cut_after(1 << 18, reset=False), *[status(500)] * QUICK.attempts]
    with pytest.raises(FetchError):
        store(tmp_path).get(recipe)
    assert fetched_leftovers(tmp_path / "cache") != []
    before = web.sent
    assert store(tmp_path).get(recipe).manifest.source == f"{web.url}/m.onnx"
    assert web.sent - before == len(CONTENT) - before


@dataclass(frozen=True)
class Checked(FileRecipe):
    """A file whose content is looked at."""

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        fetched = downloads.fetch(self.file)
        if fetched.path.read_bytes() != CONTENT:
            downloads.reject(fetched)
            raise CacheError("not what it should be")
        return super().fetch(directory, downloads)


def test_a_file_that_its_recipe_rejects_is_fetched_again(web: Web, tmp_path: Path) -> None:
    recipe = Checked(model(web, b"not a model").file, "checked")
    with pytest.raises(CacheError, match="not what it should be"):
        store(tmp_path).get(recipe)
    model(web)
    assert (store(tmp_path).get(recipe).path / "m.onnx").read_bytes() == CONTENT
    assert len(web.requests) == 2


@dataclass(frozen=True)
class Images:
    """Many small files, as of a data set."""

    files: tuple[RemoteFile, ...]
    kind: str = "dataset"
    name: str = "images"
    source: str = "the test's server"

    def key(self) -> Mapping[str, KeyValue]:
        return {"count": len(self.files)}

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        found = downloads.fetch_many(self.files, self.name)
        for one in found:
            place(one.path, directory / one.name)
        return Provenance(self.source, tuple(found))


def images(web: Web, count: int) -> Images:
    for number in range(count):
        web.files[f"/{number}"] = f"image {number}".encode()
    return Images(tuple(RemoteFile(f"v/{n}.jpg", (f"{web.url}/{n}",)) for n in range(count)))


def test_many_files_go_on_where_another_session_failed(web: Web, tmp_path: Path) -> None:
    recipe = images(web, 40)
    web.faults["/39"] = [status(404)]
    with pytest.raises(FetchError, match=r"v/39\.jpg"):
        store(tmp_path, replace(QUICK, parallel=1)).get(recipe)
    artifact = store(tmp_path).get(recipe)
    assert len(artifact.manifest.files) == 40
    assert len(web.requests) == 41
    shutil.rmtree(artifact.path.parent)
    web.files["/7"] = b"another image"
    with pytest.raises(FetchError, match=r"v/7\.jpg"):
        store(tmp_path).get(recipe)


def get_when_all_are_ready(barrier: Any, root: Path, recipe: FileRecipe) -> None:
    barrier.wait()
    artifact = Store(root, network=QUICK).get(recipe)
    assert (artifact.path / "m.onnx").read_bytes() == CONTENT


def test_sixteen_processes_fetch_once(web: Web, tmp_path: Path) -> None:
    web.piece_s = 0.02
    recipe, barrier = model(web), processes.Barrier(16)
    many = [
        processes.Process(target=get_when_all_are_ready, args=(barrier, tmp_path / "cache", recipe)) for _ in range(16)
    ]
    for one in many:
        one.start()
    for one in many:
        one.join(60)
    assert [one.exitcode for one in many] == [0] * 16
    assert len(web.requests) == 1
    assert web.sent == len(CONTENT)


def get(root: Path, recipe: Recipe) -> None:
    Store(root, network=QUICK).get(recipe)


def is_whole(found: Any) -> bool:
    return {file.path: (found.path / file.path).read_bytes() for file in found.manifest.files} == FILES


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[None]:
    """Look at the cache all the time, and fail if anything in it is not whole."""
    stop, seen = tmp_path / "stop", tmp_path / "seen"
    process = processes.Process(target=read_until_told, args=(tmp_path / "cache", stop, seen))
    process.start()
    yield
    stop.touch()
    process.join(30)
    assert process.exitcode == 0
    assert int(seen.read_text().split()[1]) > 0


def kill_after(web: Web, root: Path, recipe: Recipe, sent: int, seconds: float) -> int:
    """Kill a process `seconds` after the server has sent it so much; return how much of that is on the disk."""
    before = web.sent
    process = processes.Process(target=get, args=(root, recipe))
    process.start()
    while web.sent < before + sent and process.is_alive():
        time.sleep(0.001)
    time.sleep(seconds)
    process.kill()
    process.join()
    while web.busy:
        time.sleep(0.001)
    kept = root / ".partial"
    return sum(path.stat().st_size for name in ("s.tar.gz", "s.tar.gz.part") for path in kept.glob(f"*/{name}"))


def kill_many(web: Web, tmp_path: Path, rounds: int) -> None:
    root, chance = tmp_path / "cache", random.Random(1)
    started = time.monotonic()
    Store(root, network=QUICK).get(scenes(web, "/warm"))
    making_s = time.monotonic() - started
    web.piece_s = 0.005
    in_fetch = later = 0
    for number in range(rounds):
        recipe = scenes(web, f"/{number}")
        # In turn: somewhere in the fetch, and somewhere between its end and the publication.
        sent = len(ARCHIVE) if number % 2 else chance.randrange(len(ARCHIVE))
        here = kill_after(web, root, recipe, sent, chance.uniform(0, making_s / 4) if number % 2 else 0)
        found = Store(root).find(recipe)
        assert found is None or is_whole(found)
        before = web.sent
        assert is_whole(Store(root, network=QUICK).get(recipe, timeout=5))
        if found is None:
            in_fetch += 0 < here < len(ARCHIVE)
            later += here == len(ARCHIVE)
            assert web.sent - before == len(ARCHIVE) - here, "what had come was fetched again"
        assert leftovers(root) == []
        assert fetched_leftovers(root) == []
    assert in_fetch >= rounds / 6, "too few of the kills met a fetch"
    assert later >= rounds / 15, "too few of the kills met the making of the artifact"


@pytest.mark.slow
@pytest.mark.usefixtures("reader")
def test_a_killed_fetch_goes_on_and_nothing_partial_is_seen(web: Web, tmp_path: Path) -> None:
    kill_many(web, tmp_path, 20)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.usefixtures("reader")
def test_a_hundred_killed_fetches_go_on_and_nothing_partial_is_seen(web: Web, tmp_path: Path) -> None:
    kill_many(web, tmp_path, 100)


def get_as(uid: int, root: Path, recipe: FileRecipe, fails: bool = False) -> None:
    "localhost".encode("idna")  # imports what another user may not read
    become(uid)
    os.umask(0o077)
    try:
        assert (Store(root, network=QUICK).get(recipe).path / "m.onnx").read_bytes() == CONTENT
    except FetchError:
        assert fails


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_failed_fetch_of_one_user_of_a_shared_cache_is_no_obstacle_to_another(web: Web, public_path: Path) -> None:
    root = public_path / "cache"
    root.mkdir()
    root.chmod(0o1777)
    recipe = model(web)
    web.faults["/m.onnx"] = [cut_after(1 << 18, reset=False), *[status(500)] * QUICK.attempts]
    run(get_as, NOBODY, root, recipe, True)
    run(get_as, NOBODY - 1, root, recipe)
    run(get_as, NOBODY, root, recipe)
    # Nobody changes what another trusts.
    [pins] = root.glob(".user-*/.pins/*")
    assert (pins.parts[-3], stat.S_IMODE(pins.stat().st_mode)) == (f".user-{NOBODY - 1}", 0o600)
    assert {stat.S_IMODE(own.stat().st_mode) for own in root.glob(".user-*")} == {0o700}
    other = replace(recipe, file=replace(recipe.file, urls=(f"{web.url}/m.onnx?2",)))
    web.files["/m.onnx?2"] = CONTENT
    run(get_as, NOBODY, root, other)
