"""LoadGen's accuracy log is read exactly, and nothing that is not whole is read at all."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlperf.errors import AccuracyLogError
from pytest_mlperf.metrics.accuracy_log import float32_rows, read_records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Answers sample i with i % 4 rows of seven float32: i, then 1, 2 ... 6.
RUN_LOADGEN = """
import array, os, sys
import mlperf_loadgen as lg

folder, scenario = sys.argv[1:]
settings = lg.TestSettings()
settings.FromConfig("", "retinanet", scenario, 0)
settings.scenario = getattr(lg.TestScenario, scenario)
settings.mode = lg.TestMode.AccuracyOnly
kept = []

def issue(samples):
    for sample in samples:
        values = array.array("f", [sample.index, 1, 2, 3, 4, 5, 6] * (sample.index % 4))
        kept.append(values)
        address, count = values.buffer_info()
        lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, address, count * 4)])

sut = lg.ConstructSUT(issue, lambda: None)
qsl = lg.ConstructQSL(100, 64, lambda samples: None, lambda samples: None)
log = lg.LogSettings()
log.log_output.outdir = folder
log.enable_trace = False
lg.StartTestWithLogSettings(sut, qsl, settings, log, "")
lg.DestroyQSL(qsl)
lg.DestroySUT(sut)
os._exit(0)
"""


def entry(qsl_idx: int, data: bytes, seq_id: int = 0) -> str:
    return f'{{ "seq_id" : {seq_id}, "qsl_idx" : {qsl_idx}, "data" : "{data.hex().upper()}" }}'


def write(path: Path, entries: Sequence[str]) -> Path:
    path.write_text("[\n" + ",\n".join(entries) + "\n]\n")
    return path


@pytest.mark.parametrize("scenario", ["Offline", "SingleStream", "MultiStream"])
def test_what_loadgen_writes_is_read_as_it_was_answered(tmp_path: Path, scenario: str) -> None:
    subprocess.run([sys.executable, "-c", RUN_LOADGEN, str(tmp_path), scenario], check=True, timeout=60)
    path = tmp_path / "mlperf_log_accuracy.json"
    written = [item["qsl_idx"] for item in json.loads(path.read_text())]
    records = float32_rows(read_records(path), 7)
    assert sorted(records.qsl_idx) == list(range(100))
    assert records.qsl_idx.tolist() == list(dict.fromkeys(written))
    if scenario == "MultiStream":
        assert len(written) > 100  # padded queries: repeated samples are what is dropped here
    for index, start, end in zip(records.qsl_idx, records.offsets, records.offsets[1:], strict=False):
        assert end - start == index % 4
        assert (records.values[start:end] == [index, 1, 2, 3, 4, 5, 6]).all()


@settings(deadline=None)
@given(answers=st.dictionaries(st.integers(0, 10**18 - 1), st.binary(max_size=80), min_size=1, max_size=20))
def test_any_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, answers: dict[int, bytes]) -> None:
    path = write(tmp_path_factory.mktemp("log") / "log.json", [entry(*answer) for answer in answers.items()])
    assert dict(read_records(path)) == answers
    assert [record.qsl_idx for record in read_records(path)] == list(answers)


def test_of_a_repeated_sample_the_first_answer_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "log.json", [entry(7, b"one"), entry(8, b""), entry(7, b"two")])
    assert list(read_records(path)) == [(7, b"one"), (8, b"")]


def test_token_counts_and_other_spacing_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(
        '[\r\n{"seq_id":0,"qsl_idx":3,"data":"00ff","token_count":2},\r\n'
        '{ "seq_id" : 1, "qsl_idx" : 4, "data" : "", "token_data" : "0A0B", "token_count" : 2 }\r\n]'
    )
    assert list(read_records(path)) == [(3, b"\x00\xff"), (4, b"")]


def test_samples_without_an_answer_are_kept_as_records_without_rows(tmp_path: Path) -> None:
    row = np.arange(7, dtype="<f4").tobytes()
    path = write(tmp_path / "log.json", [entry(2, b""), entry(0, row * 2), entry(1, b"")])
    records = float32_rows(read_records(path), 7)
    assert records.qsl_idx.tolist() == [2, 0, 1]
    assert records.offsets.tolist() == [0, 0, 2, 2]
    assert records.values.dtype == np.float32
    assert records.values.tolist() == [list(range(7))] * 2


def test_a_log_without_any_row_is_an_empty_array(tmp_path: Path) -> None:
    records = float32_rows(read_records(write(tmp_path / "log.json", [entry(0, b"")])), 7)
    assert records.values.shape == (0, 7)
    assert records.offsets.tolist() == [0, 0]


@pytest.mark.parametrize("length", [1, 4, 27, 29, 36])
def test_a_response_that_is_not_whole_rows_is_refused(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "log.json", [entry(0, bytes(28)), entry(5, bytes(length))])
    with pytest.raises(AccuracyLogError, match=f"sample 5 is answered with {length} bytes"):
        float32_rows(read_records(path), 7)


def test_a_log_cut_off_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.json", [entry(index, bytes([index] * 3)) for index in range(3)]).read_bytes()
    path = tmp_path / "cut.json"
    for kept in range(len(whole) - 2):  # without its last newline the log is still whole
        path.write_bytes(whole[:kept])
        with pytest.raises(AccuracyLogError, match=r"cut\.json"):
            list(read_records(path))


GOOD = entry(0, b"abcd")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[\n]\n",
        b"{}",
        b"\x00\xff" * 500,
        b"[\n" + bytes(range(256)) + b"\n]\n",
        b"[\nnull\n]\n",
        f"[\n{GOOD},\n]\n".encode(),
        f"[\n{GOOD}\n{GOOD}\n]\n".encode(),
        f"[\n{GOOD},\n\n{GOOD}\n]\n".encode(),
        f"[\n{GOOD}\n]\n{GOOD}\n".encode(),
        f"{GOOD}\n".encode(),
        b'[\n{ "seq_id" : 0, "qsl_idx" : 0, "data" : "ABC" }\n]\n',
        b'[\n{ "seq_id" : 0, "qsl_idx" : 0, "data" : "GG" }\n]\n',
        b'[\n{ "seq_id" : 0, "qsl_idx" : 0, "data" : "\xc3\xa4" }\n]\n',
        b'[\n{ "seq_id" : 0, "qsl_idx" : -1, "data" : "00" }\n]\n',
        b'[\n{ "seq_id" : 0, "qsl_idx" : 1.5, "data" : "00" }\n]\n',
        b'[\n{ "seq_id" : 0, "qsl_idx" : 0 }\n]\n',
        b'[\n{ "seq_id" : 0, "qsl_idx" : 0, "data" : "00" } }\n]\n',
        b'[\n{ "seq_id" : 0, "qsl_idx" : 0, "data" : "00", "data" : "01x" }\n]\n',
        b'[\n{ "seq_id" : 0, "qsl_idx" : 99999999999999999999, "data" : "00" }\n]\n',
    ],
)
def test_what_is_not_an_accuracy_log_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(AccuracyLogError, match=r"broken\.json"):
        list(read_records(path))


def test_a_missing_log_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(AccuracyLogError, match=r"none\.json cannot be read: No such file"):
        list(read_records(tmp_path / "none.json"))
    with pytest.raises(AccuracyLogError, match="cannot be read: Is a directory"):
        list(read_records(tmp_path))
