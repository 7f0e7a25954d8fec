"""Recipes, and ways to run them in processes of their own, for the tests of the cache."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.entries import find_artifact, visible
from pytest_mlperf.artifacts.store import Artifact, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.recipe import KeyValue

NOBODY = 65534

#: Children come from a clean server that has the package loaded: real processes, a few milliseconds each.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["pytest_mlperf.artifacts.store", "pytest_mlperf.artifacts.streaming"])


@dataclass(frozen=True)
class Scenes:
    """Files with a known content; each build adds a line to `tally`, which lies outside the cache."""

    tally: Path
    seed: int = 0
    count: int = 3
    size: int = 1000
    pause_s: float = 0.0
    name: str = "scènes d’essai 3"
    kind: str = "dataset"
    source: str = "generated"

    def key(self) -> Mapping[str, KeyValue]:
        return {"count": self.count, "size": self.size, "seed": self.seed}

    def build(self, directory: Path) -> None:
        with self.tally.open("a") as file:
            file.write(f"{os.getpid()}\n")
        for number in range(self.count):
            folder = directory / f"part {number % 2}"
            folder.mkdir(exist_ok=True)
            (folder / f"scène {number}.bin").write_bytes(self.content(number))
            time.sleep(self.pause_s)

    def content(self, number: int) -> bytes:
        return f"{self.seed} {number} ".encode().ljust(self.size, b".")

    def builds(self) -> int:
        return len(self.tally.read_text().splitlines()) if self.tally.exists() else 0

    def is_whole(self, artifact: Artifact) -> bool:
        found = {path.name: path.read_bytes() for path in artifact.path.rglob("*.bin")}
        return found == {f"scène {number}.bin": self.content(number) for number in range(self.count)}


@dataclass(frozen=True)
class Made:
    """A recipe whose content is made by a function."""

    make: Callable[[Path], object]
    name: str = "made"
    kind: str = "model"
    source: str = "the test"

    def key(self) -> Mapping[str, KeyValue]:
        return {"made": True}

    def build(self, directory: Path) -> None:
        self.make(directory)


def leftovers(root: Path) -> list[Path]:
    """Return what killed or failed builds have left beside the entries of the cache."""
    return sorted(path for path in root.glob("*/.*") if path.parent.name != ".locks")


def truncate(path: Path, size: int) -> None:
    path.chmod(0o644)
    os.truncate(path, size)


def run(function: Callable[..., None], *args: Any, timeout_s: float = 60) -> None:
    """Call a function in a process of its own; fail if it raises there (its traceback is in stderr)."""
    child = processes.Process(target=function, args=args)
    child.start()
    child.join(timeout_s)
    if child.exitcode is None:
        child.kill()
        child.join()
    assert child.exitcode == 0, f"{function.__name__}{args} ended with {child.exitcode}"


def become(uid: int, *groups: int) -> None:
    """Drop root's rights, before which no permission holds; an ordinary user has none to drop."""
    if os.geteuid() == 0:
        os.setgroups(groups)
        os.setgid(uid)
        os.setuid(uid)


def get(root: Path, recipe: Scenes) -> None:
    assert recipe.is_whole(Store(root).get(recipe))


def verify(artifact: Artifact) -> None:
    """Hash every file again; raise the CacheError of `cache verify` where one is missing, added, or another."""
    if (fault := artifact.fault()) is not None:
        raise artifact.damaged(fault)


def artifacts_in(store: Store) -> list[Artifact]:
    """Return every whole artifact of a cache, by kind and name."""
    return [found for kind in visible(store.root) for entry in visible(kind) if (found := find_artifact(entry))]
