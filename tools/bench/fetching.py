"""How fast a file is fetched and hashed, an archive fetched and unpacked, and many small files fetched.

Run ``python tools/bench/fetching.py``: a server in a process of its own on loopback; medians of several rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import multiprocessing
import os
import shutil
import statistics
import tarfile
import tempfile
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.artifacts.archives import unpack
from pytest_mlperf.artifacts.download import fetch, fetch_many
from pytest_mlperf.artifacts.sources import Network, RemoteFile
from pytest_mlperf.artifacts.streaming import fetch_and_unpack

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 1 << 18


class Handler(SimpleHTTPRequestHandler):
    """Serves a directory, no faster than a rate."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, *args: Any, pause_s: float, **settings: Any) -> None:
        self.pause_s = pause_s
        super().__init__(*args, **settings)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file piece by piece."""
        while piece := source.read(_PIECE):
            outputfile.write(piece)
            time.sleep(self.pause_s)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def serve(directory: str, rate: float, port: Any) -> None:
    """Serve until the process is ended."""
    handler = partial(Handler, directory=directory, pause_s=_PIECE / rate if rate else 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    port.send(server.server_port)
    server.serve_forever()


def start(directory: Path, rate: float = 0) -> tuple[multiprocessing.Process, str]:
    """Start a server; return it and its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(str(directory), rate, theirs), daemon=True)
    process.start()
    return process, f"http://127.0.0.1:{ours.recv()}"


def median(rounds: int, directory: Path, action: Callable[[Path], object]) -> float:
    """Return the median wall time of an action in a fresh directory."""
    times = []
    for number in range(rounds):
        place = directory / f"round {number}"
        started = time.perf_counter()
        action(place)
        times.append(time.perf_counter() - started)
        shutil.rmtree(place)
    return statistics.median(times)


def make_files(directory: Path, size: int, count: int) -> None:
    """Write a large file, an archive of the same size, and many small files."""
    (directory / "large").write_bytes(os.urandom(size))
    with tarfile.open(directory / "archive.tar.gz", "w:gz", compresslevel=1) as archive:
        for number in range(16):
            # Half of each file compresses, as annotations do and images do not.
            content = os.urandom(size // 32) + bytes(range(256)) * (size // 32 // 256)
            info = tarfile.TarInfo(f"{number}.bin")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    for number in range(count):
        (directory / f"{number}.jpg").write_bytes(os.urandom(30_000))


def main() -> None:
    """Print one line a measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=256)
    parser.add_argument("--files", type=int, default=2000)
    options = parser.parse_args()
    size = options.mebibytes << 20
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name, "source"), Path(name, "target")
        source.mkdir()
        target.mkdir()
        make_files(source, size, options.files)
        measure_large(source, target, options.rounds, size)
        measure_archive(source, target, options.rounds)
        measure_many(source, target, options.rounds, options.files)


def measure_large(source: Path, target: Path, rounds: int, size: int) -> None:
    """Compare a fetch with what hashing and copying alone take."""
    server, url = start(source)
    file = RemoteFile("large", (f"{url}/large",), size, hashlib.sha256((source / "large").read_bytes()).hexdigest())
    fetched = median(rounds, target, lambda place: fetch(file, place, Network()))
    hashed = median(rounds, target, lambda place: hash_file(source / "large", place))
    print(
        f"large file: {size / fetched / 1e6:.0f} MB/s fetched and hashed; SHA-256 alone {size / hashed / 1e6:.0f} MB/s"
    )
    server.terminate()


def hash_file(path: Path, place: Path) -> str:
    """Return the SHA-256 of a file; make the directory that is removed after each round."""
    place.mkdir()
    with path.open("rb") as file:
        sha256 = hashlib.sha256()
        while piece := file.read(_PIECE):
            sha256.update(piece)
    return sha256.hexdigest()


def measure_archive(source: Path, target: Path, rounds: int) -> None:
    """Compare one pass with fetching first and unpacking then, from a server of 100 MB/s."""
    server, url = start(source, rate=100e6)
    file = RemoteFile("archive.tar.gz", (f"{url}/archive.tar.gz",))

    def one_pass(place: Path) -> None:
        fetch_and_unpack(file, place / "kept", place / "content", Network())

    def two_passes(place: Path) -> None:
        unpack(fetch(file, place / "kept", Network()).path, place / "content")

    one, two = median(rounds, target, one_pass), median(rounds, target, two_passes)
    fetched = median(rounds, target, lambda place: fetch(file, place, Network()))
    print(f"archive: {one:.2f} s in one pass, {two:.2f} s in two, {fetched:.2f} s to fetch it alone")
    server.terminate()


def measure_many(source: Path, target: Path, rounds: int, count: int) -> None:
    """Compare numbers of files at once, from a server that takes 5 ms a file."""
    server, url = start(source, rate=_PIECE / 0.005)
    files = [RemoteFile(f"{number}.jpg", (f"{url}/{number}.jpg",)) for number in range(count)]
    for parallel in (1, 4, 16):
        action = partial(fetch_many, files, network=Network(parallel=parallel))
        seconds = median(max(1, rounds // 2), target, action)
        print(f"small files, {parallel:2} at once: {count / seconds:.0f} files/s")
    server.terminate()


if __name__ == "__main__":
    main()
