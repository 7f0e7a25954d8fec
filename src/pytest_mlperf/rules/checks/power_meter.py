"""The rules of the power analyser: which one it was, how PTDaemon answered, and what its log says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_mlperf.rules.checks.power_session import asked_session
from pytest_mlperf.rules.checks.refusals import RefusedError, refusals
from pytest_mlperf.rules.reading.power_session import line_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_mlperf.rules.checks.case import ResultCase
    from pytest_mlperf.rules.finding import Finding
    from pytest_mlperf.rules.reading.power_session import PowerSession
    from pytest_mlperf.rules.round import PowerRules

_REPEAT = "repeat the power measurement"
#: PTDaemon's replies to the commands that begin so; to the third Stop it says that nothing is measured.
_REPLIES = {
    "SR,A": "Range A changed",
    "SR,V": "Range V changed",
    "Go,1000,": "Starting untimed measurement, maximum 500000 samples at 1000ms with 0 rampup samples",
    "Stop": "Stopping untimed measurement",
}
_THIRD_STOP, _NOTHING_TO_STOP = 2, "Error: no measurement to stop"
#: The number of the analyser that has channels, and how many.
_CHANNELS_OF, _CHANNELS = 77, 2
#: An error that is accepted in each run.
_ACCEPTED = "USB."
_STAMP = re.compile(r"^\d\d-\d\d-\d\d\d\d \d\d:\d\d:\d\d.\d\d\d")
_UNCERTAIN = re.compile(r"Uncertainty \d+.\d+%, which is above 1.00% limit for the last sample!")
_ACTIVATED = re.compile(r"Uncertainty checking for Yokogawa\S+ is activated")


def power_meter(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when PTDaemon or the analyser is none that the round takes."""
    session, rules = asked_session(case)
    if session is None or rules is None:
        return
    server, file = session.server.values, session.server.file
    fix = f"{_REPEAT} with a PTDaemon and an analyser that the round takes"
    yield from refusals("power-meter", file, fix, lambda: _identity(server["ptd_messages"], rules))
    yield from refusals("power-meter", file, fix, lambda: _configuration(server["ptd_config"], rules))


def power_commands(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when PTDaemon did not do what it was told, or the analyser's ranges were not restored."""
    session, rules = asked_session(case)
    if session is None or rules is None:
        return
    server, file = session.server.values, session.server.file
    yield from refusals("power-commands", file, _REPEAT, lambda: _replies(server["ptd_messages"]))
    yield from refusals("power-commands", file, _REPEAT, lambda: _restored(server["ptd_messages"], rules))


def power_analyser_log(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when PTDaemon's log has errors that count, or its uncertainty was not checked."""
    session, rules = asked_session(case)
    if session is None or rules is None:
        return
    file = f"{session.path}/ptd_logs.txt"
    yield from refusals(
        "power-analyser-log", file, f"find out why, and {_REPEAT}", lambda: _LogCheck(session, rules).check()
    )


def _identity(messages: Sequence[Mapping[str, Any]], rules: PowerRules) -> None:
    answer = next((message["reply"] for message in messages if message["cmd"] == "Identify"), "")
    found = re.search(r"(?<=version=)(.+?)-", answer)
    version, name = found[1] if found else "", answer.split(",")[0]
    if not answer:
        raise RefusedError("PTDaemon does not say which analyser it has", "a reply to Identify", "none")
    if version not in rules.ptd_versions:
        expected = f"version {' or '.join(rules.ptd_versions)}"
        raise RefusedError("PTDaemon's version is none that the round takes", expected, version or answer[:80])
    if name not in rules.analysers:
        raise RefusedError("the analyser is none that the round takes", ", ".join(rules.analysers), name[:80])


def _configuration(config: Any, rules: PowerRules) -> None:
    for analyser in config if rules.several else (config,):
        number = analyser["device_type"]
        if number not in rules.analysers.values():
            numbers = ", ".join(map(str, sorted(set(rules.analysers.values()))))
            raise RefusedError("the analyser's number is none that the round takes", numbers, str(number)[:80])
        if number == _CHANNELS_OF:
            command = analyser["command"]
            place = next((at for at in range(len(command)) if command[at] == "-c"), None)
            channels = command[place + 1] if place is not None else ""
            if len(channels.split(",")) != _CHANNELS or len(analyser["channel"] or ()) != _CHANNELS:
                raise RefusedError(
                    "the analyser did not measure two channels", "-c with two channels", channels or "none"
                )


def _replies(messages: Sequence[Mapping[str, Any]]) -> None:
    for command, expected in _REPLIES.items():
        wanted, stops = expected, 0
        for message in messages:
            if not message["cmd"].startswith(command):
                continue
            if message["cmd"] == "Stop":
                wanted = _NOTHING_TO_STOP if stops == _THIRD_STOP else wanted
                stops += 1
            if message["reply"] != wanted:
                what = f"PTDaemon replied to {message['cmd']!r} otherwise than it should"
                raise RefusedError(what, wanted, str(message["reply"])[:120])


def _restored(messages: Sequence[Mapping[str, Any]], rules: PowerRules) -> None:
    before = messages[2]["reply"].split(",")
    for letter, place, numbers in (("A", 1, rules.restoring), ("V", 3, (3,))):
        value = before[place + 1] if before[place] == "0" and float(before[place + 1]) > 0 else "Auto"
        sent = [message["cmd"] for message in messages if message["cmd"].startswith(f"SR,{letter}")]
        if len(sent) < max(numbers):
            what = f"the analyser's range of {letter} was not restored"
            raise RefusedError(what, f"{max(numbers)} commands SR,{letter}", str(len(sent)))
        if all(sent[number - 1] != f"SR,{letter},{value}" for number in numbers):
            raise RefusedError(
                f"the analyser's range of {letter} was not restored", f"SR,{letter},{value}", sent[numbers[0] - 1]
            )


class _LogCheck:
    """Reads PTDaemon's log as power_checker.py does: the first warning or usual error ends it, whatever follows."""

    def __init__(self, session: PowerSession, rules: PowerRules) -> None:
        self._rules = rules
        self._lines = session.log
        zone = int(session.server.values["timezone"])
        self._moved = zone if rules.zoned else 0
        self._mark = f": Go with mark {str(session.server.values['session_name']) + '_ranging'!r}"
        self._begin, self._end = session.ends("run_1")

    def check(self) -> None:
        start, stop = self._ranging()
        self._uncertainty_is_checked(start)
        for line in self._lines:
            if self._warns(line) or self._fails(line, start, stop):
                return

    def _time(self, line: str) -> float:
        return line_time(line, _STAMP) + self._moved

    def _ranging(self) -> tuple[float, float]:
        start = 0.0
        for line in self._lines:
            stamped = _STAMP.match(line)
            if stamped is None:
                continue
            time, words = self._time(line), line[stamped.end() :].strip()
            if not start and words == self._mark:
                start = time
            if start and words == ": Completed test":
                return start, time
        raise RefusedError(
            "PTDaemon's log does not have the ranging run", f"{self._mark}, and : Completed test", "no such lines"
        )

    def _uncertainty_is_checked(self, start: float) -> None:
        line = next((line for line in self._lines if _ACTIVATED.search(line)), None)
        expected = "Uncertainty checking for Yokogawa… is activated, before the ranging run"
        if line is None or not self._time(line) < start:
            found = "no such line" if line is None else line[:120]
            raise RefusedError("PTDaemon did not check how uncertain its samples are", expected, found)

    def _warns(self, line: str) -> bool:
        found = re.search("(?<=WARNING:).+", line)
        if found is None:
            return False
        margin = self._rules.clocks_apart_ms if self._rules.uncertainty else 0
        if not self._begin + margin < self._time(line) < self._end - margin:
            return False
        if self._rules.uncertainty and _UNCERTAIN.search(found[0].strip()):
            raise RefusedError("samples of the run are too uncertain", "at most 1 %", line[:120])
        return True

    def _fails(self, line: str, start: float, stop: float) -> bool:
        found = re.search("(?<=ERROR:).+", line)
        if found is None:
            return False
        time, words = self._time(line), found[0].strip()
        if words == _ACCEPTED:
            return True
        if not start < time < stop:
            raise RefusedError("PTDaemon met an error outside the ranging run", "no ERROR there", line[:120])
        return not words.startswith(self._rules.errors_of_ranging)
