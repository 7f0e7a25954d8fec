from __future__ import annotations

import hashlib
import resource
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.download import FetchOptions, fetch, fetch_many
from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.errors import CacheError
from tests.artifacts.downloads import LARGE, SMALL, failure, names, remote, sha256
from tests.artifacts.web import (
    QUICK,
    Web,
    chunked,
    cut_after,
    declare,
    more_than_declared,
    redirect,
    stall_after,
    status,
    trickle,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.artifacts.web import Fault


def test_a_file_comes_whole_with_its_checksum_and_nothing_beside_it(web: Web, tmp_path: Path) -> None:
    got = fetch(remote(web), tmp_path / "new", QUICK)
    assert got.path.read_bytes() == LARGE
    assert (got.url, got.size, got.sha256) == (f"{web.url}/f", len(LARGE), sha256(LARGE))
    assert names(tmp_path / "new") == ["f"]


def test_a_file_that_is_there_is_not_fetched_again_and_a_wrong_one_is(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    fetch(file, tmp_path, QUICK)
    assert fetch(file, tmp_path, QUICK).sha256 == sha256(LARGE)
    assert len(web.requests) == 1
    (tmp_path / "f").write_bytes(LARGE[:-1] + b"!")
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == LARGE


@pytest.mark.parametrize("fault", [cut_after(1 << 20), cut_after(1 << 20, reset=False)], ids=["reset", "short"])
def test_a_cut_connection_goes_on_where_it_was(web: Web, tmp_path: Path, fault: Fault) -> None:
    file = remote(web)
    web.faults["/f"] = [fault, fault]
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == LARGE
    starts = [request.headers.get("Range") for request in web.asked("/f")]
    assert starts[0] is None
    assert all(starts[1:])
    # A reset may take the bytes along that the client has not read.
    assert web.sent <= len(LARGE) + 2 * (1 << 18)
    assert names(tmp_path) == ["f"]


def test_any_number_of_cuts_is_survived_as_long_as_the_file_grows(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    web.always["/f"] = cut_after(len(LARGE) // 10, reset=False)
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == LARGE
    assert len(web.requests) > 3 * QUICK.attempts


def test_the_next_process_goes_on_with_what_came(web: Web, tmp_path: Path) -> None:
    file = remote(web, known=False)
    web.faults["/f"] = [cut_after(2 << 20, reset=False), *[status(503)] * QUICK.attempts]
    failure(file, tmp_path)
    before = web.sent
    assert before == 2 << 20
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == LARGE
    assert web.sent - before == len(LARGE) - before


def test_a_server_without_ranges_starts_over(web: Web, tmp_path: Path) -> None:
    web.ranges = False
    file = remote(web)
    web.faults["/f"] = [cut_after(1 << 20, reset=False)]
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == LARGE
    assert web.sent == len(LARGE) + (1 << 20)


def test_a_server_that_always_cuts_and_has_no_ranges_is_given_up(web: Web, tmp_path: Path) -> None:
    web.ranges = False
    web.always["/f"] = cut_after(1 << 20, reset=False)
    assert "ended after 1,048,576 of 3,145,728 bytes (3 attempts)" in failure(remote(web), tmp_path)


@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize("same_size", [True, False])
def test_versions_are_never_mixed(web: Web, tmp_path: Path, heeds_if_range: bool, same_size: bool) -> None:
    web.heeds_if_range = heeds_if_range
    file = remote(web, known=False)
    web.faults["/f"] = [cut_after(1 << 20, reset=False), *[status(503)] * QUICK.attempts]
    failure(file, tmp_path)
    web.files["/f"] = changed = LARGE[::-1] if same_size else LARGE[::-1] + b"more"
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == changed


def test_a_file_that_became_shorter_than_its_part_starts_over(web: Web, tmp_path: Path) -> None:
    web.heeds_if_range = False
    file = remote(web, known=False)
    web.faults["/f"] = [cut_after(2 << 20, reset=False), *[status(503)] * QUICK.attempts]
    failure(file, tmp_path)
    web.files["/f"] = SMALL
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == SMALL


@pytest.mark.parametrize("known", [True, False])
def test_without_a_validator_only_a_checksum_allows_to_go_on(web: Web, tmp_path: Path, known: bool) -> None:
    web.named = False
    file = remote(web, known=known)
    web.faults["/f"] = [cut_after(1 << 20, reset=False)]
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == LARGE
    assert web.sent == len(LARGE) + (0 if known else 1 << 20)


def test_parts_of_two_versions_are_told_by_the_checksum_and_fetched_afresh(web: Web, tmp_path: Path) -> None:
    web.named = False
    file = remote(web)
    web.files["/f"] = LARGE[::-1]
    web.faults["/f"] = [cut_after(1 << 20, reset=False), *[status(503)] * QUICK.attempts]
    failure(file, tmp_path)
    web.files["/f"] = LARGE
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == LARGE


def test_connection_refused_names_the_address_and_the_attempts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/f"
        assert f"{url}: connection refused (3 attempts)" in failure(RemoteFile("f", (url,)), tmp_path)


def test_mirrors_are_tried_in_order_and_each_reason_is_told(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    web.files["/wrong"] = b"x" * len(LARGE)
    urls = [f"{web.url}/{name}" for name in ("gone", "wrong", "f")]
    assert fetch(replace(file, urls=tuple(urls)), tmp_path, QUICK).url == f"{web.url}/f"
    assert [request.path for request in web.requests] == ["/gone", "/wrong", "/f"]
    (tmp_path / "f").unlink()
    text = failure(replace(file, urls=tuple(urls[:2])), tmp_path)
    assert f"{web.url}/gone: HTTP 404" in text
    assert f"{web.url}/wrong: has SHA-256 {sha256(web.files['/wrong'])}, not {sha256(LARGE)}" in text


def test_404_is_asked_for_once(web: Web, tmp_path: Path) -> None:
    assert "HTTP 404" in failure(RemoteFile("f", (f"{web.url}/none",)), tmp_path)
    assert len(web.requests) == 1


def test_500_then_fine(web: Web, tmp_path: Path) -> None:
    web.faults["/f"] = [status(500), status(502)]
    assert fetch(remote(web), tmp_path, QUICK).path.read_bytes() == LARGE


@pytest.mark.parametrize("asked", ["1", lambda: formatdate(time.time() + 2, usegmt=True)], ids=["seconds", "date"])
def test_429_waits_as_long_as_the_server_asks(web: Web, tmp_path: Path, asked: str | Callable[[], str]) -> None:
    value = asked if isinstance(asked, str) else asked()
    web.faults["/f"] = [status(429, {"Retry-After": value})]
    started = time.monotonic()
    fetch(remote(web), tmp_path, QUICK)
    assert 0.9 < time.monotonic() - started < 5


def test_a_server_that_asks_for_too_much_patience_is_left(web: Web, tmp_path: Path) -> None:
    web.always["/f"] = status(503, {"Retry-After": "86400"})
    assert "asks to wait 86,400 s" in failure(remote(web), tmp_path)
    assert len(web.requests) == 1


def test_a_redirect_is_followed_and_the_stated_address_remains_the_source(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    web.always["/here"] = redirect("/f?token=1")
    web.files["/f?token=1"] = LARGE
    got = fetch(replace(file, urls=(f"{web.url}/here",)), tmp_path, QUICK)
    assert got.url == f"{web.url}/here"
    assert got.path.read_bytes() == LARGE


def test_a_redirect_loop_ends(web: Web, tmp_path: Path) -> None:
    web.always |= {"/f": redirect("/g"), "/g": redirect("/f")}
    assert "redirects in a loop" in failure(remote(web), tmp_path)
    assert len(web.requests) == 2


def test_endless_redirects_end(web: Web, tmp_path: Path) -> None:
    for number in range(30):
        web.always[f"/{number}"] = redirect(f"/{number + 1}")
    assert "redirects in a loop" in failure(RemoteFile("f", (f"{web.url}/0",)), tmp_path)
    assert len(web.requests) < 15


def test_a_redirect_to_a_file_of_this_machine_is_refused(web: Web, tmp_path: Path) -> None:
    web.always["/f"] = redirect("file:///etc/passwd")
    assert "redirects to file:///etc/passwd" in failure(remote(web, known=False), tmp_path)


def test_another_length_than_known_is_left_before_the_first_byte(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    web.always["/f"] = declare(len(LARGE) + 7)
    assert "has 3,145,735 bytes, not 3,145,728" in failure(file, tmp_path)
    assert not list(tmp_path.iterdir())


def test_more_than_the_known_size_ends_at_once(web: Web, tmp_path: Path) -> None:
    file = remote(web, SMALL)
    web.always["/f"] = chunked(SMALL, *[bytes(1 << 16)] * 500)
    assert "sends more than the 5,000 bytes" in failure(file, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= len(SMALL)


def test_bytes_beyond_the_declared_length_belong_to_no_file(web: Web, tmp_path: Path) -> None:
    web.files |= {"/a": SMALL, "/b": SMALL[::-1]}
    web.faults["/a"] = [more_than_declared(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")]
    files = [RemoteFile(name, (f"{web.url}/{name}",)) for name in "ab"]
    got = fetch_many(files, tmp_path, replace(QUICK, parallel=1))
    assert [one.path.read_bytes() for one in got] == [SMALL, SMALL[::-1]]


def test_a_short_body_without_a_length_is_told_by_the_known_size(web: Web, tmp_path: Path) -> None:
    web.always["/f"] = chunked(SMALL[:4000])
    assert "ended after 4,000 of 5,000 bytes" in failure(remote(web, SMALL), tmp_path)


def test_chunked_bodies_are_fine(web: Web, tmp_path: Path) -> None:
    web.always["/f"] = chunked(SMALL[:4000], SMALL[4000:])
    assert fetch(remote(web, SMALL, known=False), tmp_path, QUICK).path.read_bytes() == SMALL


def test_an_empty_file_is_a_file(web: Web, tmp_path: Path) -> None:
    assert fetch(remote(web, b""), tmp_path, QUICK).path.read_bytes() == b""


def test_an_encoding_that_was_not_asked_for_is_refused(web: Web, tmp_path: Path) -> None:
    web.always["/f"] = status(200, {"Content-Encoding": "gzip"})
    assert "encoding gzip" in failure(remote(web, known=False), tmp_path)


@pytest.mark.parametrize("after", [0, 1 << 20])
def test_a_stalled_stream_times_out(web: Web, tmp_path: Path, after: int) -> None:
    web.always["/f"] = stall_after(after)
    started = time.monotonic()
    text = failure(remote(web), tmp_path, replace(QUICK, read_timeout_s=0.3, attempts=2))
    assert "stalled: no byte came in 0.3 s (2 attempts)" in text
    assert time.monotonic() - started < 5


def test_a_trickle_counts_as_stalled(web: Web, tmp_path: Path) -> None:
    web.always["/f"] = trickle(0.1)
    text = failure(remote(web, SMALL), tmp_path, replace(QUICK, read_timeout_s=0.5, attempts=1))
    assert "stalled: " in text
    assert "bytes came in" in text


@pytest.mark.parametrize("digest", ["sha256", "md5"])
def test_a_wrong_checksum_is_kept_as_evidence_and_never_published(web: Web, tmp_path: Path, digest: str) -> None:
    right = hashlib.new(digest, LARGE, usedforsecurity=False).hexdigest()
    web.files["/f"] = wrong = LARGE[:-1] + b"!"
    file = RemoteFile("f", (f"{web.url}/f",), **{digest: right})  # type: ignore[arg-type]
    text = failure(file, tmp_path / "d", options=FetchOptions(evidence=tmp_path / "evidence"))
    assert right in text
    assert names(tmp_path / "d") == []
    assert len(web.requests) == 1
    (kept,) = (tmp_path / "evidence").iterdir()
    assert str(kept) in text
    assert (kept / "f").read_bytes() == wrong
    assert right in (kept / "note.json").read_text()
    web.files["/f"] = LARGE
    assert fetch(file, tmp_path / "d", QUICK).path.read_bytes() == LARGE


def test_a_web_page_in_place_of_the_file_is_called_one(web: Web, tmp_path: Path) -> None:
    web.files["/f"] = b"\n<!DOCTYPE html><title>Please sign in</title>"
    assert "it is a web page" in failure(RemoteFile("f", (f"{web.url}/f",), sha256=sha256(LARGE)), tmp_path)


def test_too_little_room_is_told_before_the_first_byte(web: Web, tmp_path: Path) -> None:
    size = shutil.disk_usage(tmp_path).free + (1 << 40)
    web.files["/f"] = SMALL
    web.always["/f"] = declare_only(size)
    with pytest.raises(CacheError, match=r"no room for f\nexpected: [\d,]+ bytes free; found: [\d,]+ bytes free in"):
        fetch(RemoteFile("f", (f"{web.url}/f",)), tmp_path, QUICK)
    assert names(tmp_path) == []


def test_what_is_here_of_a_set_needs_no_room_again(web: Web, tmp_path: Path) -> None:
    web.files.update({f"/{number}": SMALL for number in range(4)})
    files = [RemoteFile(str(number), (f"{web.url}/{number}",)) for number in range(4)]
    half_of_the_disk = shutil.disk_usage(tmp_path).free // 2
    with pytest.raises(CacheError, match=r"no room for four\n"):
        fetch_many(files, tmp_path, QUICK, name="four", typical_size=half_of_the_disk)
    assert web.requests == []
    fetch_many(files[:3], tmp_path, QUICK)
    assert len(fetch_many(files, tmp_path, QUICK, name="four", typical_size=half_of_the_disk)) == 4


def declare_only(length: int) -> Fault:
    def answer(handler: object, content: bytes) -> None:
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.head(length)  # type: ignore[attr-defined]
        handler.close_connection = True  # type: ignore[attr-defined]

    return answer


LIMITED = """
import sys, resource
from pathlib import Path
from pytest_mlperf.artifacts.download import fetch
from pytest_mlperf.artifacts.sources import Network, RemoteFile
from pytest_mlperf.errors import CacheError
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    fetch(RemoteFile("f", (sys.argv[1],)), Path(sys.argv[2]), Network())
except CacheError as error:
    print(error)
"""


def test_a_disk_that_fills_up_is_no_fault_of_the_network(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, file.urls[0], tmp_path], capture_output=True, text=True, timeout=30, check=True
    )
    assert "cannot write f" in done.stdout
    assert "File too large" in done.stdout
    assert len(web.requests) == 1
    assert not (tmp_path / "f").exists()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1 << 20
    # With room again, what had come counts.
    before = web.sent
    assert fetch(file, tmp_path, QUICK).path.read_bytes() == LARGE
    assert web.asked("/f")[-1].headers["Range"] == "bytes=1048576-"
    assert web.sent - before == len(LARGE) - (1 << 20)
