"""What a submission's files may be without anything being raised, and tarballs that are refused."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.errors import ArchiveError, OptionError
from pytest_mlperf.metrics.limit import Limit
from pytest_mlperf.rules.detail_log import parse_detail_log, read_detail_log
from pytest_mlperf.rules.guess import guess_round
from pytest_mlperf.rules.reading.accuracy_text import read_accuracy_text
from pytest_mlperf.rules.reading.files import Text, read_document
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.reading.source import opened
from pytest_mlperf.rules.reading.tree import read_tree
from tests.rules.submissions import BASES
from tests.rules.test_check import errors, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.rules.submissions import Submission

    Copy = Callable[[str], Submission]


def message(key: str, value: object) -> str:
    return ":::MLLOG " + json.dumps({"key": key, "value": value, "metadata": {"is_error": False}})


def test_a_log_in_utf_16_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(message("a", 1), "utf-16")
    assert read_detail_log(tmp_path / "log").fault == "is not UTF-8 text"


def test_a_huge_log_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert "larger than 64 MiB" in str(read_detail_log(tmp_path / "log").fault)


def test_a_log_that_states_one_thing_twice_keeps_the_first_and_says_so() -> None:
    lines = [message("effective_scenario", "Offline"), message("effective_scenario", "Server")]
    log = parse_detail_log("\n".join([*lines, message("generic_message", 1), message("generic_message", 2)]))
    assert (log.values["effective_scenario"], log.contradictions) == ("Offline", ("effective_scenario",))


def test_the_same_statement_twice_is_no_contradiction() -> None:
    assert not parse_detail_log("\n".join(2 * [message("effective_scenario", "Offline")])).contradictions


def test_a_seed_of_64_bits_is_exact() -> None:
    seed = 18209322760996052031
    assert parse_detail_log(message("effective_schedule_rng_seed", seed)).values == {
        "effective_schedule_rng_seed": seed
    }


@pytest.mark.parametrize("start", ["noise\n", "\n", "\ufeff"])
def test_a_first_line_that_is_not_loadgens_is_seen(start: str) -> None:
    assert parse_detail_log(start + message("a", 1) + "\n" + message("b", 1)).foreign_start
    assert not parse_detail_log("  " + message("a", 1)).foreign_start


def test_nan_and_numbers_without_end_are_no_figures() -> None:
    log = parse_detail_log(':::MLLOG {"key": "x", "value": NaN, "metadata": {"is_error": false}}')
    assert (log.fault, log.number("x")) == (None, None)
    log = parse_detail_log(f':::MLLOG {{"key": "x", "value": {"9" * 5000}, "metadata": {{"is_error": false}}}}')
    assert log.number("x") is None


def test_accuracy_text_is_read_as_far_as_each_metric_was_good_enough_and_the_hash_is_known() -> None:
    text = "mAP=30.1%\nhash=abc\nmAP=40.2%\nmAP=10%\n"
    found = read_accuracy_text(Text("accuracy.txt", text))
    for least, values in ((30.0, ["30.1"]), (40.0, ["30.1", "40.2"]), (50.0, ["30.1", "40.2", "10"])):
        heeded = found.heeded((Limit("mAP", minimum=least),), (5, 1))
        assert [each.value for each in heeded] == values
    assert found.hash == "abc"


@pytest.mark.parametrize(
    ("round_", "values"), [((2, 1), ["9"]), ((3, 0), ["9"]), ((3, 1), ["7", "9"]), ((6, 1), ["7", "9"])]
)
def test_the_checkers_until_v3_0_heed_the_last_value_alone(round_: tuple[int, ...], values: list[str]) -> None:
    found = read_accuracy_text(Text("accuracy.txt", "accuracy=7\naccuracy=9\nhash=abc\naccuracy=8\n"))
    assert [each.value for each in found.heeded((Limit("acc", 8.5),), round_)] == values


@pytest.mark.parametrize(
    ("end", "values"), [("\n", 2), ("\r", 2), ("\r\n", 2), ("\x0b", 1), ("\u2028", 1), ("\x85", 1)]
)
def test_lines_of_accuracy_text_end_as_python_reads_text_files(end: str, values: int) -> None:
    found = read_accuracy_text(Text("accuracy.txt", end.join(("accuracy=7", "accuracy=9"))))
    assert len(found.metric("acc", (6, 1))) == values


def test_a_long_line_is_read_and_one_without_its_last_brace_states_nothing() -> None:
    long = "x" * 1_000_000
    [stated] = read_accuracy_text(Text("accuracy.txt", f"{long} 'rouge1': 7")).metric("ROUGE1", (6, 1))
    assert stated.value == "7"
    many = '{"f1": 5, ' * 100_000
    assert read_accuracy_text(Text("accuracy.txt", many)).metric("F1_HIERARCHICAL", (6, 1)) == []
    [stated] = read_accuracy_text(Text("accuracy.txt", many + "}")).metric("F1_HIERARCHICAL", (6, 1))
    assert stated.value == "5"


def test_a_metric_with_only_a_maximum_is_not_waited_for() -> None:
    found = read_accuracy_text(Text("accuracy.txt", "mAP=40\nhash=abc\n{'tokens_per_sample': 12000.0}\n"))
    limits = (Limit("mAP", minimum=30.0), Limit("TOKENS_PER_SAMPLE", maximum=11_000.0))
    assert [each.what for each in found.heeded(limits, (6, 0))] == ["mAP"]
    assert [each.what for each in found.heeded(limits[1:], (6, 0))] == []


@pytest.mark.parametrize(
    ("metric", "line", "since"),
    [
        ("acc", '{"accuracy": 0.7213}', (5, 0)),
        ("mAP", "some words mAP=37.6", (5, 1)),
        ("ROUGE1", "{'rouge1': '44.1'}", (5, 1)),
        ("ROUGE1", "{'rouge1': 44.1}", (2, 1)),
        ("TOKENS_PER_SAMPLE", "{'tokens_per_sample': 294.5}", (2, 1)),
        ("CLIP_SCORE", "{'FID_SCORE': 23.1, 'CLIP_SCORE': 31.7}", (2, 1)),
        ("exact_match", "{'exact_match': 81.3, 'tokens_per_sample': 3886.2}", (2, 1)),
        ("DLRM_NE", "metric/lifetime_ne/rating: 0.87", (2, 1)),
        ("F1_HIERARCHICAL", '{"f1": 0.79}', (2, 1)),
    ],
)
def test_a_line_is_read_as_the_rounds_checker_reads_it(metric: str, line: str, since: tuple[int, ...]) -> None:
    text = read_accuracy_text(Text("accuracy.txt", line))
    for round_ in ((2, 1), (5, 0), (5, 1), (6, 1)):
        assert bool(text.metric(metric, round_)) is (round_ >= since)


@pytest.mark.parametrize(
    ("metric", "line", "value"),
    [
        ("acc", "accuracy=76.460%, good=38230, total=50000", "76.460"),
        ("mAP", "mAP=37.552%", "37.552"),
        ("mAP", "{'Total': 37.5}", "37.5"),
        ("F1", '{"exact_match": 83.6, "f1": 90.87}', "90.87"),
        ("DICE", "Accuracy: mean = 0.86170, kidney = 0.9, tumor = 0.8", "0.86170"),
        ("word accuracy", "Word Error Rate: 0.07, accuracy=92.5%", "92.5"),
    ],
)
def test_the_words_of_each_accuracy_script_are_understood(metric: str, line: str, value: str) -> None:
    [stated] = read_accuracy_text(Text("accuracy.txt", line)).metric(metric, (6, 1))
    assert stated.value == value


def test_json_that_is_no_object_or_nested_without_end_is_a_fault(tmp_path: Path) -> None:
    for index, text in enumerate(["[]", "{", "[" * 100_000, '{"a": ' * 50_000]):
        (tmp_path / f"{index}").write_text(text)
        assert read_document(tmp_path, read_tree(tmp_path), f"{index}", "").fault is not None


def test_directories_that_link_to_each_other_are_followed_to_an_end(tmp_path: Path) -> None:
    names = [f"d{number}" for number in range(9)]
    for name in names:
        (tmp_path / name).mkdir()
        for other in names:
            if other != name:
                (tmp_path / name / other).symlink_to(f"../{other}")
    tree = read_tree(tmp_path)
    found = list(tree.walk())
    assert set(names) == set(tree.directories)
    assert len(found) < 20_000
    assert any("too many directories" in (each.fault or "") for each in found)


def test_links_in_a_circle_and_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "file").write_text("x")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "self").symlink_to("self")
    (root / "out").symlink_to(tmp_path)
    (root / "b").symlink_to("a")
    tree = read_tree(root)
    assert "out" not in tree.directories
    assert tree.directories["b"].files == {"file": 1}
    assert any(each.fault for each in tree.walk())
    links = {link.name: (link.broken, link.outside) for each in tree.walk() for link in each.links}
    assert (links["out"], links["self"], links["b"]) == ((False, True), (True, False), (False, False))


def test_a_deep_tree_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(200):
        os.mkdir("d")  # noqa: PTH102
        monkeypatch.chdir("d")
    monkeypatch.undo()
    assert any(each.fault == "is nested too deep" for each in read_tree(tmp_path).walk())


@pytest.mark.parametrize("base", BASES)
def test_the_seeds_tell_the_round(base: str, bases: Mapping[str, Path]) -> None:
    assert guess_round(read_submission(bases[base])).name == base.partition("_")[0]


def test_without_seeds_the_round_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no division was found"):
        guess_round(read_submission(tmp_path))
    (tmp_path / "open" / "Somebody").mkdir(parents=True)
    with pytest.raises(OptionError, match="--round"):
        guess_round(read_submission(tmp_path))


def packed(root: Path, target: Path, around: str = "") -> Path:
    with tarfile.open(target, "w:gz" if target.suffix in (".gz", ".tgz") else "w:xz") as archive:
        for each in sorted(root.iterdir()):
            archive.add(each, f"{around}{each.name}")
    return target


@pytest.mark.parametrize(("name", "around"), [("a.tar.gz", ""), ("a.tgz", "all-of-it/"), ("a.tar.xz", "")])
def test_a_tarball_is_judged_like_its_directory(
    name: str, around: str, bases: Mapping[str, Path], tmp_path: Path
) -> None:
    with opened(packed(bases["v5.1_open"], tmp_path / name, around)) as root:
        assert read_submission(root).submitters == read_submission(bases["v5.1_open"]).submitters
    assert not root.exists()


@pytest.mark.parametrize("member", ["../out", "/tmp/out", "open/../../out"])  # noqa: S108
def test_a_tarball_with_a_member_outside_is_refused(member: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(ArchiveError), opened(tmp_path / "bad.tar.gz"):
        pass
    assert not (tmp_path.parent / "out").exists()


def test_what_is_neither_directory_nor_tarball_cannot_be_checked(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for name in ("nothing", "notes.txt"):
        with pytest.raises(OptionError), opened(tmp_path / name):
            pass


def test_names_in_any_bytes_are_judged(copy_of: Copy) -> None:
    it = copy_of("v6.1_open")
    (it.code / os.fsdecode(b"\xff \x1b[31m")).write_text("x")
    assert errors(judged(it, "strict")) == {"spaces-in-names"}
