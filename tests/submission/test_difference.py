"""diff says how two submissions differ, and nothing when they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.commands.main import main
from pytest_mlperf.submission.difference import differ
from pytest_mlperf.submission.tarball import pack
from pytest_mlperf.submission.tree import write_submission

if TYPE_CHECKING:
    from pytest_mlperf.submission.plan import SubmissionPlan
    from tests.submission.conftest import MakePlan


@pytest.fixture
def pair(make_plan: MakePlan, tmp_path: Path) -> tuple[SubmissionPlan, Path, Path]:
    plan = make_plan("results")
    for name in ("a", "b"):
        write_submission(plan, tmp_path / name)
    return plan, tmp_path / "a", tmp_path / "b"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_equal_submissions_do_not_differ_even_packed(pair: tuple[SubmissionPlan, Path, Path], tmp_path: Path) -> None:
    _, a, b = pair
    assert differ(a, b) == ()
    assert differ(a, pack(b, tmp_path / "b.tar.gz")) == ()


def test_each_kind_of_difference_is_told(pair: tuple[SubmissionPlan, Path, Path]) -> None:
    plan, a, b = pair
    offline = b / plan.base / "results" / plan.place(plan.results[0])
    change(b / plan.base / "systems" / f"{plan.system}.json", '"cooling": "not stated"', '"cooling": "air"')
    change(offline / "accuracy/accuracy.txt", "mAP=", "mAP=9")
    change(offline / "user.conf", "min_duration = 0", "min_duration = 60000")
    change(
        offline / "performance/run_1/mlperf_log_detail.txt",
        '"effective_min_duration_ms", "value": 0',
        '"effective_min_duration_ms", "value": 60000',
    )
    (offline / "README.md").unlink()
    found = differ(a, b)
    told = {(each.kind, each.name): (each.left, each.right) for each in found if each.name}
    assert told[("systems", "cooling")] == ("not stated", "air")
    assert told[("settings", "user.conf retinanet.Offline.min_duration")] == ("0", "60000")
    assert told[("settings", "performance effective_min_duration_ms")] == ("0", "60000")
    assert ("results", "accuracy (mAP)") in told
    where = f"{plan.base}/results/{plan.place(plan.results[0])}"
    assert f"{where}/README.md: only on the left" in "\n".join(map(str, found))
    assert [each.kind for each in found] == sorted(
        (each.kind for each in found), key=["results", "settings", "systems", "files"].index
    )


def test_what_only_one_has_is_told_from_both_sides(pair: tuple[SubmissionPlan, Path, Path]) -> None:
    import shutil

    plan, a, b = pair
    gone = plan.place(plan.results[1])
    shutil.rmtree(b / plan.base / "results" / gone)
    one, other = differ(a, b), differ(b, a)
    assert [(each.where, each.right, each.left) for each in one] == [(e.where, e.left, e.right) for e in other]
    assert str(one[0]) == f"{plan.base}/results/{gone}: only on the left"


def test_the_command_has_the_exit_codes_of_diff(
    pair: tuple[SubmissionPlan, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, a, b = pair
    assert main(["diff", str(a), str(b)]) == 0
    assert capsys.readouterr().out == ""
    change(b / plan.base / "systems" / f"{plan.system}.json", '"cooling": "not stated"', '"cooling": "air"')
    assert main(["diff", str(a), str(b)]) == 1
    out = capsys.readouterr().out
    assert f"systems:\n  {plan.base}/systems/{plan.system}: cooling: not stated -> air\n" in out
    assert main(["diff", "--json", str(a), str(b)]) == 1
    assert {each["kind"] for each in json.loads(capsys.readouterr().out)} == {"systems", "files"}
    assert main(["diff", str(a), str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_pack_is_a_command(
    pair: tuple[SubmissionPlan, Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, a, _ = pair
    monkeypatch.chdir(tmp_path)
    assert main(["pack", str(a)]) == 0
    assert main(["pack", str(a), "--output", "other.tar.gz"]) == 0
    assert Path("open.tar.gz").read_bytes() == Path("other.tar.gz").read_bytes()
    assert capsys.readouterr().out.startswith("open.tar.gz: ")
    assert main(["pack", str(tmp_path / "nowhere")]) == 1
    assert "nothing to pack" in capsys.readouterr().err
