"""The recipe of a data set that is generated on the user's machine. Needs no numpy: planning a run makes it, too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import sha256 as sha256_of
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from pytest_mlperf.datasets.known_files import known_files
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class GeneratedRecipe(ABC):
    """The first `count` validation samples of a tiny edition.

    Attributes
    ----------
    title
        The name in the cache, before the count.
    samples
        What the samples are, for messages: ``scenes to paint``.
    most
        More than anybody would wait for is refused.
    known
        Where the digests of the samples are, for which the reference is known; see `known_files`.
    listed
        How many of the known files list the samples: they are known for the number of samples of the reference only.
    made_of
        The files of the package that determine the content.
    packages
        The packages whose versions may.
    """

    count: int
    kind: str = "dataset"
    source: str = "generated from a seed"

    title: ClassVar[str]
    samples: ClassVar[str]
    most: ClassVar[int]
    known: ClassVar[str]
    listed: ClassVar[int] = 0
    made_of: ClassVar[tuple[str, ...]]
    packages: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"{self.title} {self.count}"

    def key(self) -> dict[str, str | int]:
        """Return what determines the files: the generator, and the packages that it uses."""
        package = files("pytest_mlperf")
        made_of = {
            name: sha256_of(package.joinpath(*name.split("/")).read_bytes()).hexdigest() for name in self.made_of
        }
        packages = {name: version(name) for name in self.packages}
        return {"split": "validation", "count": self.count, **packages, **made_of}

    def build(self, directory: Path) -> None:
        """Write the samples.

        Raises
        ------
        DatasetError
            There are more than anybody would wait for.
        """
        if self.count > self.most:
            raise DatasetError(
                f"too many {self.samples}: {self.count:,}",
                expected=f"at most {self.most:,}",
                found=f"{self.count:,}",
                fix="use fewer with --dataset-size",
            )
        self.generate(directory)

    @abstractmethod
    def generate(self, directory: Path) -> None:
        """Write the samples into an empty directory."""

    def made_here(self, index: int) -> bytes | None:
        """Return the file of a sample as it is made here, where encoders differ; None if all machines make the same."""
        del index
        return None

    def fault(self, directory: Path, files: Mapping[str, str]) -> str | None:
        """Say which file is neither as it is known nor, if a sample's, as it is made here."""
        del directory
        known = known_files(self.known)
        listed, others = known[: self.listed], known[self.listed :]
        if self.count == len(others):
            for name, sha256 in listed:
                if (found := files.get(name, sha256)) != sha256:
                    return f"{name} has SHA-256 {found}, not {sha256}"
        changed = ((place, name) for place, (name, sha256) in enumerate(others) if files.get(name, sha256) != sha256)
        for index, name in changed:  # one is enough to tell an encoder from a change
            here = self.made_here(index)
            made = dict(others)[name] if here is None else sha256_of(here).hexdigest()
            return f"{name} has SHA-256 {files[name]}, not {made}" if made != files[name] else None
        return None
