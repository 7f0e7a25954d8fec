from __future__ import annotations

import gzip
import io
import os
import signal
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.bundle import export_bundle, import_bundle
from pytest_mlperf.artifacts.entries import find_artifact
from pytest_mlperf.artifacts.inventory import listing
from pytest_mlperf.artifacts.removal import Keep, collect
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.errors import ArchiveError, CacheError, MLPerfError, OutputError
from tests.artifacts.recipes import Made, Scenes, artifacts_in, leftovers, processes, verify
from tests.artifacts.test_inventory import NOW

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    return Scenes(tmp_path / "tally")


@pytest.fixture
def here(tmp_path: Path) -> Store:
    return Store(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store(tmp_path / "there")


@pytest.fixture
def bundle(here: Store, scenes: Scenes, tmp_path: Path) -> Path:
    """Two artifacts in a file."""
    export_bundle(here, [here.get(scenes), here.get(replace(scenes, seed=1))], tmp_path / "b.tar")
    return tmp_path / "b.tar"


def nothing_is_in(store: Store) -> bool:
    return listing(store.root) == [] and not leftovers(store.root)


def test_what_was_exported_is_found_by_its_recipe_elsewhere(bundle: Path, there: Store, scenes: Scenes) -> None:
    imported = import_bundle(there, bundle)
    assert (len(imported.new), len(imported.there)) == (2, 0)
    for recipe in (scenes, replace(scenes, seed=1)):
        artifact = there.find(recipe)
        assert artifact is not None
        verify(artifact)
        assert recipe.is_whole(artifact)
    assert scenes.builds() == 2
    assert {entry.state for entry in listing(there.root)} == {"ready"}


def make_odd_content(directory: Path) -> None:
    (directory / "folder").mkdir()
    (directory / "folder" / "tool").write_bytes(b"#!/bin/sh\n")
    (directory / "folder" / "tool").chmod(0o755)
    (directory / "folder" / "empty").touch()
    (directory / "link").symlink_to("folder/tool")
    os.link(directory / "folder" / "tool", directory / "same")
    (directory / ("ö" * 120)).write_bytes(b"a long name")


def test_links_modes_empty_files_and_long_names_survive(here: Store, there: Store, tmp_path: Path) -> None:
    recipe = Made(make_odd_content)
    export_bundle(here, [here.get(recipe)], tmp_path / "b.tar")
    import_bundle(there, tmp_path / "b.tar")
    artifact = there.find(recipe)
    assert artifact is not None
    verify(artifact)
    assert os.access(artifact.path / "folder" / "tool", os.X_OK)
    assert (artifact.path / "link").readlink() == Path("folder/tool")
    assert (artifact.path / "folder" / "tool").stat().st_mode & 0o222 == 0


def test_the_same_artifacts_give_the_same_bytes(bundle: Path, here: Store, there: Store, tmp_path: Path) -> None:
    import_bundle(there, bundle)
    again = [find_artifact(artifact.path.parent) for artifact in artifacts_in(there)]
    export_bundle(there, [artifact for artifact in again if artifact], tmp_path / "again.tar")
    export_bundle(here, artifacts_in(here), tmp_path / "first.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "first.tar").read_bytes()


def test_what_is_there_already_is_left(bundle: Path, there: Store, scenes: Scenes) -> None:
    first = there.get(scenes).manifest
    imported = import_bundle(there, bundle)
    assert (len(imported.new), len(imported.there)) == (1, 1)
    artifact = there.find(scenes)
    assert artifact is not None
    assert artifact.manifest == first


def test_a_damaged_artifact_is_not_exported(here: Store, scenes: Scenes, tmp_path: Path) -> None:
    made = here.get(scenes)
    file = next(made.path.rglob("*.bin"))
    file.chmod(0o644)
    file.write_bytes(b"x" * 1000)
    (tmp_path / "b.tar").write_text("the one before")
    with pytest.raises(CacheError, match="is damaged"):
        export_bundle(here, [made], tmp_path / "b.tar")
    assert (tmp_path / "b.tar").read_text() == "the one before"
    assert not list(tmp_path.glob(".b.tar*"))


def test_a_bundle_that_cannot_be_written_is_an_error_of_ours(here: Store, scenes: Scenes, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none" / "b.tar"):
        with pytest.raises(OutputError, match="cannot write the bundle"):
            export_bundle(here, [here.get(scenes)], place)


def test_a_bundle_may_be_compressed(bundle: Path, there: Store) -> None:
    bundle.with_suffix(".gz").write_bytes(gzip.compress(bundle.read_bytes()))
    assert len(import_bundle(there, bundle.with_suffix(".gz")).new) == 2


def test_a_bundle_cut_off_anywhere_leaves_nothing(bundle: Path, there: Store) -> None:
    whole = bundle.read_bytes()
    end = len(whole.rstrip(b"\0"))
    for size in [0, 1, 511, 512, *range(513, end + 511, 1531)]:
        bundle.write_bytes(whole[:size])
        with pytest.raises(MLPerfError):
            import_bundle(there, bundle)
        assert nothing_is_in(there), size


def rewrite(bundle: Path, change: Callable[[tarfile.TarInfo, bytes], bytes], *more: tarfile.TarInfo) -> None:
    """Write the bundle again, as someone else would."""
    with tarfile.open(bundle) as archive:
        members = [(info, archive.extractfile(info)) for info in archive]
        contents = [(info, file.read() if file else b"") for info, file in members]
    with tarfile.open(bundle, "w") as archive:
        for info, content in contents:
            changed = change(info, content)
            info.size = len(changed)
            archive.addfile(info, io.BytesIO(changed))
        for info in more:
            archive.addfile(info, io.BytesIO(b"." * info.size))


def same(info: tarfile.TarInfo, content: bytes) -> bytes:
    return content


def other_content(info: tarfile.TarInfo, content: bytes) -> bytes:
    # Of the last artifact only: the first is sound, and must not come either.
    return b"x" + content[1:] if content.startswith(b"1 2 ") else content


def other_manifest(info: tarfile.TarInfo, content: bytes) -> bytes:
    return content.replace(b'"seed":1', b'"seed":2') if info.name.endswith("manifest.json") else content


def no_manifest(info: tarfile.TarInfo, content: bytes) -> bytes:
    return b"{}" if info.name.endswith("manifest.json") else content


@pytest.mark.parametrize("change", [other_content, other_manifest, no_manifest])
def test_one_artifact_that_is_not_what_its_manifest_says_spoils_the_bundle(
    bundle: Path, there: Store, change: Callable[[tarfile.TarInfo, bytes], bytes]
) -> None:
    rewrite(bundle, change)
    with pytest.raises(CacheError, match="is no whole artifact"):
        import_bundle(there, bundle)
    assert nothing_is_in(there)


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info


@pytest.mark.parametrize(
    "hostile",
    [
        member("../outside", 3),
        member("/outside", 3),
        member("dataset/pipe", kind=tarfile.FIFOTYPE),
        member("dataset/x-1/content", kind=tarfile.SYMTYPE, target="../../.."),
        member("dataset/x-1/manifest.json", kind=tarfile.LNKTYPE, target="../../../secret"),
    ],
    ids=lambda info: info.name,
)
def test_members_that_lead_outside_are_refused(bundle: Path, there: Store, hostile: tarfile.TarInfo) -> None:
    rewrite(bundle, same, hostile)
    with pytest.raises(ArchiveError, match="refused"):
        import_bundle(there, bundle)
    assert nothing_is_in(there)


@pytest.mark.parametrize(
    "stranger",
    [
        member("dataset/file", 3),
        member("file", 3),
        member(".locks/x-1/manifest.json", 3),
        member("dataset/x-1/content/file", 3),
        member("dataset/.hidden/manifest.json", 3),
        member("kind", kind=tarfile.SYMTYPE, target="dataset"),
    ],
    ids=lambda info: info.name,
)
def test_members_that_belong_to_no_artifact_are_refused(bundle: Path, there: Store, stranger: tarfile.TarInfo) -> None:
    rewrite(bundle, same, stranger)
    with pytest.raises(CacheError, match=r"no bundle|no whole artifact"):
        import_bundle(there, bundle)
    assert nothing_is_in(there)


def test_what_is_no_bundle_is_refused(there: Store, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("<html>not found</html>")
    for file in (tmp_path / "page", tmp_path / "none", tmp_path):
        with pytest.raises(MLPerfError):
            import_bundle(there, file)
        assert nothing_is_in(there)


def import_it(root: Path, bundle: Path) -> None:
    import_bundle(Store(root), bundle)


def test_a_kill_in_mid_import_leaves_nothing_to_see_and_the_next_import_succeeds(
    here: Store, there: Store, scenes: Scenes, tmp_path: Path
) -> None:
    large = replace(scenes, count=300, size=100_000)
    bundle = tmp_path / "large.tar"
    export_bundle(here, [here.get(large)], bundle)
    seen = 0
    for delay in (0.0, 0.02, 0.05, 0.1):
        child = processes.Process(target=import_it, args=(there.root, bundle))
        child.start()
        deadline = time.monotonic() + 60
        while not (there.root / ".import").exists() and child.is_alive() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(delay)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        artifact = there.find(large)
        assert artifact is None or large.is_whole(artifact)
        assert [entry for entry in listing(there.root) if entry.state == "damaged"] == []
        if artifact is not None:
            break
        seen += any(entry.state == "unfinished" for entry in listing(there.root))
    assert seen
    collect(there.root, listing(there.root), Keep(days=1), NOW)
    assert not (there.root / ".import").exists()
    import_bundle(there, bundle)
    artifact = there.find(large)
    assert artifact is not None
    verify(artifact)
    assert not (there.root / ".import").exists()
