"""The page says what the results say, whatever texts they have, and needs nothing else."""

from __future__ import annotations

import json
import re
import struct
import time
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from zlib import compress, crc32

import pytest
from msgspec.structs import replace

from pytest_mlperf.report.html.explained import MOST_SAMPLES, Explanations
from pytest_mlperf.report.html.past import Point
from tests.report.html.pages import HOSTILE, accuracy, compared, failed, hostile, page, result, timed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession


class Reader(HTMLParser):
    """Collects texts, and checks that elements are nested."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "wbr", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append((tag, named))
        self.ids.extend(filter(None, [named.get("id")]))
        self.targets.extend(filter(None, [named.get("href"), named.get("src")]))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def png(width: int = 2, height: int = 2) -> bytes:
    """Return a small image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(range(0, 80, 80 // width)[:width]) for _ in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")


def test_every_section_is_there_even_if_nothing_was_run() -> None:
    for results in ([], [result(accuracy=accuracy()), timed(), failed()]):
        read = Reader(page(results))
        sections = ["summary", "results", "verdicts", "comparison", "runs", "history", "system", "environment"]
        assert [each for each in read.ids if each in {*sections, "command"}] == [*sections, "command"]
        assert len(set(read.ids)) == len(read.ids)


def test_links_lead_to_places_of_the_page_alone() -> None:
    read = Reader(page([timed(), failed(comparison=compared()), hostile()]))
    assert {target.partition(":")[0] for target in read.targets if not target.startswith("#")} == {"data"}
    assert {target[1:] for target in read.targets if target.startswith("#")} <= set(read.ids)


def test_a_failed_run_says_by_which_rule_and_what_to_do() -> None:
    text = Reader(page([failed(), timed()])).text
    assert "2 runs: ✗ 1 failed , 1 passed." in text.replace("failed,", "failed ,")
    assert "F1 is below the benchmark's target" in text
    assert "at least 90 %" in text
    assert "Fix check the model" in text
    assert "An accuracy run reaches" in text or "accuracy-target" in text


def test_each_run_has_its_own_fix_where_they_differ() -> None:
    finding = failed().findings[0]
    other = replace(finding, fix="lower the rate")
    text = Reader(page([failed(), failed(case="other", findings=(other,))])).text
    assert "expectedfoundfix" in text
    assert "Fix check the model" not in text
    assert "81 % on 9 sampleslower the rate" in text


def test_a_comparison_has_its_interval_and_its_verdict() -> None:
    text = page([failed(comparison=compared())])
    read = Reader(text)
    assert "+1.5 points" in read.text
    assert "+0.9 to +2.1" in read.text
    assert "Compared with main of commit 0123456789ab" in read.text
    assert "a paired t test; 500 samples" in read.text
    undecided = Reader(page([result(comparison=compared("not comparable", drop=None, reason="of other data"))])).text
    assert "of other data" in undecided


def test_plots_are_described_in_words() -> None:
    drawn = [named for tag, named in Reader(page([timed()])).tags if tag == "svg" and "aria-hidden" not in named]
    assert len(drawn) == 3
    assert all(named["role"] == "img" for named in drawn)
    assert re.fullmatch(
        r"Of 2,000 queries, the shortest latency is .* LoadGen logged p50 .*", drawn[0]["aria-label"] or ""
    )


def test_a_run_without_latencies_says_so() -> None:
    text = Reader(page([timed(implementation="cpp", latencies=None, timeline=None)])).text
    assert "The implementation cpp keeps no latencies and no time line." in text


def test_secrets_of_the_command_are_those_of_whoever_gives_it() -> None:
    assert "pytest 'a b'" in Reader(page([], command=["pytest", "a b"])).text


@pytest.mark.parametrize("mode", ["accuracy", "performance"])
def test_hostile_texts_are_text(mode: str) -> None:
    text = page([hostile(mode), timed()], command=["pytest", HOSTILE])
    read = Reader(text)  # nested as it should be
    tags = [tag for tag, _ in read.tags]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert all(not name.startswith("on") for _, named in read.tags for name in named)
    assert "49" not in re.findall(r"\]\]>(\d+)", text)
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "document.title='owned'" in read.text


def test_history_is_drawn_and_listed() -> None:
    points = [Point(datetime(2026, 11, day, tzinfo=timezone.utc), f"{day:040x}", 90 + day / 10) for day in range(1, 9)]
    read = Reader(page([result(accuracy=accuracy())], series=lambda case, mode: points))
    assert "2026-11-08" in read.text
    assert any(
        "8 runs, the oldest first: from 90.1 to 90.8" in (named.get("aria-label") or "") for _, named in read.tags
    )
    assert "No case has an earlier run" in Reader(page([result(accuracy=accuracy())], series=lambda *_: [])).text
    assert "No history is kept" in Reader(page([result(accuracy=accuracy())])).text


def explained(directory: Path, **facts: object) -> str:
    (directory / "explanation").mkdir(exist_ok=True)
    known: dict[str, object] = {"format": 1, "causes": [], "classes": [], "samples": []}
    (directory / "explanation" / "explanation.json").write_text(json.dumps(known | facts))
    return str(directory)


def test_an_explanation_is_shown_with_its_images(tmp_path: Path) -> None:
    sample = {"id": "image 7", "index": 7, "before": 1.0, "now": 0.0, "text": [["answer", "two\nlines"]]}
    output = explained(
        tmp_path,
        causes=[{"name": "channels swapped", "evidence": "the metric is 61 % with them swapped back"}],
        classes=[{"name": "dog", "before": None, "now": 0.25}],
        notes=["boxes in another scale were not tried"],
        samples=[sample | {"images": [{"file": "a.png", "caption": "true and predicted"}]}] * (MOST_SAMPLES + 3),
    )
    (tmp_path / "explanation" / "a.png").write_bytes(png())
    read = Reader(page([failed(output=output)]))
    assert "channels swapped : the metric is 61 %" in read.text.replace("swapped:", "swapped :")
    assert "boxes in another scale were not tried" in read.text
    assert "two\nlines" in "".join(read.texts)
    images = [named for tag, named in read.tags if tag == "img"]
    assert len(images) == MOST_SAMPLES
    assert {named["alt"] for named in images} == {"true and predicted"}
    assert all((named["src"] or "").startswith("data:image/png;base64,iVBOR") for named in images)
    assert "3 more are left out here" in read.text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("../secret.png", png(), "is not a file beside"),
        ("missing.png", None, "is not a file beside"),
        ("script.png", b"<script>", "is not a PNG image"),
        ("large.png", png() + bytes(6_000_000), "the page would be too large"),
        ("nul\x00.png", None, "is not a file beside"),
    ],
)
def test_images_that_are_none_are_left_out(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    output = explained(
        tmp_path,
        samples=[{"id": "a", "index": 0, "before": None, "now": 0.0, "images": [{"file": name, "caption": HOSTILE}]}],
    )
    if content is not None:
        (tmp_path / "explanation" / name).write_bytes(content)
    read = Reader(page([failed(output=output)]))
    assert "img" not in [tag for tag, _ in read.tags]
    assert says in read.text or "null" in read.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be read"),
        ('{"format": 2}', "format 2"),
        ('{"format": 1, "samples": [{"id": 4}]}', "cannot be read"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_an_explanation_that_cannot_be_read_costs_only_itself(tmp_path: Path, content: str, says: str) -> None:
    explained(tmp_path)
    (tmp_path / "explanation" / "explanation.json").write_text(content)
    found = Explanations().of(str(tmp_path))
    assert found is not None
    assert says in found.fault
    assert says in Reader(page([failed(output=str(tmp_path))])).text


def test_accuracy_logs_that_are_gone_cost_only_their_plots(tmp_path: Path) -> None:
    read = Reader(page([result(accuracy=accuracy(), output=str(tmp_path / "gone"))]))
    assert "Nothing is drawn from the answers: the accuracy log is gone." in read.text
    (tmp_path / "mlperf_log_accuracy.json").write_text("[\n")
    for benchmark in ("bert-99-tiny", "of nobody", HOSTILE):
        read = Reader(page([result(accuracy=accuracy(), output=str(tmp_path), benchmark=benchmark)]))
        assert "Nothing is drawn from the answers:" in read.text


@pytest.mark.slow
def test_two_hundred_runs_are_written_in_seconds_and_below_ten_megabytes() -> None:
    results = [timed(number) if number % 2 else failed(case=f"case {number}") for number in range(200)]
    page(results[:2])  # the template is compiled
    start = time.process_time()
    text = page(results)
    assert time.process_time() - start < 4  # 1 s on a quiet machine
    assert len(text.encode()) < 10_000_000


def test_a_session_writes_its_page(benchmarks: RunSession, tmp_path: Path) -> None:
    file = tmp_path / "out" / "report.html"
    options = ("--model=null", "--backend=null", "--scenario=Offline", "--mode=performance")
    session = benchmarks(*options, f"--mlperf-html={file}", "--mlperf-mirror=https://me:hidden@example.org")
    assert session.code == 0, session.output
    assert session.output.count(f"the report: {file}") == 1
    read = Reader(file.read_text("utf-8"))
    assert "null-null-cpu-Offline" in read.text
    assert "hidden@" not in read.text
    assert "https://example.org" in read.text
    assert [named for tag, named in read.tags if tag == "svg"]
