"""Many files at once, and an end to all of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.download import fetch_many
from pytest_mlperf.artifacts.sources import Progress, RemoteFile
from pytest_mlperf.errors import FetchError
from tests.artifacts.downloads import LARGE, remote
from tests.artifacts.web import (
    QUICK,
    Web,
    stall_after,
    status,
)

if TYPE_CHECKING:
    from pathlib import Path


def many(web: Web, count: int) -> list[RemoteFile]:
    for number in range(count):
        web.files[f"/{number}"] = f"image {number} ".encode() * 100
    return [RemoteFile(f"part{n % 3}/{n}.jpg", (f"{web.url}/{n}",)) for n in range(count)]


def test_many_files_come_at_once_but_not_too_many(web: Web, tmp_path: Path) -> None:
    told: list[Progress] = []
    files = many(web, 200)
    web.piece_s = 0.005
    got = fetch_many(files, tmp_path, replace(QUICK, parallel=5, on_progress=told.append), name="images")
    assert [one.name for one in got] == [file.name for file in files]
    assert all(one.path.read_bytes() == web.files[f"/{n}"] for n, one in enumerate(got))
    assert 1 < web.most_at_once <= 5
    assert (told[-1].name, told[-1].files_done, told[-1].files_total) == ("images", 200, 200)
    assert told[-1].bytes_done == told[-1].bytes_total == sum(map(len, web.files.values()))


def test_two_files_of_one_name_are_refused(web: Web, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the same name"):
        fetch_many([remote(web), remote(web)], tmp_path, QUICK)


def test_many_files_go_on_with_those_that_are_there(web: Web, tmp_path: Path) -> None:
    files = many(web, 50)
    fetch_many(files[:30], tmp_path, QUICK)
    (tmp_path / files[0].name).write_bytes(b"")
    fetch_many([replace(file, size=len(web.files[f"/{n}"])) for n, file in enumerate(files)], tmp_path, QUICK)
    assert len(web.requests) == 30 + 21


def test_the_first_failure_of_many_ends_the_rest_and_names_the_file(web: Web, tmp_path: Path) -> None:
    files = many(web, 300)
    web.always["/7"] = status(403)
    web.always["/9"] = stall_after(10)
    started = time.monotonic()
    with pytest.raises(FetchError, match=r"part1/7.jpg"):
        fetch_many(files, tmp_path, replace(QUICK, read_timeout_s=20, parallel=4))
    assert time.monotonic() - started < 10, "waited for a stalled transfer"
    assert len(web.requests) < 200
    assert len(list(tmp_path.rglob("*.jpg"))) < 200


INTERRUPTED = """
import sys
from pathlib import Path
from pytest_mlperf.artifacts.download import fetch_many
from pytest_mlperf.artifacts.streaming import fetch_and_unpack
from pytest_mlperf.artifacts.sources import Network, RemoteFile
files = [RemoteFile(f"{n}.tar.gz", (f"{sys.argv[1]}/{n}",)) for n in range(8)]
here = Path(sys.argv[2])
try:
    if sys.argv[3] == "many":
        fetch_many(files, here, Network())
    else:
        fetch_and_unpack(files[0], here, here / "content", Network())
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("what", ["many", "archive"])
def test_an_interrupt_ends_stalled_transfers_at_once(web: Web, tmp_path: Path, what: str) -> None:
    for number in range(8):
        web.files[f"/{number}"] = LARGE
        web.always[f"/{number}"] = stall_after(1000)
    command = [sys.executable, "-c", INTERRUPTED, web.url, str(tmp_path), what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while len(web.requests) < (8 if what == "many" else 1):
            time.sleep(0.01)
        time.sleep(0.2)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "interrupted\n"
    assert time.monotonic() - started < 5
