"""Gets remote files whole and right, or says why not: mirrors, attempts, checksums, many at once."""

from __future__ import annotations

import json
import os
import random
import stat
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.connections import AddressFault, Client, Stopped
from pytest_mlperf.artifacts.disk import check_room, unwritten
from pytest_mlperf.artifacts.sharing import make_directory
from pytest_mlperf.artifacts.sources import Network, Progress, RemoteFile, addresses, is_local
from pytest_mlperf.artifacts.transfer import Digests, Partial, measure, receive
from pytest_mlperf.errors import CacheError, FetchError, OfflineError
from pytest_mlperf.secrecy import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.artifacts.sources import Pin

_REPORT_SECONDS = 0.1
#: The part of an estimated size that is needed for sure.
_SURELY = 0.8
_HTML_STARTS = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class Fetched:
    """A file that is here, whole: the remote file's `name`, its `path`, its size in bytes, its computed SHA-256.

    `url` is the address that gave it, without credentials; "" where it was here already and nobody noted whence.
    """

    name: str
    path: Path
    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class FetchOptions:
    """What a fetch checks besides the published checksums, and what it leaves besides the files.

    `pins` are checksums of earlier fetches, by the files' names, for those whose publisher states no SHA-256; messages
    name the file `pinned_in`. Files with a wrong checksum are kept in `evidence`, or beside the wanted file where None.
    `keep_notes` leaves notes of where files came from beside them, for whoever goes on after a kill.
    """

    pins: Mapping[str, Pin] = field(default_factory=dict)
    pinned_in: Path | None = None
    evidence: Path | None = None
    keep_notes: bool = False


def partial_path(file: RemoteFile, directory: Path) -> Path:
    """Return where a file grows while it is fetched."""
    target = directory / file.name
    return target.with_name(f"{target.name}.part")


def fetch(
    file: RemoteFile,
    directory: Path,
    network: Network,
    options: FetchOptions | None = None,
    on_size: Callable[[int], None] | None = None,
) -> Fetched:
    """Return ``directory/<file.name>``; fetch it if it is not there, from the first address that gives it.

    A fetch that was cut off leaves ``<file.name>.part`` and a note beside it, and the next one goes on there.
    One process at a time may fetch to a directory, which is made where missing. `on_size` is told how many bytes
    are in `partial_path`, at each piece; fewer than before where it begins anew.

    Raises
    ------
    FetchError
        No address gives it; the message says why, for each.
    OfflineError
        It is only to be had from the network, which must not be used.
    CacheError
        There is no room for it, or the directory cannot be written to.
    """
    return fetch_many([file], directory, network, options, file.name, on_size=on_size)[0]


def fetch_many(
    files: Sequence[RemoteFile],
    directory: Path,
    network: Network,
    options: FetchOptions | None = None,
    name: str = "",
    typical_size: int | None = None,
    on_size: Callable[[int], None] | None = None,
) -> list[Fetched]:
    """Return all `files` in `directory`, up to ``network.parallel`` of them fetched at once; see `fetch`.

    Files that are there are kept. The first that cannot be had ends the others; what is there by then stays. Two of
    one name are a ValueError. The progress is told under the `name` of the set. Where `typical_size` is given, bytes of
    a file whose size nobody states, a disk that plainly has no room for the rest is an error before the first byte.
    """
    if len({file.name for file in files}) != len(files):
        raise ValueError("two of the files have the same name")
    meter, options = _Meter(network, name, files), options or FetchOptions()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if typical_size is not None:
            missing = (file for file in files if not (directory / file.name).exists())
            check_room(f"for {name}", round(_SURELY * sum(file.size or typical_size for file in missing)), directory)
        with closing(Client(network)) as client:
            found = _run([_Fetch(file, directory, network, options, client, meter, on_size) for file in files], client)
    except OSError as error:
        raise unwritten(f"cannot write {name or directory}", error, directory) from error
    meter.tell()
    return found


def _run(jobs: Sequence[_Fetch], client: Client) -> list[Fetched]:
    with ThreadPoolExecutor(client.network.parallel, "fetch") as pool:
        futures = [pool.submit(job.run) for job in jobs]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            # Also on Ctrl-C. Nothing is left to do where all are done.
            if not all(future.done() and not future.exception() for future in futures):
                pool.shutdown(wait=False, cancel_futures=True)
                client.stop()
    faults = (future.exception() for future in futures if not future.cancelled())
    # Those that were stopped are none.
    if fault := next((fault for fault in faults if fault is not None and not isinstance(fault, Stopped)), None):
        raise fault
    return [future.result() for future in futures]


@dataclass(frozen=True)
class _Fetch:
    """One file's way from its addresses to the directory."""

    file: RemoteFile
    directory: Path
    network: Network
    options: FetchOptions
    client: Client
    meter: _Meter
    on_size: Callable[[int], None] | None = None

    def run(self) -> Fetched:
        target = self.directory / self.file.name
        partial = Partial(partial_path(self.file, self.directory), self.options.keep_notes)
        found = self._there(target, partial) or self._from_any(target, partial)
        self.meter.at(self.file, found.size, found.size, whole=True)
        return found

    def _there(self, target: Path, partial: Partial) -> Fetched | None:
        """Return the file if it is there already and, as far as anything is known of it, right."""
        try:
            status = target.lstat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            target.unlink()
            return None
        digests = measure(target, self.file, self.client)
        if status.st_uid != os.geteuid() or not status.st_size or self._wrong(digests):
            target.unlink()
            return None
        note = partial.note()
        if not self.options.keep_notes:
            partial.discard()
        return self._fetched(target, note.address if note else "", digests)

    def _from_any(self, target: Path, partial: Partial) -> Fetched:
        reasons: list[str] = []
        known = addresses(self.file, self.network)
        allowed = [address for address in known if is_local(address) or not self.network.offline]
        for address in allowed:
            try:
                return self._from(address, target, partial)
            except AddressFault as fault:  # noqa: PERF203 - the next address is for that
                reasons.append(f"{without_secrets(address)}: {fault.reason}")
        raise self._unavailable(reasons, offline=len(allowed) < len(known))

    def _from(self, address: str, target: Path, partial: Partial) -> Fetched:
        """Get the file from one address, in as many attempts as make sense."""
        faults, furthest, afresh = 0, partial.size, False
        while True:
            continued = partial.size > 0
            try:
                self.meter.at(self.file, partial.size if partial.note() else 0, self.file.size)
                digests = receive(self.file, address, partial, self.client, self._grown)
            except AddressFault as fault:
                # An attempt that brought the file further than any before is no failure.
                faults = 1 if partial.size > furthest else faults + 1
                furthest = max(furthest, partial.size)
                self._pause(fault, faults)
                continue
            if (wrong := self._wrong(digests)) is None:
                partial.publish(target)
                return self._fetched(target, address, digests)
            kept = self._keep_evidence(partial, address, wrong, digests)
            if not continued or afresh:
                raise AddressFault(f"{wrong}; {kept}")
            # The parts may be of different versions, or the disk's fault.
            afresh = True

    def _grown(self, size: int, total: int | None) -> None:
        self.meter.at(self.file, size, total)
        if self.on_size is not None:
            self.on_size(size)

    def _pause(self, fault: AddressFault, faults: int) -> None:
        """Wait as long as the server asks or as the number of faults suggests, or give the address up.

        urllib3's Retry would sleep through a Ctrl-C, and knows nothing of a body that was cut off.
        """
        network = self.network
        if not fault.passing:
            raise fault
        if faults >= network.attempts:
            raise AddressFault(f"{fault.reason} ({faults} attempts)") from fault
        seconds = fault.wait_s
        if seconds is None:
            bound = min(network.backoff_limit_s, network.backoff_s * 2 ** (faults - 1))
            seconds = bound * random.uniform(0.5, 1)  # noqa: S311 - no secret
        elif seconds > network.patience_s:
            raise AddressFault(f"{fault.reason}, and asks to wait {seconds:,.0f} s") from fault
        self.client.wait(seconds)

    def _wrong(self, digests: Digests) -> str | None:
        """Say in which way the content is not the file's."""
        file = self.file
        if file.size is not None and digests.size != file.size:
            return f"has {digests.size:,} bytes, not {file.size:,}"
        if file.sha256 and digests.sha256 != file.sha256.lower():
            return f"has SHA-256 {digests.sha256}, not {file.sha256}"
        if digests.md5 is not None and file.md5 and digests.md5 != file.md5.strip().lower():
            return f"has MD5 {digests.md5}, not {file.md5}"
        if (pin := self._pin()) is not None and digests.sha256 != pin.sha256:
            return f"has SHA-256 {digests.sha256}; it had {pin.sha256} when it was fetched on {pin.date}"
        return None

    def _pin(self) -> Pin | None:
        return None if self.file.sha256 else self.options.pins.get(self.file.name)

    def _keep_evidence(self, partial: Partial, address: str, wrong: str, digests: Digests) -> str:
        """Put the wrong file where it can be looked at and harms nobody; say where."""
        with partial.path.open("rb") as source:
            page = source.read(64).lstrip().lower().startswith(_HTML_STARTS)
        note = {"wanted": self.file.name, "address": without_secrets(address), "fault": wrong, "size": digests.size}
        note |= {"sha256": digests.sha256, "date": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        name = PurePosixPath(self.file.name).name
        place = (self.options.evidence or self.directory / ".evidence") / f"{name}-{digests.sha256[:12]}"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            make_directory(place, None)
            partial.path.replace(place / name)
            (place / "note.json").write_text(json.dumps(note, indent=2) + "\n")
            kept = f"kept in {place}"
        except (OSError, CacheError) as error:  # another user's evidence of the same, or another disk
            kept = f"deleted ({error.what if isinstance(error, CacheError) else error})"
        partial.discard()
        return f"it is a web page, {kept}" if page else kept

    def _fetched(self, path: Path, address: str, digests: Digests) -> Fetched:
        return Fetched(self.file.name, path, without_secrets(address), digests.size, digests.sha256)

    def _unavailable(self, reasons: list[str], *, offline: bool) -> FetchError:
        size = f"{self.file.size:,} bytes" if self.file.size is not None else "of unknown size"
        file, found = f"{self.file.name} ({size})", [f"- {reason}" for reason in reasons]
        if offline:
            wanted = f"wanted from {without_secrets(self.file.urls[0])}, but the network must not be used"
            fix = "allow the network, name a directory that mirrors the address, or bring it from another machine"
            return OfflineError(f"offline, and {file} is not here", found="\n".join([wanted, *found]), fix=fix)
        fix = "correct the network or the proxy, or have a mirror serve the file, and try again: what has come is kept"
        if self._pin() is not None and self.options.pinned_in is not None:
            fix += f"; if the publisher has replaced it for good, delete {self.options.pinned_in}"
        return FetchError(f"cannot fetch {file}", found="\n".join(found), fix=fix)


class _Meter:
    """Adds up what all threads have fetched, and reports it now and then."""

    def __init__(self, network: Network, name: str, files: Sequence[RemoteFile]) -> None:
        self._report = network.on_progress
        self._name, self._count, self._done, self._last = name, len(files), 0, 0.0
        self._totals = {file.name: file.size for file in files if file.size is not None}
        #: Bytes by file: those that are here, and those that were when its fetch began.
        self._sizes: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._lock = threading.Lock()

    def at(self, file: RemoteFile, size: int, total: int | None, *, whole: bool = False) -> None:
        with self._lock:
            self._done += whole
            self._before.setdefault(file.name, size)
            self._sizes[file.name] = size
            if total is not None:
                self._totals[file.name] = total
            if time.monotonic() - self._last > _REPORT_SECONDS:
                self.tell()

    def tell(self) -> None:
        if self._report is not None:
            self._last = time.monotonic()
            total = sum(self._totals.values()) if len(self._totals) == self._count else None
            here, before = sum(self._sizes.values()), sum(self._before.values())
            self._report(Progress(self._name, here, total, before, self._done, self._count))
