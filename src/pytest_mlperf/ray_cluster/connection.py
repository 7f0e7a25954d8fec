"""Connects to a Ray cluster, or starts one on this machine, and finds its nodes."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import RequirementError
from pytest_mlperf.machine.cores import available_cores
from pytest_mlperf.printable import fit, said
from pytest_mlperf.ray_cluster.report import Report, require_alike

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_mlperf.implementations.protocol import RunSpec

#: Ray's own variable: the address of a cluster, or ``auto`` for the one that this machine is a node of.
ADDRESS = "RAY_ADDRESS"
#: What Ray calls a cluster of its own for one process.
LOCAL = "local"
#: Of a cluster that is started for a run: nothing but arguments and answers goes through the object store.
OBJECT_STORE_BYTES = 128 << 20
#: A path of a socket may have 107 characters, of which Ray needs 65: not below the run's directory.
SOCKETS = "/tmp"  # noqa: S108 - mkdtemp makes a directory of this user's alone
#: Ray collects nothing for its makers; users may say otherwise, and do not start a node's environment with uv.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
#: Seconds for a cluster's head to accept a connection.
KNOCK_SECONDS = 10.0
#: Seconds for a node to say what it is.
REPORT_SECONDS = 120.0


@dataclass(frozen=True)
class Node:
    """A node of the cluster that has CPUs.

    Attributes
    ----------
    identifier, address
        What Ray calls it, and its address.
    cpus
        The CPUs that it offers.
    report
        What it says of itself.
    """

    identifier: str
    address: str
    cpus: int
    report: Report

    def __str__(self) -> str:
        return f"{self.report.host} ({self.address}, Ray node {self.identifier[:8]})"


class Connection:
    """A cluster that this process is connected to.

    Parameters
    ----------
    address
        Its address; empty to start one on this machine, which ends with `close`.

    Raises
    ------
    RequirementError
        Ray is not installed, or there is no cluster at the address, or one of another version.
    """

    def __init__(self, address: str) -> None:
        self.started = address in ("", LOCAL)
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        self._directory = tempfile.mkdtemp(prefix="mlperf-ray-", dir=SOCKETS) if self.started else ""
        ray = import_ray()
        try:
            if self.started:
                # Nobody else may send it work.
                os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
                ray.init(
                    address=LOCAL,
                    num_cpus=available_cores(),
                    num_gpus=0,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=self._directory,
                )
            else:
                _refuse_client(address)
                _knock(address)
                ray.init(address=address)
        except (OSError, RuntimeError, ValueError, AssertionError) as error:
            raise _unreachable(address, self.started, error) from error
        self.software = f"Ray {ray.__version__}"

    def nodes(self, spec: RunSpec) -> list[Node]:
        """Return the nodes that offer CPUs, this machine's first; all have the software of this process.

        Raises
        ------
        RequirementError
            There is none, or one of them has other software.
        """
        offered = {
            found["NodeID"]: (found["NodeManagerAddress"], int(found["Resources"].get("CPU", 0)))
            for found in import_ray().nodes()
            if found["Alive"] and int(found["Resources"].get("CPU", 0)) > 0
        }
        if not offered:
            raise RequirementError(
                "the Ray cluster has no CPUs for a run",
                expected="a node with CPUs",
                found="none",
                fix="add one: ray start --address=HOST:PORT, with --num-cpus of 1 or more",
            )
        references = (spec.benchmark, spec.backend)
        reports = _reports(tuple(offered), references, spec.import_paths)
        nodes = [
            Node(identifier, *offered[identifier], found) for identifier, found in zip(offered, reports, strict=True)
        ]
        from pytest_mlperf.ray_cluster.report import report

        mine = report(references)
        require_alike(
            mine.software(),
            {str(node): node.report.software() for node in nodes},
            "the nodes of the Ray cluster do not run the same software",
            f"install the same on all, and start their nodes with that Python again; here it is {mine.executable}",
        )
        return sorted(nodes, key=lambda node: (node.report.machine != mine.machine, node.identifier))

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        with suppress(Exception):  # it may be gone
            import_ray().shutdown()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)


def import_ray() -> Any:
    """Return the package ``ray``.

    Raises
    ------
    RequirementError
        It is not installed here, or cannot be imported.
    """
    try:
        import ray
    except ImportError as error:
        raise RequirementError(
            "the implementation ray needs the package ray",
            expected="the package ray in the environment of the run, of the version of the cluster",
            found=said(error),
            fix="install it: pip install 'pytest-mlperf[ray]'",
        ) from error
    return ray


def _reports(identifiers: Sequence[str], references: Iterable[str], paths: Sequence[str]) -> list[Report]:
    """Ask nodes for their reports, whatever else they do.

    Raises
    ------
    RequirementError
        A node does not answer, or has no such package.
    """
    remote = import_ray().remote(_probe()).options
    asked = {
        remote(num_cpus=0, max_retries=0, scheduling_strategy=on_node(identifier)).remote(
            tuple(references), tuple(paths)
        ): identifier
        for identifier in identifiers
    }
    return [_answer_of(identifier, reference) for reference, identifier in asked.items()]


def _answer_of(identifier: str, reference: Any) -> Report:
    ray = import_ray()
    try:
        answer = ray.get(reference, timeout=REPORT_SECONDS)
    except ray.exceptions.RayError as error:
        raise RequirementError(
            f"the Ray node {identifier[:8]} does not answer",
            expected=f"its answer within {REPORT_SECONDS:g} s",
            found=fit(str(error).strip().splitlines()[-1]),
            fix="`ray status` lists the nodes; if it has just ended, wait until it is not listed, or start it again",
        ) from error
    if not isinstance(answer, Report):
        raise _silent(identifier, answer)
    return answer


def _probe() -> Any:
    """Return the function that a node runs; as it is of no module, it is sent with its code."""

    def probe(references: tuple[str, ...], paths: tuple[str, ...]) -> Any:
        import sys

        try:
            from pytest_mlperf.ray_cluster.report import report

            return report(references, paths)
        except ImportError as error:
            return f"{error}, with {sys.executable}"

    return probe


def on_node(identifier: str) -> Any:
    """Return Ray's strategy for a node and no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(identifier, soft=False)


def _silent(identifier: str, found: str) -> RequirementError:
    return RequirementError(
        f"the Ray node {identifier[:8]} cannot take part in a run",
        expected="pytest-mlperf of this version in the Python that the node was started with",
        found=fit(found),
        fix="install it there, with the backend's packages, and start the node again; `ray list nodes` has its address",
    )


def _refuse_client(address: str) -> None:
    if "://" in address:
        raise RequirementError(
            f"{ADDRESS}={address} is an address for Ray's client",
            expected="auto, or HOST:PORT",
            found=address,
            fix=f"run pytest on a node of the cluster, with {ADDRESS}=auto: answers then take no detour",
        )


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS):
            pass


def _unreachable(address: str, started: bool, error: Exception) -> RequirementError:
    if started:
        what, expected = "Ray does not start on this machine", "a Ray cluster of one node"
        fix = f"see the run's worker.log, or start a cluster with `ray start --head` and name it: {ADDRESS}=auto"
    else:
        what, expected = f"cannot connect to the Ray cluster {address}", "a cluster that this machine is a node of"
        fix = "start one with `ray start --head`, with this Python (a cluster that asks for a token wants the same "
        fix += f"RAY_AUTH_TOKEN here), or leave {ADDRESS} out: one is started for the run"
    return RequirementError(what, expected=expected, found=fit(said(error)), fix=fix)
