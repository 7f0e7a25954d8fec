"""Power measurements: what power_checker.py refuses is refused, and what the rounds ask otherwise is their data.

The verdicts of level official are those of the checker of v5.1.1 on the same trees.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.reading.read import read_run, read_submission
from pytest_mlperf.rules.reading.spl import logged_ends, read_samples
from pytest_mlperf.rules.round import find_round
from pytest_mlperf.rules.severity import SubmissionWeights
from tests.rules.power import NAME, change_json, change_text, keep_hashes, measure_power
from tests.rules.test_check import errors, judged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.rules.submissions import Submission

    Copy = Callable[[str], Submission]
    Change = Callable[[dict[str, Any]], object]


def put(*path: str | int, value: object) -> Change:
    """Return a change that puts a value at a place."""

    def change(values: Any) -> None:
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = value

    return change


def last_stamp(text: str) -> str:
    return text.splitlines()[-1][:23]


def test_a_power_measurement_is_no_error_and_without_its_directory_its_samples_are_one(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    directory = measure_power(it)
    assert errors(judged(it, "official")) == errors(judged(it, "strict")) == set()
    (directory / "power").rename(directory / "other")
    assert errors(judged(it, "official")) == {"performance-extra-files"}


def test_a_figure_of_0_is_taken_beside_a_power_measurement_and_is_an_error_at_strict(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    performance = measure_power(it)
    log = performance / "run_1" / "mlperf_log_detail.txt"
    text = re.sub(r'("result_samples_per_second", "value": )[\d.]+', r"\g<1>0.0", log.read_text())
    log.write_text(text)
    keep_hashes(performance)
    assert errors(judged(it, "official")) == set()
    assert errors(judged(it, "strict")) == {"result-zero"}


def test_a_file_named_power_counts_as_a_measurement(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    (it.performance().parent / "power").write_text("")
    assert {"power-files", "power-samples"} <= errors(judged(it, "official"))


@pytest.mark.parametrize(
    ("broken_file", "rules"),
    [
        ("power/ptd_logs.txt", {"power-files", "power-checksums", "power-analyser-log"}),
        ("power/client.json", {"power-files", "power-session"}),
        ("ranging/spl.txt", {"power-files", "power-average", "power-checksums"}),
        ("ranging/mlperf_log_detail.txt", {"power-files", "power-ranging", "power-clocks", "power-checksums"}),
        ("run_1/spl.txt", {"performance-files", "power-samples", "power-average", "power-checksums"}),
    ],
)
def test_what_a_power_measurement_lacks_is_named(copy_of: Copy, broken_file: str, rules: set[str]) -> None:
    it = copy_of("v5.1_open")
    (measure_power(it) / broken_file).unlink()
    assert errors(judged(it, "official")) == rules


def test_power_settings_are_described(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    measure_power(it)
    (it.measurements / "analyzer_table.md").write_text("")
    assert errors(judged(it, "official")) == {"power-settings"}


def test_the_files_below_a_linked_directory_are_none_of_the_measurement(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    performance = measure_power(it)
    (performance / "ranging").rename(performance / "first")
    (performance / "ranging").symlink_to("first")
    assert errors(judged(it, "official")) == {"power-checksums"}


@pytest.mark.parametrize(
    ("program", "change", "rule"),
    [
        ("client", lambda values: values.pop("version"), "power-session"),
        ("server", put("uuid", "client", value="1" * 32), "power-session"),
        ("server", put("uuid", "client", value="no uuid"), "power-session"),
        ("client", put("session_name", value="other"), "power-session"),
        ("client", put("messages", 2, "reply", value="no"), "power-session"),
        ("client", put("messages", 1, "reply", value="2"), ""),
        ("server", lambda values: values["messages"].pop(), "power-session"),
        ("server", put("debug", value=True), "power-session"),
        ("client", put("sources", "client.py", value="0"), "power-sources"),
        ("server", put("ptd_messages", 1, "reply", value="YokogawaWT310,version=1.9.2-x"), "power-meter"),
        ("server", put("ptd_messages", 1, "reply", value="Other,version=1.11.1-x"), "power-meter"),
        ("server", put("ptd_config", 0, "device_type", value=1), "power-meter"),
        ("server", put("ptd_config", 0, "device_type", value=77), "power-meter"),
        ("server", put("ptd_config", value=None), "power-meter"),
        ("server", put("ptd_messages", 3, "reply", value="Error"), "power-commands"),
        ("server", put("ptd_messages", 5, "cmd", value="SR,A,Auto"), ""),
        ("server", put("ptd_messages", 9, "cmd", value="SR,V,300"), "power-commands"),
        ("server", lambda values: values["ptd_messages"].pop(6), "power-commands"),
        ("server", put("ptd_messages", 13, "reply", value="Stopping untimed measurement"), "power-commands"),
        ("server", put("phases", "testing", 0, 0, value=0.0), "power-clocks"),
        ("server", lambda values: values["phases"]["testing"].pop(), "power-clocks"),
        ("server", put("results", "run_1/spl.txt", value="0"), "power-checksums"),
        ("client", put("results", "run_1/spl.txt", value="0"), "power-checksums"),
        ("client", put("results", "other.txt", value="0"), ""),
        ("server", put("timezone", value="east"), "power-analyser-log"),
    ],
)
def test_what_the_two_programs_wrote_is_judged(copy_of: Copy, program: str, change: Change, rule: str) -> None:
    it = copy_of("v5.1_open")
    change_json(measure_power(it), program, change)
    assert errors(judged(it, "official")) == errors(judged(it, "strict")) == ({rule} if rule else set())


@pytest.mark.parametrize(
    ("file", "old", "new", "rules"),
    [
        ("run_1/spl.txt", "Watts,500", "Watts,476", ""),
        ("run_1/spl.txt", "Watts,500", "Watts,475", "power-average"),
        ("run_1/spl.txt", "PF,0.9", "PF,x", "power-average"),
        ("run_1/spl.txt", "Watts,500.0", "Watts,nan", "power-samples power-average"),
        ("run_1/spl.txt", "Time,", "T,", "power-samples power-average"),
        ("ranging/spl.txt", "Watts,500.0", "Watts,x", "power-average"),
        ("power/ptd_logs.txt", "Uncertainty checking", "Nothing", "power-analyser-log"),
        ("power/ptd_logs.txt", NAME, "other", "power-analyser-log"),
        ("power/ptd_logs.txt", ": Completed test\n", ": Completed test\nERROR: USB.\n", "power-analyser-log"),
    ],
)
def test_the_samples_and_the_analysers_log_are_judged(copy_of: Copy, file: str, old: str, new: str, rules: str) -> None:
    it = copy_of("v5.1_open")
    change_text(measure_power(it), file, old, new)
    assert errors(judged(it, "official")) == set(rules.split())


@pytest.mark.parametrize(("words", "rules"), [(" ERROR: lost", {"power-analyser-log"}), (" ERROR: USB.", set())])
def test_an_error_after_the_ranging_run_counts_but_for_the_usual_one(
    copy_of: Copy, words: str, rules: set[str]
) -> None:
    it = copy_of("v5.1_open")
    performance = measure_power(it)
    log = performance / "power" / "ptd_logs.txt"
    change_text(performance, "power/ptd_logs.txt", "test\n", f"test\n{last_stamp(log.read_text())}{words}\n")
    assert errors(judged(it, "official")) == rules


def test_a_run_outside_its_phase_is_named(copy_of: Copy) -> None:
    it = copy_of("v5.1_open")
    performance = measure_power(it)
    for name in ("client", "server"):
        change_json(performance, name, put("phases", "testing", 2, 0, value=0.0))
    assert errors(judged(it, "official")) == {"power-clocks"}


def test_rounds_before_v3_1_make_a_note_of_it_and_judge_the_session_by_their_own_data() -> None:
    assert SubmissionWeights(find_round("v3.0"), "strict", enforced=True)("power-clocks") == "note"
    assert SubmissionWeights(find_round("v3.0"), "official", enforced=True)("power-clocks") is None
    apart = {name: find_round(name).power for name in ("v3.0", "v3.1", "v4.0")}
    assert [rules.clocks_apart_ms for rules in apart.values() if rules is not None] == [1000, 500, 800]


@pytest.mark.parametrize(
    ("round_", "lines", "refused"),
    [
        ("v5.1", "other words\n", False),
        ("v3.0", "other words\n", True),
        ("v3.0", "\n", True),
        ("v5.1", "Time,yesterday,Watts,1\n", True),
    ],
)
def test_until_v3_1_every_line_is_a_sample(copy_of: Copy, round_: str, lines: str, refused: bool) -> None:
    it = copy_of("v5.1_open")
    with (measure_power(it) / "run_1" / "spl.txt").open("a") as file:
        file.write(lines)
    now = find_round("v5.1")
    of = find_round(round_)
    judged_by = msgspec.structs.replace(now, spl_lines=of.spl_lines, spl_counts=of.spl_counts)
    report = check(read_submission(it.root, now.layout), judged_by, "official")
    assert ("power-samples" in {finding.rule for finding in report.all_findings()}) is refused


@pytest.mark.parametrize(
    ("lines", "counts"),
    [
        (b"Time,11-22-2026 10:00:05.5,Watts,500.1,Volts,120\n", (1, 1)),
        (b"Time,11-22-2026 10:00:05.500,Watts,0,Volts,120\n", (1, 0)),
        (b"Time,11-22-2026 10:00:05.500,Watts,nan\r", (1, 0)),
        (b"Time,11-22-2026 10:00:05.500,Watts, 1_0\r\nTime,11-22-2026 10:00:06.500,Watts,1e3", (2, 2)),
        (b"Time,11-22-2026 09:59:59.999,Watts,500,Volts,120\n", (0, 0)),
        (b"Time,11-22-2026 09:59:59.999\n", (0, 0)),
        (b"Time,11-22-2026 10:00:05.500,Watts,many,Volts,120\n", None),
        (b"Time,11-22-2026 10:00:05.500,Watts\n", None),
        (b"Time,yesterday,Watts,500,Volts,120\n", None),
        (b"Time,02-30-2026 10:00:05.500,Watts,500\n", None),
        (b"Time,11-22-2026 10:00:05,Watts,500\n", None),
        (b"other words\n\xff\n", None),
        (b"other words\n", (0, 0)),
    ],
)
def test_power_samples_count_in_the_runs_time(tmp_path: Path, lines: bytes, counts: tuple[int, int] | None) -> None:
    (tmp_path / "spl.txt").write_bytes(lines)
    ends = ("2026-11-22 10:00:00.000000", "2026-11-22 10:10:00.000000")
    run = read_run(tmp_path)
    found = read_samples(tmp_path, run.directory, ends).timed
    assert (None if found.fault else (found.count, found.above)) == counts
    assert read_samples(tmp_path, run.directory, None).timed.fault
    assert logged_ends(run.detail) is None
