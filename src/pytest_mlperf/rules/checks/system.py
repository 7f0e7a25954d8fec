"""The rules of a system's description, one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.checks.measurements import duplicate_keys
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.reading.files import state
from pytest_mlperf.rules.system_fields import FIELDS, NETWORK_FIELDS, STATUSES, SYSTEM_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_mlperf.rules.checks.case import SubmitterCase, SystemCase
    from pytest_mlperf.rules.round import Round

_SINCE_V3_1 = ("host_network_card_count", "system_type_detail")
_V3_1 = (3, 1)
_NUMBERS = ("number_of_nodes", "accelerators_per_node")
_SHOWN = 60


def required_fields(round_: Round) -> tuple[str, ...]:
    """Return the fields that a description must have in a round."""
    return tuple(name for name in FIELDS if round_.number >= _V3_1 or name not in _SINCE_V3_1)


def system_file(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when the description is missing or cannot be read."""
    fault = case.system.description.fault
    if fault is not None and case.system.in_results:
        yield _finding(
            case,
            "system-file",
            f"the description of {case.system.name} cannot be read",
            "a JSON object",
            state(fault),
            "describe the system in a file named after its directory below results/",
        )


def system_keys(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when the description has a key twice."""
    yield from duplicate_keys(case.system.description)


def system_fields(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when required fields are missing."""
    missing = [name for name in required_fields(case.round) if name not in case.system.description.values]
    if missing:
        yield _finding(
            case,
            "system-fields",
            "the system's description lacks required fields",
            f"all {len(required_fields(case.round))} fields",
            f"no {_listed(missing)}",
            "add them; write N/A in one that does not apply",
        )


def system_empty_fields(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when fields that must not be empty are; the number 0 counts as empty."""
    values = case.system.description.values
    asked = required_fields(case.round)
    empty = [name for name in asked if FIELDS[name] and name in values and not values[name]]
    if empty:
        yield _finding(
            case,
            "system-empty-fields",
            "fields of the system's description are empty",
            "text",
            f"nothing in {_listed(empty)}",
            'fill them in; write 0 as the text "0", and N/A in one that does not apply',
        )


def system_numbers(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when a count is not a number."""
    values = case.system.description.values
    for name in _NUMBERS:
        if name in values and not _whole(values[name]):
            yield _finding(
                case,
                "system-numbers",
                f"{name} is not a whole number",
                'digits, as in "2"',
                repr(values[name])[:_SHOWN],
                "write the number alone; what it counts belongs into hw_notes",
            )


def system_status(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when the status is not a valid one."""
    status = case.system.description.values.get("status")
    if not isinstance(status, str) or status.lower() not in STATUSES:
        yield _finding(
            case, "system-status", "the system's status is not a valid one", *_one_of(STATUSES, status), "choose one"
        )


def system_type(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when the system's type is not a valid one."""
    if not case.system_type:
        found = case.system.description.values.get("system_type")
        yield _finding(
            case, "system-type", "the system's type is not a valid one", *_one_of(SYSTEM_TYPES, found), "choose one"
        )


def system_submitter(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when the description names another submitter than its directory."""
    found = case.system.description.values.get("submitter")
    if not isinstance(found, str) or found.lower() != case.submitter.name.lower():
        yield _finding(
            case,
            "system-submitter",
            "the description names another submitter",
            case.submitter.name,
            repr(found)[:_SHOWN],
            "write the name of the submitter's directory",
        )


def system_division(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when the description names another division than its directory."""
    found = case.system.description.values.get("division")
    if not isinstance(found, str) or found.lower() != case.submitter.division:
        yield _finding(
            case,
            "system-division",
            "the description names another division",
            case.submitter.division,
            repr(found)[:_SHOWN],
            f"write {case.submitter.division}",
        )


def system_division_case(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when the division is written with other capitals."""
    found = case.system.description.text("division")
    if found != case.submitter.division and found.lower() == case.submitter.division:
        yield _finding(
            case,
            "system-division-case",
            "the division is written with capitals",
            case.submitter.division,
            found,
            f"write {case.submitter.division}",
        )


def system_network(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when a system in the network stands elsewhere, or lacks the network's fields."""
    values, division = case.system.description.values, case.submitter.division
    written = values.get("is_network")
    fix = "fill the network's fields in, or remove is_network"
    if written is not None and not isinstance(written, str):
        what = "is_network is not text"
        yield _finding(case, "system-network", what, 'the text "true", or no is_network', repr(written)[:_SHOWN], fix)
    elif case.in_network is not (division == "network") and division != "open":
        what = f"{division} division takes {'no system' if case.in_network else 'only systems'} in the network"
        fix = "put the submission into the division that fits, or correct is_network"
        expected = "true" if division == "network" else "no is_network"
        yield _finding(case, "system-network", what, expected, repr(written)[:_SHOWN], fix)
    missing = [name for name in NETWORK_FIELDS if not values.get(name)]
    if case.in_network and missing:
        what = "the description lacks fields of a system in the network"
        yield _finding(case, "system-network", what, ", ".join(NETWORK_FIELDS), f"no {_listed(missing)}", fix)


def system_network_false(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when is_network says no in words, which the modular checker takes for yes."""
    values = case.system.description.values
    written = values.get("is_network")
    if isinstance(written, str) and written and written.lower() != "true":
        missing = [name for name in NETWORK_FIELDS if not values.get(name)]
        if missing:
            yield _finding(
                case,
                "system-network-false",
                "is_network says no, and the modular checker takes any text for yes",
                "no is_network",
                repr(written)[:_SHOWN],
                "remove is_network",
            )


def systems_have_results(case: SystemCase) -> Iterator[Finding]:
    """Yield a finding when a described system has no results, though the submitter has some directory of them."""
    if not case.system.in_results and "results" in case.submitter.directory.directories:
        yield _finding(
            case,
            "systems-have-results",
            f"the system {case.system.name} has no results",
            f"{case.system.path}/<benchmark>/<scenario>",
            "none",
            "remove the description, or add the system's results",
        )


def measurements_have_results(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when directories are left over in measurements/: of systems without a directory in results/."""
    results, measured = (case.submitter.directory.find(name) for name in ("results", "measurements"))
    if results is None or measured is None or case.submitter.layout != "measurements":
        return
    left = sorted(measured.directories.keys() - results.directories.keys())
    if left:
        yield Finding(
            rule="systems-have-results",
            what="systems with measurements have no results",
            expected="a directory in results/ for each in measurements/",
            found=f"no {_listed(left)}",
            fix="remove the measurements, or add the results",
            file=measured.path,
        )


def _whole(value: object) -> bool:
    try:
        int(value)  # type: ignore[call-overload]  # what int() refuses is what is asked here
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _one_of(allowed: Sequence[str], found: object) -> tuple[str, str]:
    return f"one of {' | '.join(allowed)}", repr(found)[:_SHOWN] if found is not None else "nothing"


def _listed(names: Sequence[str]) -> str:
    few = 6
    return ", ".join(names[:few]) + (f" and {len(names) - few} more" if len(names) > few else "")


def _finding(case: SystemCase, rule: str, what: str, expected: str, found: str, fix: str) -> Finding:
    file = case.system.description.file
    return Finding(rule=rule, what=what, expected=expected, found=found, fix=fix, file=file)
