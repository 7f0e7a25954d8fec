"""The same items on another machine: pytest-xdist's gateways over a real ssh to a server on loopback."""

from __future__ import annotations

import getpass
import json
import platform
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from msgspec.structs import replace

import pytest_mlperf
from pytest_mlperf.report.finished import Finished
from pytest_mlperf.report.terminal import logs
from tests.conftest import REPOSITORY, support_path
from tests.sandbox import wait_until
from tests.submission.test_network import run as a_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Sandbox

SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {root}/host
AuthorizedKeysFile {root}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
"""
CLIENT = """\
Host far
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {root}/user
  IdentitiesOnly yes
  UserKnownHostsFile {root}/known
  StrictHostKeyChecking accept-new
  LogLevel ERROR
"""


PACKAGE = ("--pyargs", "pytest_mlperf.benchmarks", "--model=resnet50-tiny", "--backend=onnxruntime")


@dataclass(frozen=True)
class Far:
    """A server on loopback, and the directory in which its workers run."""

    config: Path
    directory: Path

    def gateway(self, python: str | Path = sys.executable, **variables: str) -> str:
        """Return the option for a worker there, with some variables."""
        parts = [f"ssh=far//python={python}//ssh_config={self.config}//chdir={self.directory}"]
        parts += [f"env:{name}={value}" for name, value in variables.items()]
        return f"--tx={'//'.join(parts)}"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    sshd, keygen, ssh = (
        shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in ("sshd", "ssh-keygen", "ssh")
    )
    if not (sshd and keygen and ssh):
        pytest.skip("there is no server of ssh here: install openssh-server")
    root, directory = tmp_path / "ssh", tmp_path / "far"
    for each in (root, directory):
        each.mkdir()
    root.chmod(0o700)
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", root / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (root / "server").write_text(SERVER.format(port=port, root=root))
    (root / "client").write_text(CLIENT.format(port=port, root=root, user=getpass.getuser()))
    tried = subprocess.run([sshd, "-t", "-f", root / "server"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no server of ssh can be run here: {tried.stderr.strip()}")
    command = [sshd, "-D", "-e", "-f", str(root / "server")]
    with (root / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as daemon:
        asked = [ssh, "-F", str(root / "client"), "far", "true"]
        wait_until(lambda: subprocess.run(asked, capture_output=True, check=False).returncode == 0, "ssh")
        yield Far(root / "client", directory)
        daemon.terminate()


@pytest.mark.slow
def test_items_on_another_machine_have_their_results_here(sandbox: Sandbox, far: Far) -> None:
    variables = {
        "TZ": "Asia/Tokyo",
        "MLPERF_TEST_LEASES": str(sandbox.temporary),
        "PYTHONPATH": ":".join(support_path()),
    }
    options = (
        "--pyargs",
        "pytest_mlperf.benchmarks",
        "--model=resnet50-tiny",
        "--backend=onnxruntime",
        "--dataset-size=24",
    )
    code, output = sandbox.run(*options, "--scenario=Offline", "-d", "--tx=popen", far.gateway(**variables))
    assert code == 0, output
    results = sandbox.results()
    assert len(results) == 2
    # One directory, whatever the clocks of the machines say; the disk is the same.
    [directory] = (sandbox.root / "out").iterdir()
    for result in results.values():
        assert result["host"] == platform.node()
        assert directory.name in result["output"]
    assert json.loads((directory / "results.json").read_text())["results"]


@pytest.mark.slow
def test_nothing_is_left_on_the_other_machine_when_the_session_is_killed(sandbox: Sandbox, far: Far) -> None:
    long = ("--scenario=Offline", "--mode=performance", "--min-duration=300", "--target-qps=1", "-d", far.gateway())
    session = sandbox.start(*PACKAGE, *long)
    sandbox.wait_for_start_test()
    session.kill()
    session.communicate()

    def is_there(process: psutil.Process) -> bool:
        try:
            return str(sandbox.root) in process.cwd()
        except psutil.Error:  # it has just ended, or is another user's
            return False

    def there() -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if is_there(process)]

    wait_until(lambda: not there(), f"the end of {there()}")


@pytest.mark.slow
def test_a_worker_with_another_version_is_refused(sandbox: Sandbox, far: Far) -> None:
    older = sandbox.root / "older" / "pytest_mlperf"
    shutil.copytree(Path(pytest_mlperf.__file__).parent, older, ignore=shutil.ignore_patterns("__pycache__"))
    init = (older / "__init__.py").read_text()
    (older / "__init__.py").write_text(init.replace(f'"{pytest_mlperf.__version__}"', '"0.0.9"'))
    python = sandbox.root / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={older.parent} exec {sys.executable} "$@"\n')
    python.chmod(0o700)
    code, output = sandbox.run(*PACKAGE, "--scenario=Offline", "--mode=accuracy", "-d", far.gateway(python))
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "has another pytest-mlperf than the session" in output
    assert f"expected: pytest-mlperf {pytest_mlperf.__version__}; found: pytest-mlperf 0.0.9" in output


def test_it_is_said_which_logs_are_on_another_machine(tmp_path: Path) -> None:
    network = {"protocol": "x"}
    here = replace(a_result(**network), output=str(tmp_path / "s" / "a"), host=platform.node())
    there = replace(a_result(**network), output="/nowhere/s/b", host="second")
    finished = Finished((here, there), ("pytest",), datetime.now(), REPOSITORY)
    assert list(logs(finished)) == [
        f"LoadGen's logs: {tmp_path / 's'}",
        "LoadGen's logs: /nowhere/s on second; with --mlperf-output on a shared disk they are here, too",
    ]
