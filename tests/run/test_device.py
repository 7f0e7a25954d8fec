"""The lease of a device is the machine's: of every user, whatever their environment says."""

from __future__ import annotations

import os
import tempfile
import uuid
from typing import TYPE_CHECKING

import psutil
import pytest

from pytest_mlperf.artifacts.locks import Holder, is_held
from pytest_mlperf.errors import CacheError
from pytest_mlperf.run import device as module
from pytest_mlperf.run.device import hold_device, lock_file
from tests.artifacts.recipes import NOBODY, become, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def device() -> Iterator[str]:
    """Return a device that nobody else on this machine has; its locks lie where all locks lie."""
    name = f"test{uuid.uuid4().hex[:12]}"
    yield name
    for lock in lock_file(name).parent.glob(f"pytest-mlperf-{name}*"):
        lock.unlink()


class WaitsError(Exception):
    """Raised instead of waiting."""


def give_up(holder: Holder | None) -> None:
    raise WaitsError(str(holder))


def wait_as(uid: int, temporary: str, device: str, alone: bool) -> None:
    os.environ["TMPDIR"], tempfile.tempdir = temporary, None
    holder = f"process {psutil.Process().parent().ppid()} on "  # of the fork server
    become(uid)
    with pytest.raises(WaitsError, match=holder), hold_device(device, give_up, alone=alone):
        pass


def share_as(uid: int, device: str) -> None:
    become(uid)
    os.umask(0o077)
    with hold_device(device, give_up, alone=False):
        pass


def test_two_users_with_two_temporary_directories_have_a_device_in_turn(device: str, tmp_path: Path) -> None:
    run(share_as, NOBODY - 1, device)  # a third user made the lock file
    with hold_device(device, alone=True):
        for alone in (True, False):
            run(wait_as, NOBODY, str(tmp_path), device, alone)
    with hold_device(device, alone=False):
        run(share_as, NOBODY, device)


def test_a_part_of_a_device_and_the_whole_are_held_in_turn(device: str) -> None:
    with hold_device(f"{device}:0", alone=True):
        with hold_device(f"{device}:1", give_up, alone=True), hold_device(device, give_up, alone=False):
            pass
        with pytest.raises(WaitsError), hold_device(device, give_up, alone=True):
            pass
    with hold_device(device, alone=True), pytest.raises(WaitsError), hold_device(f"{device}:0", give_up, alone=False):
        pass


def test_a_name_of_a_device_is_no_path(device: str) -> None:
    with hold_device(f"{device}/../x", alone=True):
        assert is_held(lock_file(device).parent / f"pytest-mlperf-{device}%2F..%2Fx.lock")


def test_the_place_is_the_first_where_every_user_may_make_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(module, "PLACES", (first, second))
    second.mkdir()
    assert lock_file("cpu") == second / "pytest-mlperf-cpu.lock"
    first.mkdir(0o755)  # root could write to it, and others could not
    assert lock_file("cpu").parent == second
    first.chmod(0o1777)
    assert lock_file("cpu").parent == first


def test_a_lease_whose_file_was_removed_meanwhile_fails_the_run(device: str) -> None:
    with (
        pytest.raises(CacheError, match=rf"{device}.lock was lost: another process may have run at the same time"),
        hold_device(device, alone=True),
    ):
        lock_file(device).unlink()


def test_what_somebody_put_in_the_place_of_a_lock_is_named_and_its_owner_told(device: str, tmp_path: Path) -> None:
    lock_file(device).symlink_to(tmp_path / "target")
    lock = lock_file(device)
    expected = rf"cannot lock the device {device}: {lock} is not used.*\n.*of user .*\nhave its owner, or root"
    with pytest.raises(CacheError, match=expected), hold_device(device, alone=True):
        pass
    assert not (tmp_path / "target").exists()
