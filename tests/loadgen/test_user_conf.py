from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.errors import UserConfError
from pytest_mlperf.loadgen.settings import KEYS, SCENARIOS, SETTINGS
from pytest_mlperf.loadgen.user_conf import Entry, check_models, parse_user_conf, read_user_conf

if TYPE_CHECKING:
    from pathlib import Path

ASK_LOADGEN = """
import sys, mlperf_loadgen as lg
s = lg.TestSettings()
s.FromConfig("", "retinanet", "Offline", 0)
code = s.FromConfig(sys.argv[1], "retinanet", "Offline", 2)
print(code, s.min_query_count, s.offline_expected_qps, s.min_duration_ms)
"""


def parse(text: str) -> list[str]:
    return [str(entry) for entry in parse_user_conf(text, "user.conf").entries]


def test_comments_and_empty_lines_are_skipped() -> None:
    assert parse("# all\n\n  \nretinanet.Offline.target_qps = 1.5 # mine\n") == ["retinanet.Offline.target_qps = 1.5"]


def test_the_most_exact_name_wins_and_then_the_last_line() -> None:
    conf = parse_user_conf(
        "retinanet.Offline.min_duration = 1\n*.Offline.min_duration = 2\nretinanet.*.min_duration = 3\n"
        "*.*.min_duration = 4\n*.Offline.target_qps = 5\nretinanet.*.target_qps = 6\n"
        "*.*.max_duration = 7\n*.*.max_duration = 8\nbert.Offline.min_query_count = 9\n",
        "user.conf",
    )
    assert conf.settings("retinanet", "Offline") == {"min_duration": "1", "target_qps": "5", "max_duration": "8"}


def test_loadgen_itself_reads_the_same_precedence(tmp_path: Path) -> None:
    path = tmp_path / "user.conf"
    path.write_text(
        "*.Offline.min_query_count = 7\nretinanet.*.min_query_count = 8\nretinanet.Offline.target_qps = 2.5\n"
        "*.Offline.target_qps = 9\n*.*.min_duration = 4\n*.*.min_duration = 5\n"
    )
    answer = subprocess.run([sys.executable, "-c", ASK_LOADGEN, str(path)], capture_output=True, text=True, check=True)
    ours = read_user_conf(path).settings("retinanet", "Offline")
    assert answer.stdout.split() == ["0", ours["min_query_count"], ours["target_qps"], ours["min_duration"]]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("retinanet.Offline.target_pqs = 1", "did you mean target_qps?"),
        ("retinanet.offline.target_qps = 1", "did you mean Offline?"),
        ("retinanet.Offline.target_qps 1", "expected: model.scenario.key = value"),
        ("retinanet.Offline.target_qps=1", "with spaces around ="),
        ("retinanet.target_qps = 1", "found: 2 parts"),
        ("retinanet.Offline.samples_per_query = 8", "does not read samples_per_query in Offline"),
        ("retinanet.SingleStream.target_qps = 1", "target_qps of Server, Offline"),
        ("*.Offline.target_latency_percentile = 90", "would ignore the line"),
        ("retinanet.MultiStream.samples_per_query = 0", "1 or more"),
        ("retinanet.Server.target_qps = 0", "above 0"),
        ("retinanet.Server.target_qps = 1e400", "at most 10^9"),
        ("retinanet.SingleStream.target_latency = 0", "1 or more"),
        ("retinanet.Server.target_latency_percentile = 100", "between 0 and 100"),
        ("retinanet.Server.target_latency_percentile = 0", "between 0 and 100"),
        ("*.*.min_duration = 9999999999999999", "at most 10^12"),
        ("retinanet.Server.max_async_queries = 4294967296", "below 2^31"),
        ("retinanet.Offline.performance_issue_same = 2", "0 or 1"),
        ("retinanet.Offline.min_query_count = 010", "a whole number"),
        ("retinanet.Offline.min_query_count = 1_000", "a whole number"),
        ("retinanet.Offline.min_query_count = +5", "a whole number"),
        ("retinanet.Offline.min_query_count = \u0661\u0662", "U+0661"),
        ("retinanet.Offline.target_qps\u00a0= 1", "U+00A0"),
        ("retinanet.Offline.target_qps =\x0c1", "U+000C"),
        ("\ufeffretinanet.Offline.target_qps = 1", "U+FEFF"),
        ("*.*.accuracy_log_sampling_target = 9", "use --mode compliance"),
        ("*.*.accuracy_sample_count_override = 9", "use --dataset-size"),
        ("retinanet.Offline.target_qps = fast", "a number above 0"),
        ("retinanet.Offline.target_qps = nan", "expected: a number above 0"),
        ("retinanet.Offline.target_qps = -1", "expected: a number above 0"),
        ("retinanet.SingleStream.target_latency = 0.5", "whole milliseconds"),
        ("retinanet.Offline.min_query_count = 1e3", "a whole number"),
        (f"retinanet.Offline.min_query_count = {2**63}", "below 2^63"),
        (f"retinanet.Offline.min_query_count = {10**400}", "below 2^63"),
        ("*.*.qsl_rng_seed = 1", "the round sets it"),
        ("*.*.mode = 2", "use --mode"),
    ],
)
def test_what_loadgen_would_misread_is_refused_with_the_line_and_what_to_do(line: str, says: str) -> None:
    with pytest.raises(UserConfError) as caught:
        parse_user_conf(f"# first\n{line}\n", "user.conf")
    assert "user.conf, line 2" in str(caught.value)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "user.conf"
    if content:
        path.write_bytes(content)
    with pytest.raises(UserConfError, match="cannot read the user"):
        read_user_conf(path)


@given(
    st.lists(
        st.builds(
            Entry,
            model=st.sampled_from(["retinanet", "bert", "*"]),
            scenario=st.sampled_from([*SCENARIOS, "*"]),
            key=st.sampled_from(KEYS),
            value=st.just("1"),
        )
    )
)
def test_what_is_written_is_read_back(entries: list[Entry]) -> None:
    entries = [entry for entry in entries if entry.scenario in (*SETTINGS[entry.key].scenarios, "*")]
    assert list(parse_user_conf("\n".join(map(str, entries)), "user.conf").entries) == entries


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        entries = parse_user_conf(text, "user.conf").entries
    except UserConfError:
        return
    assert all(entry.key in KEYS and entry.value.isascii() for entry in entries)


def test_a_byte_order_mark_hides_no_line(tmp_path: Path) -> None:
    path = tmp_path / "user.conf"
    path.write_bytes(b"\xef\xbb\xbfretinanet.Offline.target_qps = 5\n")
    with pytest.raises(UserConfError, match="begins with a byte order mark"):
        read_user_conf(path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("retinanet-tiny.Offline.target_qps = 1", "write retinanet.Offline.target_qps"),
        ("retinanett.Offline.target_qps = 1", "did you mean retinanet?"),
        ("resnet.Offline.target_qps = 1", "did you mean resnet50?"),
    ],
)
def test_a_model_that_loadgen_is_never_asked_for_is_refused(line: str, says: str) -> None:
    conf = parse_user_conf(f"bert.Offline.target_qps = 3\nwan-2.2-t2v-a14b.*.min_duration = 5\n{line}\n", "user.conf")
    with pytest.raises(UserConfError) as caught:
        check_models(conf, {"retinanet": "retinanet", "retinanet-tiny": "retinanet"})
    assert "user.conf, line 3: LoadGen does not know the model" in str(caught.value)
    assert says in str(caught.value)


def test_a_name_with_dots_is_a_model() -> None:
    conf = parse_user_conf("wan-2.2-t2v-a14b.*.min_duration = 5\n", "user.conf")
    assert conf.settings("wan-2.2-t2v-a14b", "Offline") == {"min_duration": "5"}
