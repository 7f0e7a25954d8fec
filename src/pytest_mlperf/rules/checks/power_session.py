"""The rules of a power measurement's two programs: one session of known sources, with clocks that agree."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_mlperf.rules.checks.refusals import RefusedError, refusals
from pytest_mlperf.rules.reading.files import state
from pytest_mlperf.rules.reading.power_session import HASHED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_mlperf.rules.checks.case import ResultCase
    from pytest_mlperf.rules.finding import Finding
    from pytest_mlperf.rules.reading.power_session import PowerSession
    from pytest_mlperf.rules.round import PowerRules

_FIELDS = ("version", "timezone", "modules", "sources", "messages", "uuid", "session_name", "results", "phases")
_REPEAT = "repeat the power measurement"
_UNCHANGED = "put the files here as the power measurement left them, or repeat it"
#: The run's average power must be more than this part of the ranging run's, in per cent below it.
_MOST_BELOW = 5
#: In per cent of the ranging run's duration: a run that is shorter by more is not compared in its power.
_MUCH_SHORTER = 0.5
_AN_HOUR = 3600


def power_session(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when client.json and server.json are not there with their fields, or not of one session."""
    session, _ = _of_round(case)
    if session is None:
        return
    for document in (session.client, session.server):
        lacking = [name for name in _FIELDS if name not in document.values]
        if document.fault or lacking:
            found = state(document.fault) if document.fault else f"no {', '.join(lacking)}"
            refusal = RefusedError("a file of the power measurement cannot be read", ", ".join(_FIELDS), found)
            yield from refusals("power-session", document.file, _UNCHANGED, refusal)
            return
    client, server = session.client.values, session.server.values
    file = session.server.file
    yield from refusals("power-session", file, _UNCHANGED, lambda: _same_session(client, server))
    yield from refusals(
        "power-session", file, _UNCHANGED, lambda: _same_messages(client["messages"], server["messages"])
    )
    yield from refusals("power-session", file, f"{_REPEAT} without the server's debug mode", lambda: _no_debug(server))


def power_sources(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when a program of the power measurement is not one that the round knows."""
    session, rules = asked_session(case)
    if session is None or rules is None:
        return
    fix = f"{_REPEAT} with a release of mlcommons/power-dev that the round takes, unchanged"
    for document in (session.client, session.server):
        yield from refusals("power-sources", document.file, fix, partial(_known_sources, document.values, rules))


def power_clocks(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the clocks disagree, or a run is not in its phase of the measurement."""
    session, rules = asked_session(case)
    if session is None or rules is None:
        return
    yield from refusals("power-clocks", session.client.file, _REPEAT, lambda: _clocks(session, rules))


def power_average(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the run used less power than the ranging run before it."""
    session, rules = asked_session(case)
    if session is None or rules is None or not rules.average:
        return
    try:
        ranging, testing = _durations(session)
        shorter = (ranging - testing) / ranging > _MUCH_SHORTER
    except (ValueError, ZeroDivisionError):  # power-clocks tells it
        return
    if not shorter:
        file = f"{session.testing.path}/spl.txt"
        yield from refusals("power-average", file, _REPEAT, lambda: _average(session, case.round.spl_lines == "every"))


def power_checksums(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when files of the measurement are not those whose hashes its programs kept."""
    session, _ = asked_session(case)
    if session is None:
        return
    client, server = session.client.values, session.server.values
    yield from refusals("power-checksums", session.server.file, _UNCHANGED, lambda: _checksums(client, server, session))


def asked_session(case: ResultCase) -> tuple[PowerSession | None, PowerRules | None]:
    """Return the session of a power measurement whose two files can be read, and what the round asks of it."""
    session, rules = _of_round(case)
    return (session, rules) if session is not None and _has_both(session) else (None, None)


def _of_round(case: ResultCase) -> tuple[PowerSession | None, PowerRules | None]:
    power, rules = case.result.power, case.round.power
    return (power.session, rules) if power is not None and rules is not None else (None, None)


def _has_both(session: PowerSession) -> bool:
    return all(
        each.fault is None and not set(_FIELDS) - each.values.keys() for each in (session.client, session.server)
    )


def _same_session(client: Mapping[str, Any], server: Mapping[str, Any]) -> None:
    for program in ("client", "server"):
        ours, theirs = client["uuid"][program], server["uuid"][program]
        if uuid.UUID(ours) != uuid.UUID(theirs):
            raise RefusedError(f"the {program}'s uuid differs", f"{ours} as in client.json", theirs)
    ours, theirs = client["session_name"], server["session_name"]
    if ours != theirs:
        raise RefusedError("client.json and server.json are of two sessions", f"session_name {ours!r}", repr(theirs))


def _same_messages(client: Sequence[Any], server: Sequence[Any]) -> None:
    if len(client) != len(server):
        raise RefusedError(
            "client and server do not have the same messages", f"{len(client)} in server.json", str(len(server))
        )
    for number, (ours, theirs) in enumerate(zip(client, server, strict=True), 1):
        same = ours["cmd"] == theirs["cmd"] and (ours["cmd"] == "time" or ours["reply"] == theirs["reply"])
        if not same:
            what = f"message {number} of client and server differs"
            raise RefusedError(what, str(ours)[:120], str(theirs)[:120])
    first = server[0]
    versions = [_version(f"{who} v", first[key]) for who, key in (("client", "cmd"), ("server", "reply"))]
    if versions[0] != versions[1]:
        raise RefusedError("client and server have different versions", f"v{versions[0]}", f"v{versions[1]}")


def _version(words: str, text: str) -> str:
    found = re.search(rf"mlcommons/power {words}(\d+)$", text)
    if found is None:
        raise RefusedError("the first message names no version", f"mlcommons/power {words}…", str(text)[:80])
    return found[1]


def _no_debug(server: Mapping[str, Any]) -> None:
    if server.get("debug", False) is not False:
        raise RefusedError(
            "the server of the power measurement ran in debug mode", "debug false", str(server["debug"])[:80]
        )


def _known_sources(values: Mapping[str, Any], rules: PowerRules) -> None:
    text = json.dumps(values["sources"], sort_keys=True, separators=(",", ":"))
    found = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    if found not in rules.sources:
        raise RefusedError(
            "the program of the power measurement is none that the round takes",
            f"sources with the SHA-256 {' or '.join(each[:12] for each in rules.sources)}",
            found[:12],
        )


def _clocks(session: PowerSession, rules: PowerRules) -> None:
    phases = [
        [document.values["phases"][mode] for document in (session.client, session.server)]
        for mode in ("ranging", "testing")
    ]
    for mode, (ours, theirs) in zip(("ranging", "testing"), phases, strict=True):
        if len(ours) != len(theirs):
            raise RefusedError(
                f"the {mode} run has other phases for client and server", str(len(ours)), str(len(theirs))
            )
        apart = max((abs(one[0] - other[0]) for one, other in zip(ours, theirs, strict=True)), default=0)
        if not all(
            abs(one[0] - other[0]) <= rules.clocks_apart_ms / 1000 for one, other in zip(ours, theirs, strict=True)
        ):
            most = f"at most {rules.clocks_apart_ms} ms"
            raise RefusedError("the clocks of client and server disagree", most, f"{apart * 1000:.0f} ms")
    for mode, (ours, _), run in zip(("ranging", "testing"), phases, ("ranging", "run_1"), strict=True):
        for end in session.ends(run):
            if not (ours[1][0] < end < ours[2][0] or ours[1][0] < end - _AN_HOUR < ours[2][0]):
                expected = f"power_begin and power_end between {ours[1][0]:.0f} and {ours[2][0]:.0f} s"
                raise RefusedError(f"the {mode} run was not in its phase of the measurement", expected, f"{end:.0f} s")
    ranging, testing = _durations(session)
    if rules.durations_apart is None:
        (ranging - testing) / ranging
    elif not abs(ranging - testing) / max(ranging, testing) < rules.durations_apart:
        expected = f"durations within {rules.durations_apart * 100:g} % of one another"
        raise RefusedError(
            "the two runs of the measurement differ in duration", expected, f"{ranging:.0f} and {testing:.0f} s"
        )


def _durations(session: PowerSession) -> tuple[float, float]:
    (begin, end), (testing_begin, testing_end) = session.ends("ranging"), session.ends("run_1")
    return end - begin, testing_end - testing_begin


def _average(session: PowerSession, every: bool) -> None:
    read = [session.samples_of(run) for run in ("ranging", "run_1")]
    found = [each.every if every else each.timed for each in read]
    for samples in found:
        if samples.fault or samples.factor_fault:
            raise RefusedError("the power of a run cannot be read", "samples", samples.fault or samples.factor_fault)
    ranging, testing = (round(samples.average, 5) for samples in found)
    percent = round((testing / ranging - 1) * 100, 2)
    if not percent > -_MOST_BELOW:
        expected = f"more than {_MOST_BELOW} % below the ranging run's {ranging:g} W is too little"
        raise RefusedError("the run used less power than the ranging run", expected, f"{testing:g} W, {percent:g} %")


def _checksums(client: Mapping[str, Any], server: Mapping[str, Any], session: PowerSession) -> None:
    ours, theirs = (
        {name: each["results"][name] for name in HASHED if name in each["results"]} for each in (client, server)
    )
    kept = {**ours, **theirs}
    for name in HASHED:
        if name not in kept:
            raise RefusedError(
                "a file's hash was not kept", f"{name} in the results of client.json or server.json", "none"
            )
        if name not in session.hashes:
            raise RefusedError("a file of the measurement is not there", name, "no such file")
        if ours.get(name, kept[name]) != kept[name]:
            raise RefusedError(
                f"client.json and server.json have other hashes of {name}", str(ours[name])[:40], str(kept[name])[:40]
            )
        if session.hashes[name] != kept[name]:
            raise RefusedError(
                f"{name} is not the file that was measured", f"SHA-1 {str(kept[name])[:40]}", session.hashes[name]
            )
