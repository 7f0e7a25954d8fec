"""Recipes of artifacts that are fetched: a file and an archive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.fetching import Provenance, place
from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.archives import Limits
    from pytest_mlperf.artifacts.fetching import Downloads
    from pytest_mlperf.artifacts.recipe import KeyValue
    from pytest_mlperf.artifacts.sources import RemoteFile

_CHUNK = 1 << 20


@dataclass(frozen=True)
class FileRecipe:
    """One remote file, whose name is the content's, as an artifact; see `pytest_mlperf.artifacts.recipe.Identity`."""

    file: RemoteFile
    name: str
    kind: str = "model"

    @property
    def source(self) -> str:
        """The publisher's address."""
        return without_secrets(self.file.urls[0])

    def key(self) -> Mapping[str, KeyValue]:
        """Return what determines the content: the checksum, or where nobody states one, the address."""
        file = self.file
        if file.sha256:
            return {"file": file.name, "sha256": file.sha256.lower()}
        return {"file": file.name, **({"md5": file.md5.strip().lower()} if file.md5 else {"url": self.source})}

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        """Put the file into `directory`."""
        fetched = downloads.fetch(self.file)
        place(fetched.path, directory / self.file.name)
        return Provenance(fetched.url or self.source, (fetched,))

    def fault(self, directory: Path, files: Mapping[str, str]) -> str | None:
        """Say where the file does not have the checksum that its publisher states."""
        file = self.file
        if file.sha256:
            known, found = f"SHA-256 {file.sha256.lower()}", f"SHA-256 {files.get(file.name)}"
        elif file.md5:
            with (directory / file.name).open("rb") as content:
                digest = hashlib.md5(usedforsecurity=False)
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
            known, found = f"MD5 {file.md5.strip().lower()}", f"MD5 {digest.hexdigest()}"
        else:
            return None
        return f"{file.name} has {found}, not {known}" if known != found else None


@dataclass(frozen=True)
class ArchiveRecipe(FileRecipe):
    """What a remote archive unpacks to as an artifact; `limits` is how much that may be, None for the usual."""

    kind: str = "dataset"
    limits: Limits | None = None

    def key(self) -> Mapping[str, KeyValue]:
        """Return what determines the content: the archive's checksum or address."""
        return {**super().key(), "unpacked": True}

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        """Unpack the archive into `directory`."""
        fetched = downloads.fetch_and_unpack(self.file, directory, self.limits)
        return Provenance(fetched.url or self.source, (fetched,))

    def fault(self, directory: Path, files: Mapping[str, str]) -> None:
        """Say nothing: the checksum is that of the archive, which is not kept."""
        del directory, files
