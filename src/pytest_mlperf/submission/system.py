"""Writes the description of the system, systems/<system>.json."""

from __future__ import annotations

import difflib
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.backends.base import REMOTE
from pytest_mlperf.errors import OptionError
from pytest_mlperf.machine.hardware import read_machine
from pytest_mlperf.rules.system_fields import (
    FIELDS,
    IS_NETWORK,
    NETWORK_FIELDS,
    OVERPROVISIONING,
    STATUSES,
    SYSTEM_TYPES,
)
from pytest_mlperf.submission.cluster import cluster_fields, cluster_nodes
from pytest_mlperf.submission.network import asked_from, framework, network_fields, network_use

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_mlperf.machine.cores import Cores
    from pytest_mlperf.machine.hardware import Accelerators, Machine
    from pytest_mlperf.machine.network import NetworkUse
    from pytest_mlperf.run.result import RunResult

#: The text of a field that the checker requires and that is unknown.
UNKNOWN = "not stated"
NONE = "N/A"
#: Fields that a user may state.
_KNOWN = (*FIELDS, *NETWORK_FIELDS, OVERPROVISIONING)
#: Fields that may be empty.
_REMARKS = ("hw_notes", "sw_notes", "system_type_detail")
#: Not applicable to a single accelerator.
_BETWEEN_ACCELERATORS = ("accelerator_interconnect", "accelerator_interconnect_topology")
_COUNTS = ("number_of_nodes", "accelerators_per_node")
#: Fields that are set by options; the checker rejects other values.
_OPTIONS = {"division": "--division", "submitter": "--submitter", "system_type": "--system-type"}


@dataclass(frozen=True)
class Identity:
    """The values of the options --division, --submitter, --system-type, --hw-name."""

    division: str
    submitter: str
    system_type: str
    system_name: str
    status: str = "available"


@dataclass(frozen=True)
class SystemDescription:
    """All 35 fields as texts, and the names of the unknown ones, which are `UNKNOWN` if they must not be empty.

    A system that is reached over a network has those of the network as well.
    """

    fields: Mapping[str, str]
    unknown: tuple[str, ...]

    def to_json(self) -> bytes:
        """Return the file's content."""
        return json.dumps(self.fields, indent=2, ensure_ascii=False).encode() + b"\n"


def describe_system(
    identity: Identity,
    results: Iterable[RunResult],
    overrides: Mapping[str, str] | None = None,
    machine: Machine | None = None,
) -> SystemDescription:
    """Describe the machine that ran the results.

    Accelerators are part of the system if a run used one; otherwise ``hw_notes`` mentions them. There it also says how
    much of the processors the runs were allowed to use, where that was not all.

    Parameters
    ----------
    identity
        The values of the options.
    results
        Finished runs, for the versions of their software.
    overrides
        The fields given by the user, from `read_overrides`.
    machine
        The machine; default: this one.
    """
    runs = tuple(results)
    asked = machine or read_machine()
    network = network_use(runs, in_division=identity.division == "network")
    nodes = cluster_nodes(runs)
    known = {
        **{name: value for name, value in vars(identity).items() if name in FIELDS},
        **(_here(asked, runs) if network is None or network.loopback or nodes else {"hw_notes": asked_from(asked)}),
        **_software(asked, runs),
        **(_behind(network, asked, runs) if network is not None and not nodes else {}),
        **(cluster_fields(nodes, runs, network) if nodes else {}),
        **(overrides or {}),
    }
    asked_for = {**FIELDS, **(dict.fromkeys((IS_NETWORK, *NETWORK_FIELDS, OVERPROVISIONING), True) if network else {})}
    unknown = tuple(name for name in asked_for if not known.get(name) and name not in _REMARKS)
    fields = {name: known.get(name) or (UNKNOWN if needed else "") for name, needed in asked_for.items()}
    return SystemDescription(fields, unknown)


def _here(machine: Machine, runs: tuple[RunResult, ...]) -> dict[str, str]:
    """Return the fields of a system that is this machine."""
    used = any(run.device not in ("cpu", REMOTE) for run in runs)
    return {
        **_host(machine),
        **_accelerators(machine.accelerators, used=used),
        "hw_notes": "; ".join(_notes(machine, runs, used=used)),
    }


def _behind(network: NetworkUse, machine: Machine, runs: tuple[RunResult, ...]) -> dict[str, str]:
    """Return the fields of a system behind a network; a server does not say what it uses of its machine."""
    fields = {"framework": framework(network, sorted({run.backend for run in runs})), **network_fields(network)}
    if network.loopback and machine.accelerators is not None:
        return fields | dict.fromkeys(("accelerators_per_node", "accelerator_model_name"), "")
    return fields


def read_overrides(file: Path, identity: Identity | None = None) -> dict[str, str]:
    """Read the user's fields of the description from a JSON or TOML file.

    Raises
    ------
    OptionError
        The file cannot be read, has an unknown field, or a value that the checker rejects.
    """
    values = _parse(file)
    if not isinstance(values, dict):
        raise _refused(file, f"a {type(values).__name__} at the top", "write fields and their values")
    for name in values:
        if name not in _KNOWN:
            near = difflib.get_close_matches(str(name), _KNOWN, n=3, cutoff=0.5)
            raise _refused(
                file,
                f"{name!r}",
                f"did you mean {' or '.join(near)}?" if near else f"use one of these fields: {', '.join(_KNOWN)}",
            )
    texts = {name: _text(file, name, value) for name, value in values.items()}
    for name, value in texts.items():
        _check(file, name, value, identity)
    return texts


def _parse(file: Path) -> Any:
    try:
        text = file.read_text("utf-8")
        return json.loads(text) if text.lstrip().startswith(("{", "[")) and file.suffix != ".toml" else _toml(text)
    except OSError as error:
        raise _refused(file, error.strerror or str(error), "name a JSON or TOML file") from error
    except (ValueError, RecursionError) as error:
        raise _refused(file, f"{error}", "write it as JSON or TOML, in UTF-8") from error


def _toml(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def _text(file: Path, name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _refused(file, f"{name} = {value!r}", "write every field as a text")
    return str(value).strip()


def _check(file: Path, name: str, value: str, identity: Identity | None) -> None:
    """Raise for a value that the official checker rejects."""
    if not value and FIELDS.get(name, True):
        raise _refused(file, f"an empty {name}", "fill it in, or leave the field out")
    if name == "status" and value.lower() not in STATUSES:
        raise _refused(file, f"status {value!r}", f"use one of {', '.join(STATUSES)}")
    if name == "system_type" and value not in SYSTEM_TYPES:
        raise _refused(file, f"system_type {value!r}", f"use one of {', '.join(map(repr, SYSTEM_TYPES))}")
    if name in _COUNTS and not value.isdecimal():
        raise _refused(file, f"{name} {value!r}", "write a number, 0 for none")
    if name in _OPTIONS and identity is not None and value.lower() != vars(identity)[name].lower():
        raise _refused(
            file,
            f"{name} {value!r} beside {_OPTIONS[name]} {vars(identity)[name]}",
            "leave it out of the file, and set it with the option",
        )


def _refused(file: Path, found: str, fix: str) -> OptionError:
    return OptionError(
        f"--mlperf-system: {file} does not describe a system",
        expected="fields of the MLPerf system description",
        found=found,
        fix=fix,
    )


def _host(machine: Machine) -> dict[str, str]:
    return {
        "number_of_nodes": "1",
        "host_processor_model_name": machine.processor,
        "host_processors_per_node": str(machine.sockets or ""),
        "host_processor_core_count": str(machine.cores_per_socket or ""),
        "host_processor_frequency": f"{machine.frequency_mhz:.0f} MHz" if machine.frequency_mhz else "",
        "host_processor_caches": machine.caches,
        "host_processor_interconnect": NONE if machine.sockets == 1 else "",
        "host_memory_capacity": _binary(machine.memory_bytes),
        "host_storage_capacity": _decimal(machine.storage_bytes),
        "host_storage_type": machine.storage_type,
        "host_network_card_count": "" if machine.network_cards is None else str(machine.network_cards),
        "operating_system": machine.operating_system,
    }


def _accelerators(found: Accelerators | None, *, used: bool) -> dict[str, str]:
    names = [name for name in FIELDS if name.startswith("accelerator_")]
    if used and found is None:
        return {}  # there is one, but it could not be identified
    if not used or found is None:
        return {"accelerators_per_node": "0", **dict.fromkeys(names, NONE)}
    return {
        "accelerators_per_node": str(found.count),
        "accelerator_model_name": found.model,
        "accelerator_memory_capacity": _binary(found.memory_bytes),
        "accelerator_frequency": f"{found.frequency_mhz:.0f} MHz" if found.frequency_mhz else "",
        "accelerator_host_interconnect": found.host_interconnect,
        **(dict.fromkeys(_BETWEEN_ACCELERATORS, NONE) if found.count == 1 else {}),
    }


def _notes(machine: Machine, runs: tuple[RunResult, ...], *, used: bool) -> Iterator[str]:
    """Yield what the other fields do not say of the hardware: they describe the machine, not the part for the runs."""
    if machine.remark:
        yield machine.remark
    if machine.accelerators is not None and not used:
        yield f"{machine.accelerators.count} x {machine.accelerators.model}, not used"
    limits = (_limit(run.machine.cores) for run in runs if run.machine is not None)
    yield from filter(None, dict.fromkeys(limits))


def _limit(cores: Cores) -> str:
    words = []
    if cores.affinity < cores.online:
        words.append(f"{cores.affinity} of {cores.online} CPUs (affinity)")
    if cores.quota is not None:
        words.append(f"a quota of {cores.quota:g} CPUs (control group)")
    return f"runs were limited to {' and '.join(words)}" if words else ""


def _software(machine: Machine, runs: tuple[RunResult, ...]) -> dict[str, str]:
    versions = {name: version for run in runs for name, version in run.versions.items()}
    backends = sorted({run.backend for run in runs})
    framework = [f"{name} {versions[name]}" if name in versions else name for name in backends]
    others = [f"{name} {version}" for name, version in sorted(versions.items()) if name not in backends]
    return {
        "framework": ", ".join(framework),
        "sw_notes": f"precision: {', '.join(sorted({run.precision for run in runs}))}" if runs else "",
        "other_software_stack": ", ".join([*others, *([f"Linux {machine.kernel}"] if machine.kernel else [])]),
    }


def _binary(size: int | None) -> str:
    """Return a memory's size in GiB: the kernel reports a little less than is installed."""
    return f"{size / (1 << 30):.4g} GiB" if size else ""


def _decimal(size: int | None) -> str:
    if not size:
        return ""
    return f"{size / 1e12:.3g} TB" if size >= 1e12 else f"{size / 1e9:.0f} GB"
