from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.locks import Holder, holder, is_held, lease
from pytest_mlperf.errors import CacheError
from tests.artifacts.recipes import NOBODY, become, processes, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def hold(path: Path, ready: Path) -> None:
    with lease(path):
        ready.touch()
        time.sleep(60)


def hold_with_child(path: Path, ready: Path) -> None:
    with lease(path), subprocess.Popen(["sleep", "60"]) as child:
        beside = ready.with_suffix(".part")
        beside.write_text(str(child.pid))
        beside.rename(ready)
        time.sleep(60)


def hold_shared(path: Path, ready: Path) -> None:
    with lease(path, shared=True):
        ready.touch()
        time.sleep(60)


@contextmanager
def held(path: Path, target: object = hold) -> Iterator[int]:
    """Have another process hold a lease, and give its pid."""
    ready = path.with_name("ready")
    other = processes.Process(target=target, args=(path, ready))  # type: ignore[arg-type]
    other.start()
    while not ready.exists():
        assert other.is_alive()
        time.sleep(0.005)
    assert other.pid is not None
    try:
        yield other.pid
    finally:
        other.kill()
        other.join()


def test_a_shared_lease_lets_others_share_and_keeps_an_exclusive_one_out(tmp_path: Path) -> None:
    path = tmp_path / "cpu.lock"
    with held(path, hold_shared):
        with lease(path, shared=True, timeout=0):
            pass
        with pytest.raises(TimeoutError), lease(path, timeout=0.05):
            pass
    with lease(path, timeout=5):
        pass


def test_an_exclusive_lease_keeps_those_out_who_would_share(tmp_path: Path) -> None:
    path = tmp_path / "cpu.lock"
    with held(path) as pid:
        waited_for: list[Holder | None] = []
        with (
            pytest.raises(TimeoutError, match=str(pid)),
            lease(path, shared=True, timeout=0.05, on_wait=waited_for.append),
        ):
            pass
        assert [holder.pid for holder in waited_for if holder] == [pid]


def add_one_often(path: Path, counter: Path, times: int) -> None:
    for _ in range(times):
        with lease(path, poll=0.001):
            counter.write_text(str(int(counter.read_text()) + 1))


def test_a_lease_is_exclusive_between_processes(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    many = [processes.Process(target=add_one_often, args=(tmp_path / "cuda-0.lock", counter, 25)) for _ in range(4)]
    for one in many:
        one.start()
    for one in many:
        one.join()
    assert counter.read_text() == "100"


def test_a_lease_is_exclusive_between_threads(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    many = [threading.Thread(target=add_one_often, args=(tmp_path / "cuda-0.lock", counter, 25)) for _ in range(4)]
    for one in many:
        one.start()
    for one in many:
        one.join()
    assert counter.read_text() == "100"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
def test_a_lease_ends_with_its_process_whatever_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "cpu.lock"
    with held(path) as pid:
        os.kill(pid, number)
        with lease(path, timeout=5):
            assert is_held(path)


def test_a_lease_does_not_pass_to_a_child_that_outlives_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "cpu.lock"
    with held(path, hold_with_child) as pid:
        child = int((tmp_path / "ready").read_text())
        os.kill(pid, signal.SIGKILL)
        try:
            with lease(path, timeout=5):
                os.kill(child, 0)  # it did outlive it
        finally:
            os.kill(child, signal.SIGKILL)


def test_who_waits_is_told_once_for_whom(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "cpu.lock"
    told: list[Holder | None] = []
    caplog.set_level("INFO", "pytest_mlperf")
    with (
        held(path) as pid,
        pytest.raises(TimeoutError, match=rf"not free within 0.3 s: held by process {pid} on"),
        lease(path, timeout=0.3, on_wait=told.append, poll=0.05),
    ):
        pytest.fail("both hold the lease")
    assert [(who.pid, who.host) for who in told if who] == [(pid, socket.gethostname())]
    assert [f"process {pid}" in record.getMessage() for record in caplog.records] == [True]


def test_a_free_lease_waits_for_no_one(tmp_path: Path) -> None:
    with lease(tmp_path / "cpu.lock", timeout=0, on_wait=lambda who: pytest.fail(f"waits for {who}")):
        pass


def test_the_name_of_a_dead_holder_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "cpu.lock"
    with held(path) as pid:
        assert holder(path) is not None
    assert f'"pid":{pid}' in path.read_text()
    assert holder(path) is None


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"pid": "x"}'])
def test_a_broken_holder_file_is_no_holder(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "cpu.lock").write_bytes(text)
    assert holder(tmp_path / "cpu.lock") is None


def test_a_lock_file_left_by_anyone_does_not_block_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "cpu.lock"
    path.write_text("4711\n")
    before = path.stat().st_ino
    with lease(path, timeout=0):
        pass
    assert path.stat().st_ino == before
    assert [left.name for left in tmp_path.iterdir()] == ["cpu.lock"]


def test_a_lease_ends_when_its_block_raises(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lease(tmp_path / "cpu.lock"):
        raise KeyboardInterrupt
    with lease(tmp_path / "cpu.lock", timeout=0):
        pass


def test_an_error_of_the_block_is_not_taken_for_the_locks(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="of the block"), lease(tmp_path / "cpu.lock"):
        raise PermissionError("of the block")


def take_as(uid: int, path: Path) -> None:
    become(uid)
    os.umask(0o077)
    with lease(path, timeout=0):
        pass


def test_who_may_write_to_the_directory_may_lock_whatever_the_umask_of_the_first(public_path: Path) -> None:
    path = public_path / "leases" / "cuda-0.lock"
    run(take_as, NOBODY, path)
    run(take_as, NOBODY - 1, path)
    assert path.stat().st_mode & 0o777 == 0o666
    assert path.parent.stat().st_mode & 0o7777 == 0o1777  # nobody may remove another's lock


def fail_to_take_as(uid: int, path: Path) -> None:
    become(uid)
    with pytest.raises(CacheError, match=rf"cannot lock {path}\n.*Permission denied"), lease(path):
        pass


def test_a_place_where_one_may_not_write_is_named(public_path: Path) -> None:
    public_path.chmod(0o555)
    run(fail_to_take_as, NOBODY, public_path / "cpu.lock")
    public_path.chmod(0o777)


def test_a_file_in_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "leases").touch()
    with (
        pytest.raises(CacheError, match=r"leases is not used.*\nexpected: a directory; found: a file"),
        lease(tmp_path / "leases" / "cpu.lock"),
    ):
        pass


# What somebody else may have put there.


@pytest.mark.parametrize("there", [True, False])
def test_a_lock_is_not_opened_through_a_link(tmp_path: Path, there: bool) -> None:
    target, path = tmp_path / "target", tmp_path / "cpu.lock"
    if there:
        target.write_text("precious")
    path.symlink_to(target)
    with (
        pytest.raises(CacheError, match=r"cpu.lock is not used.*\n.*a symbolic link, of user .*\n.*remove"),
        lease(path),
    ):
        pass
    assert not is_held(path)
    assert holder(path) is None
    assert (target.read_text() if there else target.exists()) == ("precious" if there else False)


def test_a_lock_is_no_other_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    os.link(tmp_path / "target", tmp_path / "cpu.lock")
    with pytest.raises(CacheError, match="a file with 2 names, of user"), lease(tmp_path / "cpu.lock"):
        pass
    assert (tmp_path / "target").read_text() == "precious"


@pytest.mark.parametrize("there", [True, False])
def test_no_directory_of_locks_is_made_or_entered_through_a_link(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "target"
    if there:
        target.mkdir()
    (tmp_path / "leases").symlink_to(target)
    with (
        pytest.raises(CacheError, match=r"leases is not used.*\n.*a symbolic link"),
        lease(tmp_path / "leases" / "cpu.lock"),
    ):
        pass
    assert not there or list(target.iterdir()) == []
    assert target.exists() == there


def open_pipe(path: Path) -> None:
    with pytest.raises(CacheError, match="a pipe, of user"), lease(path):
        pass
    assert holder(path) is None
    assert not is_held(path)


def test_a_pipe_in_place_of_a_lock_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cpu.lock")
    run(open_pipe, tmp_path / "cpu.lock", timeout_s=20)


def take_of_another(uid: int, path: Path) -> None:
    become(uid)
    with lease(path, timeout=0):
        assert is_held(path)


def wait_for_another(uid: int, path: Path) -> None:
    import psutil  # noqa: F401 - what another user may not read

    become(uid)
    with pytest.raises(TimeoutError), lease(path, timeout=0.05):
        pass


def test_a_lock_file_that_one_may_only_read_is_locked_all_the_same(public_path: Path) -> None:
    path = public_path / "cpu.lock"
    path.touch()
    path.chmod(0o444)
    run(take_of_another, NOBODY, path)
    with lease(path):
        run(wait_for_another, NOBODY, path)


def test_a_lock_file_that_was_removed_while_one_waited_is_not_the_one_that_is_held(tmp_path: Path) -> None:
    path = tmp_path / "cpu.lock"
    with ExitStack() as stack:
        other = stack.enter_context(ThreadPoolExecutor(1))
        told = threading.Event()
        with lease(path):
            waiting = other.submit(take_and_look, path, told)
            assert told.wait(30)
            path.unlink()
            path.touch()
        assert waiting.result(30)


def take_and_look(path: Path, told: threading.Event) -> bool:
    with lease(path, poll=0.01, on_wait=lambda _: told.set()):
        return is_held(path)


def test_a_lease_that_was_lost_is_an_error_for_who_asks_for_that(tmp_path: Path) -> None:
    path = tmp_path / "cpu.lock"
    with lease(path):
        path.unlink()
    with (
        pytest.raises(CacheError, match="was lost: another process may have run at the same time"),
        lease(path, kept=True),
    ):
        path.unlink()
    with pytest.raises(CacheError, match="was lost"), lease(path, kept=True, shared=True):
        path.rename(tmp_path / "elsewhere")


@pytest.mark.parametrize("field", ["host", "since"])
@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "x" * 2000, "\u202e"])
def test_a_holders_name_that_is_no_name_is_not_told(tmp_path: Path, field: str, text: str) -> None:
    told = {"pid": os.getpid(), "host": "other", "since": "2001-01-01T00:00:00+00:00"}
    (tmp_path / "cpu.lock").write_text(json.dumps(told))
    assert holder(tmp_path / "cpu.lock") is not None
    (tmp_path / "cpu.lock").write_text(json.dumps(told | {field: text}))
    assert holder(tmp_path / "cpu.lock") is None
