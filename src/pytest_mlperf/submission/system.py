"""The system's description, systems/<system>.json; changes when the official fields do."""

from __future__ import annotations

import difflib
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import OptionError
from pytest_mlperf.rules.system_fields import FIELDS, STATUSES, SYSTEM_TYPES
from pytest_mlperf.submission.machine import read_machine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_mlperf.run.result import RunResult
    from pytest_mlperf.submission.machine import Accelerators, Machine

#: What stands where the checker wants some words and this machine does not say them.
UNKNOWN = "not stated"
NONE = "N/A"
#: Empty is an answer here.
_REMARKS = ("hw_notes", "sw_notes", "system_type_detail")
#: One has nobody to be connected to.
_BETWEEN_ACCELERATORS = ("accelerator_interconnect", "accelerator_interconnect_topology")
_COUNTS = ("number_of_nodes", "accelerators_per_node")
#: What the options decide; a description that says something else would be refused by the checker.
_OPTIONS = {"division": "--division", "submitter": "--submitter", "system_type": "--system-type"}


@dataclass(frozen=True)
class Identity:
    """What the user decides about a submission: the options --division, --submitter, --system-type, --hw-name."""

    division: str
    submitter: str
    system_type: str
    system_name: str
    status: str = "available"


@dataclass(frozen=True)
class SystemDescription:
    """All 35 fields as texts, and those that could not be learned: `UNKNOWN` where empty is not allowed."""

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

    Accelerators are part of the system when a run used one; others are a remark in ``hw_notes``.

    Parameters
    ----------
    identity
        What the options say.
    results
        Finished runs, for the versions of what they ran with.
    overrides
        What `read_overrides` returned.
    machine
        What the machine says of itself; by default this one is asked.
    """
    runs = tuple(results)
    asked = machine or read_machine()
    known = {
        **{name: value for name, value in vars(identity).items() if name in FIELDS},
        **_host(asked),
        **_accelerators(asked.accelerators, used=any(run.device != "cpu" for run in runs)),
        **_software(asked, runs),
        **(overrides or {}),
    }
    unknown = tuple(name for name in FIELDS if not known.get(name) and name not in _REMARKS)
    fields = {name: known.get(name) or (UNKNOWN if needed else "") for name, needed in FIELDS.items()}
    return SystemDescription(fields, unknown)


def read_overrides(file: Path, identity: Identity | None = None) -> dict[str, str]:
    """Read what the user states about the system, a JSON or TOML file with fields of the description.

    Raises
    ------
    OptionError
        The file cannot be read, has a key that is no field, or a value that the checker refuses.
    """
    values = _parse(file)
    if not isinstance(values, dict):
        raise _refused(file, f"a {type(values).__name__} at the top", "name fields and their values")
    for name in values:
        if name not in FIELDS:
            near = difflib.get_close_matches(str(name), FIELDS, n=3, cutoff=0.5)
            raise _refused(
                file, f"{name!r}", f"did you mean {' or '.join(near)}?" if near else f"the fields: {', '.join(FIELDS)}"
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
        raise _refused(file, f"{name} = {value!r}", "every field is a text")
    return str(value).strip()


def _check(file: Path, name: str, value: str, identity: Identity | None) -> None:
    """Refuse what the official checker would: its words for a status and a type, and counts that are numbers."""
    if not value and FIELDS[name]:
        raise _refused(file, f"an empty {name}", "say what it is, or leave the field out")
    if name == "status" and value.lower() not in STATUSES:
        raise _refused(file, f"status {value!r}", f"it is one of {', '.join(STATUSES)}")
    if name == "system_type" and value not in SYSTEM_TYPES:
        raise _refused(file, f"system_type {value!r}", f"it is one of {', '.join(map(repr, SYSTEM_TYPES))}")
    if name in _COUNTS and not value.isdecimal():
        raise _refused(file, f"{name} {value!r}", "it is a number, 0 where there is none")
    if name in _OPTIONS and identity is not None and value.lower() != vars(identity)[name].lower():
        raise _refused(
            file, f"{name} {value!r} beside {_OPTIONS[name]} {vars(identity)[name]}", "say it once, with the option"
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
        "hw_notes": machine.remark,
    }


def _accelerators(found: Accelerators | None, *, used: bool) -> dict[str, str]:
    names = [name for name in FIELDS if name.startswith("accelerator_")]
    if used and found is None:
        return {}  # there is one, and nothing says what it is
    if not used or found is None:
        left = {"hw_notes": f"{found.count} x {found.model}, not used"} if found else {}
        return {"accelerators_per_node": "0", **dict.fromkeys(names, NONE), **left}
    return {
        "accelerators_per_node": str(found.count),
        "accelerator_model_name": found.model,
        "accelerator_memory_capacity": _binary(found.memory_bytes),
        "accelerator_frequency": f"{found.frequency_mhz:.0f} MHz" if found.frequency_mhz else "",
        "accelerator_host_interconnect": found.host_interconnect,
        **(dict.fromkeys(_BETWEEN_ACCELERATORS, NONE) if found.count == 1 else {}),
    }


def _software(machine: Machine, runs: tuple[RunResult, ...]) -> dict[str, str]:
    versions = {name: version for run in runs for name, version in run.versions.items()}
    backends = sorted({run.backend for run in runs})
    framework = [f"{name} {versions[name]}" if name in versions else name for name in backends]
    others = [f"{name} {version}" for name, version in sorted(versions.items()) if name not in backends]
    return {
        "framework": ", ".join(framework),
        "other_software_stack": ", ".join([*others, *([f"Linux {machine.kernel}"] if machine.kernel else [])]),
    }


def _binary(size: int | None) -> str:
    """Return a memory's size in GiB: what the kernel reports is a little less than what is built in."""
    return f"{size / (1 << 30):.4g} GiB" if size else ""


def _decimal(size: int | None) -> str:
    if not size:
        return ""
    return f"{size / 1e12:.3g} TB" if size >= 1e12 else f"{size / 1e9:.0f} GB"
