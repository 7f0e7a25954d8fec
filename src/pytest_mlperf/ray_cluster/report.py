"""What a node says of itself before a run, and whether nodes are alike: other code or packages give other answers."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.errors import RequirementError
from pytest_mlperf.machine.hardware import read_machine
from pytest_mlperf.machine.kernel import ROOT, text
from pytest_mlperf.run.code import code_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

#: The packages that take part in every answer, whatever the backend.
PACKAGES = ("msgspec", "numpy", "ray")
#: Of a digest, what is shown.
_SHOWN = 12


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A node before a run.

    Attributes
    ----------
    host, machine
        Its name, and what tells its machine from others: two nodes may be on one.
    python, executable
        The version and the path of its Python.
    packages
        Versions by package.
    code
        Digests of the source code of this package, the benchmark and the backend.
    processor, sockets, cores_per_socket, memory_bytes, operating_system
        Its hardware and its system.
    """

    host: str
    machine: str
    python: str
    executable: str
    packages: dict[str, str]
    code: dict[str, str]
    processor: str = ""
    sockets: int | None = None
    cores_per_socket: int | None = None
    memory_bytes: int | None = None
    operating_system: str = ""

    def software(self) -> dict[str, str]:
        """Return what must be the same on all nodes, by name."""
        code = {f"the source code of {name}": digest[:_SHOWN] for name, digest in self.code.items()}
        return {"Python": self.python, **self.packages, **code}


def report(references: Iterable[str], import_paths: Sequence[str] = ()) -> Report:
    """Describe this machine and this process.

    Parameters
    ----------
    references
        The benchmark and the backend as ``module:attribute``.
    import_paths
        The directories in which their modules are, beside the installed ones.
    """
    sys.path.extend(path for path in import_paths if path not in sys.path)
    names = sorted({"pytest_mlperf", *(each.partition(":")[0].partition(".")[0] for each in references)})
    machine = read_machine()
    return Report(
        host=socket.gethostname(),
        machine=this_machine(),
        python=platform.python_version(),
        executable=sys.executable,
        packages={name: _version(name) for name in PACKAGES},
        code={name: code_sha256(name) for name in names},
        processor=machine.processor,
        sockets=machine.sockets,
        cores_per_socket=machine.cores_per_socket,
        memory_bytes=machine.memory_bytes,
        operating_system=machine.operating_system,
    )


def this_machine(root: Path = ROOT) -> str:
    """Return what tells this machine from others, until it is started again."""
    return text(root / "proc/sys/kernel/random/boot_id").strip() or f"{socket.gethostname()} {os.getppid()}"


def require_alike(mine: Mapping[str, str], theirs: Mapping[str, Mapping[str, str]], what: str, fix: str) -> None:
    """Raise unless all nodes have what this process has.

    Parameters
    ----------
    mine
        Values by name, such as versions by package.
    theirs
        The same of each node, by the node's name.
    what
        What differs, for the message.
    fix
        What the user can do.

    Raises
    ------
    RequirementError
        A node has another value. The first name is told for all nodes that differ in it.
    """
    for name, value in mine.items():
        others = {node: found.get(name, "none") for node, found in theirs.items() if found.get(name, "none") != value}
        if others:
            counted = Counter(others.values())
            found = "; ".join(
                f"{name} {each or 'unknown'} on {', '.join(node for node, has in others.items() if has == each)}"
                for each in counted
            )
            raise RequirementError(
                what, expected=f"{name} {value or 'unknown'}, as in the run's process", found=found, fix=fix
            )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
