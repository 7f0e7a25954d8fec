"""What is shown while a case runs leaves pytest's own lines as they are: no name of a file or an item is repeated."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlperf.report.progress import below
from tests.sandbox import PATIENCE_SECONDS, item
from tests.screen import screen

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

CASES = [f"null-null-cpu-{scenario}" for scenario in ("Offline", "SingleStream")]


@given(line=st.integers(0, 400), width=st.integers(20, 200), texts=st.lists(st.text("ab ", max_size=300), max_size=4))
def test_pytests_line_goes_on_as_if_nothing_had_been_shown_below_it(line: int, width: int, texts: list[str]) -> None:
    before = "".join(str(n % 10) for n in range(line))
    shown = before + "".join(below(text, line, width) for text in [*texts, ""])
    assert screen(shown + "PASSED\nnext", width) == screen(before + "PASSED\nnext", width)


@given(line=st.integers(0, 400), width=st.integers(20, 200))
def test_a_text_is_shown_below_pytests_line(line: int, width: int) -> None:
    assert screen("." * line + below("progress", line, width), width)[-1] == "progress"


def shown(sandbox: Sandbox, width: int, *options: str) -> list[str]:
    command = sandbox.command(*(item(case) for case in CASES), "--dataset-size=20", *options)
    session = pexpect.spawn(
        sys.executable,
        command[1:],
        env=sandbox.environment(TERM="xterm", COLUMNS=str(width)),
        dimensions=(40, width),
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
    )
    session.expect(pexpect.EOF)
    session.close()
    assert session.exitstatus == 0, session.before
    return screen(session.before.replace("\r\n", "\n"), width)


def test_the_name_of_the_file_is_written_once(sandbox: Sandbox) -> None:
    rows = shown(sandbox, 200)
    [dots] = [row for row in rows if "benchmarks/test_mlperf.py" in row and "[100%]" in row]
    assert dots.split()[-2:] == ["..", "[100%]"]
    assert sum("test_mlperf.py" in row for row in rows) == 1, rows


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 200])
def test_a_verbose_session_writes_each_item_once_with_its_outcome(sandbox: Sandbox, width: int) -> None:
    text = "".join(shown(sandbox, width, "-v"))
    for case in CASES:
        assert text.count(f"test_accuracy[{case}]") == 1
        assert text.partition(f"test_accuracy[{case}]")[2].split()[0] == "PASSED"
