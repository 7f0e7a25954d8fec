"""Gives a result of a base submission a power measurement, as mlcommons/power-dev would have left it."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf.rules.reading.power_session import HASHED
from pytest_mlperf.rules.reading.read import read_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.rules.submissions import Submission

#: The SHA-1 of each file of the release of the programs that v5.0 and later rounds take.
PROGRAMS = json.loads(Path(__file__).with_name("power_programs.json").read_text("utf-8"))
NAME = "2026.11.22-10.00.00_example"
_STAMP = "%m-%d-%Y %H:%M:%S.%f"
_RANGE = "Range A changed"


def measure_power(it: Submission) -> Path:
    """Add a power measurement to the Offline result; return the performance directory."""
    run = it.performance()
    begin, end = (_time(run, key) for key in ("power_begin", "power_end"))
    _write_samples(run, begin, end, 500.0)
    shutil.copytree(run, run.parent / "ranging")
    power = run.parent / "power"
    power.mkdir()
    for name in ("client.log", "server.log"):
        (power / name).write_text("x")
    _write_analyser_log(power / "ptd_logs.txt", begin, end)
    for name in ("client.json", "server.json"):
        (power / name).write_text(json.dumps(_program(begin, end)))
    keep_hashes(run.parent)
    for name in ("analyzer_table.md", "power_settings.md"):
        (it.measurements / name).write_text("x")
    return run.parent


def keep_hashes(performance: Path) -> None:
    """Write the hashes of the files as they are now into client.json and server.json."""
    hashes = {
        name: hashlib.sha1((performance / name).read_bytes(), usedforsecurity=False).hexdigest() for name in HASHED
    }
    for name in ("client", "server"):
        change_json(performance, name, lambda values: values["results"].update(hashes))


def change_json(performance: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change client.json or server.json."""
    path = performance / "power" / f"{name}.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def change_text(performance: Path, name: str, old: str, new: str) -> None:
    """Replace a text in a file, whose hash is then kept."""
    path = performance / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    keep_hashes(performance)


def _time(run: Path, key: str) -> datetime:
    return datetime.strptime(read_run(run).detail.text(key), _STAMP).replace(tzinfo=timezone.utc)


def _written(time: datetime) -> str:
    return time.strftime(_STAMP)[:-3]


def _write_samples(run: Path, begin: datetime, end: datetime, watts: float) -> None:
    times = [begin - timedelta(seconds=1), *(begin + (end - begin) * part / 5 for part in range(1, 5)), end]
    lines = (f"Time,{_written(time)},Watts,{watts},Volts,120,Amps,4,PF,0.9,Mark,x\n" for time in times)
    (run / "spl.txt").write_text("".join(lines))


def _write_analyser_log(path: Path, begin: datetime, end: datetime) -> None:
    words = {
        begin - timedelta(seconds=60): "Uncertainty checking for YokogawaWT310 is activated",
        begin - timedelta(seconds=10): f": Go with mark '{NAME}_ranging'",
        end + timedelta(seconds=10): ": Completed test",
    }
    path.write_text("".join(f"{_written(time)}{word}\n" for time, word in words.items()))


def _program(begin: datetime, end: datetime) -> dict[str, Any]:
    """Return what client.json and server.json have, which is the same here."""
    times = [begin - timedelta(seconds=9), begin - timedelta(seconds=5), end + timedelta(seconds=5)]
    phases = [[time.timestamp(), 0.0] for time in times]
    one = "0123456789abcdef0123456789abcdef"
    return {
        "version": 1,
        "timezone": 0,
        "modules": {},
        "sources": PROGRAMS,
        "results": {},
        "session_name": NAME,
        "uuid": {"client": one, "server": one},
        "phases": {"ranging": phases, "testing": phases},
        "messages": [
            {"cmd": "mlcommons/power client v3", "reply": "mlcommons/power server v3"},
            {"cmd": "time", "reply": "1"},
            {"cmd": "session,start", "reply": "OK"},
        ],
        "ptd_config": [{"device_type": 49, "command": [], "channel": None}],
        "ptd_messages": [
            {"cmd": "Hello", "reply": "Hello, PTDaemon here!"},
            {"cmd": "Identify", "reply": "YokogawaWT310,version=1.11.1-0123456"},
            {"cmd": "RR,1,2", "reply": "Ranges,0,2.0,1,300.0"},
            *({"cmd": f"SR,A,{value}", "reply": _RANGE} for value in ("Auto", "4", "2.0", "2.0")),
            *({"cmd": f"SR,V,{value}", "reply": "Range V changed"} for value in ("Auto", "300", "Auto")),
            {
                "cmd": "Go,1000,0,x",
                "reply": "Starting untimed measurement, maximum 500000 samples at 1000ms with 0 rampup samples",
            },
            {"cmd": "Stop", "reply": "Stopping untimed measurement"},
            {"cmd": "Stop", "reply": "Stopping untimed measurement"},
            {"cmd": "Stop", "reply": "Error: no measurement to stop"},
        ],
    }
