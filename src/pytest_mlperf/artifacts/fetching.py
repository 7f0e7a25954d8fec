"""What the cache lends to the making of an artifact that is fetched: downloads that outlive an attempt, and pins."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.disk import replacing
from pytest_mlperf.artifacts.layout import EVIDENCE, PARTIAL, PINS
from pytest_mlperf.artifacts.sharing import make_directory, read_plain
from pytest_mlperf.artifacts.sources import Pin
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.artifacts.archives import Limits
    from pytest_mlperf.artifacts.download import Fetched, FetchOptions
    from pytest_mlperf.artifacts.sources import Network, RemoteFile


@dataclass(frozen=True)
class Provenance:
    """Where an artifact's content came from: the `source` for its manifest, and all `files` that were fetched.

    Their checksums are remembered where no publisher states a SHA-256.
    """

    source: str
    files: tuple[Fetched, ...]


@dataclass(frozen=True)
class Downloads:
    """Where one artifact's files are fetched to and checked, before they become its content.

    Used by the one process that holds the artifact's lock; `entry` is its name among all of `root`, whose permission
    bits are `mode`: the cache, or what this user has of it alone.
    """

    root: Path
    entry: str
    network: Network
    mode: int

    def fetch(self, file: RemoteFile) -> Fetched:
        """Fetch a file, see `pytest_mlperf.artifacts.download.fetch`, unless it is here from an earlier attempt."""
        from pytest_mlperf.artifacts.download import fetch

        return fetch(file, self._directory(), self.network, self._options())

    def fetch_and_unpack(self, file: RemoteFile, into: Path, limits: Limits | None = None) -> Fetched:
        """Fetch an archive and unpack it, see `pytest_mlperf.artifacts.streaming.fetch_and_unpack`."""
        from pytest_mlperf.artifacts.streaming import fetch_and_unpack

        return fetch_and_unpack(file, self._directory(), into, self.network, self._options(), limits)

    def fetch_many(self, files: Sequence[RemoteFile], name: str = "", typical_size: int | None = None) -> list[Fetched]:
        """Fetch many files, see `pytest_mlperf.artifacts.download.fetch_many`, except those that are here already."""
        from pytest_mlperf.artifacts.download import fetch_many

        return fetch_many(files, self._directory(), self.network, self._options(notes=False), name, typical_size)

    def reject(self, fetched: Fetched) -> None:
        """Delete a file that turned out to be of no use, so that the next attempt fetches it again."""
        fetched.path.unlink(missing_ok=True)

    def pin(self, files: Sequence[Fetched]) -> None:
        """Remember the content, so that another one under the same key is an error from now on."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        pins = {file.name: Pin(file.sha256, file.size, file.url, now) for file in files}
        known = self._known()
        # The first date stays: it says how long the content has been the same.
        if pins.keys() - known.keys():
            self._make(self._pins.parent)
            with replacing(self._pins, sync=True) as beside:
                beside.write_bytes(msgspec.json.encode(pins | known))
                beside.chmod(0o600 | self.mode & 0o666)

    def clear(self) -> None:
        """Delete what was fetched; it is the artifact's content now."""
        shutil.rmtree(self.root / PARTIAL / self.entry, ignore_errors=True)

    @property
    def _pins(self) -> Path:
        return self.root / PINS / f"{self.entry}.json"

    def _known(self) -> dict[str, Pin]:
        try:
            return msgspec.json.decode(read_plain(self._pins), type=dict[str, Pin])
        except FileNotFoundError:
            return {}
        except (OSError, CacheError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            what, expected = "cannot read which content was trusted before", f"checksums in {self._pins}"
            fix = "make it readable; or delete it, and the next content that comes is trusted"
            raise CacheError(what, expected=expected, found=str(error), fix=fix) from error

    def _directory(self) -> Path:
        return self._make(self._make(self.root / PARTIAL) / self.entry)

    def _options(self, *, notes: bool = True) -> FetchOptions:
        from pytest_mlperf.artifacts.download import FetchOptions

        return FetchOptions(self._known(), self._pins, self._make(self.root / EVIDENCE), notes)

    def _make(self, directory: Path) -> Path:
        """Make a directory for all who share the cache; without its sticky bit, since what one left another removes."""
        make_directory(directory, self.mode & 0o2777)
        return directory


def place(fetched: Path, target: Path) -> None:
    """Give a fetched file its place in an artifact's content; it also stays where it is, for a kill before the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(fetched, target)
    except OSError:  # a file system without links
        shutil.copyfile(fetched, target)
