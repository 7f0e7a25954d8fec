from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.run.paces import KEPT, Pace, note_pace, read_paces

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession

TINY = ("--model=retinanet-tiny", "--backend=onnxruntime", "--scenario=Offline", "--mode=accuracy", "--dataset-size=4")


@pytest.mark.slow
def test_a_plan_says_what_is_here_and_what_is_made_and_the_time(benchmarks: RunSession, shared_cache: Path) -> None:
    cache = f"--mlperf-cache={shared_cache / 'plan'}"
    before = benchmarks(*TINY, cache, "--mlperf-plan")
    assert before.code == 0, before.output
    assert "data set retinanet-tiny scenes 500: made by the first run" in before.output
    assert "retinanet-tiny-onnxruntime-cpu-Offline accuracy: no earlier run" in before.output
    assert "to fetch: nothing" in before.output
    assert "MLPerf results" not in before.output
    assert not (shared_cache / "plan").exists()

    assert benchmarks(*TINY, cache).outcomes().startswith("1 passed")
    after = benchmarks(*TINY, cache, "--mlperf-plan")
    assert "data set retinanet-tiny scenes 500: in the cache" in after.output
    assert "retinanet-tiny-onnxruntime-cpu-Offline accuracy: about " in after.output
    assert "for 1 of 1 runs, from earlier runs on this machine" in after.output


def test_a_plan_of_the_official_edition_counts_what_is_to_be_fetched(benchmarks: RunSession, tmp_path: Path) -> None:
    options = ("--model=retinanet", "--backend=onnxruntime", f"--mlperf-cache={tmp_path / 'cache'}")
    output = benchmarks(*options, "--mlperf-plan", "--dataset-size=100").output
    assert "model resnext50_32x4d_fpn.onnx: to fetch with --mlperf-fetch, 148,688,824 bytes" in output
    assert "to fetch: 177 MB" in output  # and 100 images of 0.285 MB
    assert "time: about 0 s for 0 of 8 runs" in output


@pytest.mark.slow
def test_a_plan_tells_of_an_environment_that_is_not_the_sessions_own(benchmarks: RunSession, tmp_path: Path) -> None:
    options = ("--scenario=Offline", f"--mlperf-cache={tmp_path / 'cache'}", "--mlperf-plan")
    unnamed = benchmarks(*options, "-k", "null-needssix or null-null").output
    assert unnamed.count("environment ") == 1
    assert "environment six python3." in unnamed
    assert ": missing; made with --backend needssix or --mlperf-fetch" in unnamed
    named = benchmarks(*options, "--model=null", "--backend=needssix").output
    assert ": made by the first run; pip or uv fetches its packages" in named
    nowhere = benchmarks(*options, "--model=null", "--backend=null", "--python-version=3.99").output
    assert "Python for null: missing, there is no Python 3.99 here" in nowhere
    assert not (tmp_path / "cache").exists()


def test_a_plan_says_that_a_cache_is_refused(benchmarks: RunSession, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    session = benchmarks(*TINY, f"--mlperf-cache={tmp_path / 'cache'}", "--mlperf-plan")
    assert session.code == 0, session.output
    assert f"scenes 500: missing, {tmp_path / 'cache'} is not used: everybody may exchange" in session.output


def test_a_plan_is_made_in_one_process(benchmarks: RunSession) -> None:
    session = benchmarks(*TINY, "--mlperf-plan", "-n", "2")
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "leave out -n" in session.output


def test_the_last_paces_are_kept(tmp_path: Path) -> None:
    for seconds in (100.0, 1.0, 2.0, 3.0, 4.0, 50.0):
        note_pace(tmp_path, "run", pace(seconds))
    assert [each.wall for each in read_paces(tmp_path)["run"]] == [1.0, 2.0, 3.0, 4.0, 50.0]
    assert len(read_paces(tmp_path)["run"]) == KEPT


def test_a_damaged_record_tells_nothing_and_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "paces.json").write_text("{")
    assert read_paces(tmp_path) == {}
    note_pace(tmp_path, "run", pace(1.0))
    assert read_paces(tmp_path) == {"run": [pace(1.0)]}


def pace(wall: float) -> Pace:
    return Pace(wall=wall, test=wall / 2, samples=10)
