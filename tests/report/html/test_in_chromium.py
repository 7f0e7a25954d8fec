"""The page in a real browser: nothing logged, nothing fetched, usable by keyboard, in both themes and at any width."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.report.html.past import Point
from tests.browser import DESKTOP, PHONE, Browser
from tests.browser import browser as browser
from tests.report.html.pages import HOSTILE, accuracy, compared, failed, hostile, page, result, timed
from tests.report.html.test_page import explained, png

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import Theme
    from tests.conftest import RunSession

pytestmark = pytest.mark.slow

#: The texts of a page whose contrast with what is behind them is less than WCAG 2.1 asks (AA: 4.5).
PALE = """
const rgb = (text) => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
  return canvas.getImageData(0, 0, 1, 1).data;
};
const light = (c) => [0, 1, 2].map((i) => c[i] / 255).map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = rgb(getComputedStyle(at).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return rgb('white');
};
const pale = {};
for (const element of document.querySelectorAll('body *')) {
  const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || ['SCRIPT', 'STYLE'].includes(element.tagName) || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  const text = light(rgb(element.ownerSVGElement ? style.fill : style.color));
  const back = light(behind(element));
  const contrast = (Math.max(text, back) + .05) / (Math.min(text, back) + .05);
  if (contrast < 4.5) pale[element.tagName + '.' + element.getAttribute('class')] = contrast;
}
return pale;
"""


def full_page(directory: Path) -> str:
    """Return a page on which every section has something."""
    sample = {"id": HOSTILE, "index": 7, "before": 1.0, "now": 0.0, "text": [["answer", HOSTILE], [HOSTILE, "x" * 300]]}
    output = explained(
        directory,
        causes=[{"name": HOSTILE, "evidence": HOSTILE}],
        classes=[{"name": HOSTILE, "before": None, "now": 0.25}],
        samples=[sample | {"images": [{"file": "a.png", "caption": HOSTILE}]}] * 3,
    )
    (directory / "explanation" / "a.png").write_bytes(png(40, 30))
    points = [Point(datetime(2026, 11, day, tzinfo=timezone.utc), f"{day:040x}", 90 + day / 10) for day in range(1, 9)]
    results = [
        *(timed(number) for number in range(3)),
        result(accuracy=accuracy(92.0), comparison=compared("not worse", drop=0.01, lower=-0.3, upper=0.09)),
        failed(case="failed-one", output=output, comparison=compared()),
        hostile(),
        hostile("performance"),
    ]
    return page(results, command=["pytest", HOSTILE], series=lambda case, mode: points)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    file.write_text(full_page(tmp_path), "utf-8")
    return file


def unfold(browser: Browser) -> None:
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, 700, DESKTOP])
def test_it_fits_the_window_and_can_be_read(browser: Browser, report: Path, theme: Theme, width: int) -> None:
    browser.open(report, theme=theme, width=width)
    unfold(browser)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run("return document.body.scrollWidth") <= width
    assert browser.run(PALE) == {}
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(json.loads(background.replace("rgb(", "[").replace(")", "]"))) > 384) == (theme == "light")
    assert browser.log() == []
    assert browser.requests() == []


def test_nothing_hostile_runs_or_is_an_element(browser: Browser, report: Path) -> None:
    browser.open(report)
    unfold(browser)
    browser.run("document.querySelectorAll('a').forEach((each) => each.click())")
    assert browser.driver.title == "MLPerf results: tiny edition, rounds " + browser.run(
        "return document.querySelector('h1').textContent.split('rounds ')[1]"
    )
    assert "owned" not in browser.driver.title.partition("'")[0]
    assert browser.run("return document.scripts.length") == 1
    assert browser.run("return Array.from(document.images).every((each) => each.src.startsWith('data:'))")
    assert browser.run("return document.querySelectorAll('a:not([href^=\"#\"])').length") == 0
    assert browser.run("return document.querySelector('#command ~ pre').textContent").count("<script>") == 1
    assert browser.log() == []
    assert browser.requests() == []


def test_a_script_that_gets_into_the_page_would_not_run(browser: Browser, tmp_path: Path) -> None:
    """The policy of the page is a second lock: whatever is not escaped one day."""
    text = page([timed()])
    (tmp_path / "page.html").write_text(
        text.replace(
            "<main", "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><main"
        )
    )
    browser.open(tmp_path / "page.html")
    assert browser.driver.title.startswith("MLPerf results")
    assert len(browser.log()) >= 2


def cases(browser: Browser) -> list[str]:
    return list(
        browser.run(
            "return Array.from(document.querySelectorAll('#table tbody tr:not([hidden]) th'), (e) => e.innerText)"
        )
    )


def test_the_table_is_sorted_by_keyboard(browser: Browser, report: Path) -> None:
    from selenium.webdriver import Keys

    browser.open(report)
    before = cases(browser)
    browser.tab_to("#table thead th:nth-child(9) button")
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    sorting = "return document.querySelector('#table thead th:nth-child(9)').getAttribute('aria-sort')"
    assert browser.run(sorting) is None
    browser.press(Keys.ENTER)
    assert browser.run(sorting) == "ascending"
    assert [case.rpartition("-")[2] for case in cases(browser)[:3]] == ["0", "1", "2"]
    browser.press(Keys.SPACE)
    assert browser.run(sorting) == "descending"
    assert [case.rpartition("-")[2] for case in cases(browser)[:3]] == ["2", "1", "0"]
    assert sorted(cases(browser)) == sorted(before)
    browser.tab_to("#table tbody a")  # to the first row
    assert browser.run("return document.querySelectorAll('[aria-sort]').length") == 1


def test_the_table_is_filtered_by_keyboard(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.tab_to("#words")
    browser.press("stream-2 PERF")
    assert cases(browser) == ["bert-99-tiny-onnxruntime-cpu-SingleStream-2"]
    assert browser.run("return document.getElementById('count').textContent") == "1 of 7 shown"
    assert browser.run("return document.getElementById('count').getAttribute('aria-live')") == "polite"
    browser.run("document.getElementById('words').value = ''")
    browser.tab_to("#state")
    browser.press("f")
    assert len(cases(browser)) == 3


def test_a_link_unfolds_its_run(browser: Browser, report: Path) -> None:
    from selenium.webdriver import Keys

    browser.open(report)
    assert not browser.run("return document.getElementById('run-0').parentElement.open")
    browser.tab_to("#table tbody a[href='#run-0']")
    browser.press(Keys.ENTER)
    assert browser.run("return document.getElementById('run-0').parentElement.open")
    assert browser.run("return document.activeElement.id") == "run-0"
    top = browser.run("return document.getElementById('run-0').parentElement.getBoundingClientRect().top")
    assert -1 <= top < 200


def test_the_first_tab_skips_to_the_results(browser: Browser, report: Path) -> None:
    from selenium.webdriver import Keys

    browser.open(report)
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    assert browser.run("return document.activeElement.getBoundingClientRect().left") >= 0
    browser.press(Keys.ENTER)
    assert browser.run("return document.activeElement.id") == "main"


def test_it_can_be_used_without_scripts(browser: Browser, report: Path) -> None:
    browser.open(report, script=False)
    assert len(cases(browser)) == 7
    assert browser.run("return document.getElementById('filter').getClientRects().length") == 0
    assert browser.run("return document.querySelectorAll('#table button').length") == 0


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_a_screen_reader_finds_tables_and_figures(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width=width)
    roles = browser.roles()
    assert roles["table"] >= 4
    assert roles["columnheader"] >= 4
    assert roles["rowheader"] >= 10
    assert roles["main"] == roles["banner"] == roles["navigation"] == 1
    unfold(browser)
    nameless = "svg[role=img]:not([aria-label]), svg[role=img][aria-label=''], img:not([alt]), img[alt='']"
    assert browser.run("return document.querySelectorAll(arguments[0]).length", nameless) == 0
    unlabelled = "return Array.from(document.querySelectorAll('input, select')).filter((e) => !e.labels.length).length"
    assert browser.run(unlabelled) == 0
    captions = "return Array.from(document.querySelectorAll('table')).filter((e) => !e.caption).length"
    assert browser.run(captions) == 0


def test_the_report_of_a_session_has_what_was_run(
    browser: Browser, benchmarks: RunSession, shared_cache: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    easy = ("--scenario=SingleStream", "--dataset-size=100", "--test-query-count=64", f"--mlperf-cache={shared_cache}")
    cases = ("--backend=onnxruntime", "--model=resnet50-tiny,retinanet-tiny", f"--model-path=retinanet-tiny={broken}")
    session = benchmarks(*cases, *easy, f"--mlperf-html={tmp_path / 'report.html'}")
    assert "2 failed, 2 passed" in session.outcomes()
    browser.open(tmp_path / "report.html")
    found = browser.run("return document.body.innerText")
    for told in ("4 runs: ✗ 2 failed, 2 passed.", "ONNX Runtime cannot load", "run-finished"):
        assert told in found
    assert browser.run("return document.querySelectorAll('.matrix td').length") >= 100
    plots = "return Array.from(document.querySelectorAll('.plot figcaption'), (each) => each.textContent)"
    assert browser.run(plots) == ["Latency distribution", "Latency over time", "Throughput over time"]
    assert browser.log() == []
    assert browser.requests() == []


def test_two_hundred_runs_are_shown_in_seconds(browser: Browser, tmp_path: Path) -> None:
    results = [timed(number) if number % 2 else failed(case=f"case {number}") for number in range(200)]
    (tmp_path / "page.html").write_text(page(results), "utf-8")
    browser.open(tmp_path / "page.html")
    milliseconds = browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"loaded in {milliseconds:.0f} ms")  # noqa: T201 - shown with -rP
    assert milliseconds < 10_000  # 0.5 s on a quiet machine
    assert len(cases(browser)) == 200
