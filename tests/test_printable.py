"""Text from elsewhere cannot move the cursor, break a file or fill a screen, by whichever way it is shown."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_mlperf
from pytest_mlperf.commands.main import main
from pytest_mlperf.errors import EntryPointError, MLPerfError, ModelError, raised_elsewhere
from pytest_mlperf.printable import LONGEST, fit, one_line, printable, said
from pytest_mlperf.report.progress import shown_line
from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.submission.difference import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Colours, a title, the cursor, C1 controls, the direction of writing, separators of lines, and a surrogate.
HOSTILE = "\x1b[31m \x1b]0;title\x07 \r \x08 \x7f \x9b2J \u202e \u2066 \u2028 \u200f \udcff \ud800 \0"
FORBIDDEN = set(HOSTILE) - set(" title[31m]0;2J")


class NoText(Exception):  # noqa: N818 - a test's
    def __str__(self) -> str:
        raise ValueError("no text")


def test_no_control_character_is_shown_and_none_is_lost() -> None:
    for shown in (printable(HOSTILE), one_line(HOSTILE)):
        assert not FORBIDDEN & set(shown)
        assert r"\x1b[31m" in shown
        assert r"\u202e" in shown
        assert r"\udcff" in shown
    assert printable("a\tb\r\nc\n") == "a\tb\nc\n"
    assert one_line("a\tb\nc") == r"a\tb\nc"
    assert printable("40 °C – 表 👩‍🔬 \xa0") == "40 °C – 表 👩‍🔬 \xa0"


@pytest.mark.parametrize(
    "text",
    [
        str(ModelError(HOSTILE, expected=HOSTILE, found=HOSTILE, fix=HOSTILE)),
        str(pickle.loads(pickle.dumps(ModelError(HOSTILE)))),  # noqa: S301 - as pytest-xdist does
        str(Finding(rule="r", what=HOSTILE, expected=HOSTILE, found=HOSTILE, fix=HOSTILE)),
        str(Difference("files", HOSTILE, "a\nb", HOSTILE, None)),
        shown_line(HOSTILE),
    ],
    ids=["error", "error of another process", "finding", "difference", "line"],
)
def test_whatever_shows_text_escapes_it(text: str) -> None:
    assert not FORBIDDEN & set(text)
    text.encode()


def test_a_difference_is_one_line() -> None:
    assert "\n" not in str(Difference("systems", "a", "b", "1\n2", "3\nok: nothing differs"))


def test_an_errors_parts_can_be_written_and_are_not_endless() -> None:
    error = ModelError("w" * 50_000_000, expected="\ud800", found="y\n" * 25_000_000, fix="https://u:secret@host/")
    assert max(map(len, (error.what, error.expected, error.found, error.fix))) < LONGEST + 100
    assert error.what.endswith("… (cut: 50,000,000 characters)")
    assert error.fix == "https://host/"
    "".join((error.what, error.expected, error.found)).encode()


def test_a_text_that_was_cut_says_its_first_length_for_ever() -> None:
    once = fit("x" * 20_000)
    assert fit(f"the run failed: {once}") == f"the run failed: {once}"
    assert "20,000" in once


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoText(), "test_printable.NoText: <exception str() failed>"),
        (ValueError("\ud800"), r"ValueError: \ud800"),
        (ValueError("at https://u:secret@host/x?token=secret"), "ValueError: at https://host/x?token=***"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_what_an_exception_says_can_always_be_had(error: BaseException, text: str) -> None:
    assert said(error).endswith(text)


def test_another_packages_exception_names_its_file_and_an_error_of_ours_stays() -> None:
    said_where = r"cannot be made\nfound: ZeroDivisionError: .* at .*test_printable.py:"
    with pytest.raises(EntryPointError, match=said_where), raised_elsewhere("it cannot be made"):
        _ = 1 / 0
    with pytest.raises(ModelError, match=r"^odd$"), raised_elsewhere("it cannot be made"):
        raise ModelError("odd")


def test_the_commands_escape_what_they_print(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for side in ("left", "right"):
        file = tmp_path / side / "open" / "Community" / "systems" / "a \x1b[31m.json"
        file.parent.mkdir(parents=True)
        file.write_text('{"system_name": "\\u001b[2J' + side + '\\nresults:"}')
    assert main(["diff", "left", "right"]) == 1
    assert main(["pack", "a \x1b[31m place"]) == 1
    found = capsys.readouterr()
    assert "\x1b" not in found.out + found.err
    assert r"\x1b[31m.json" in found.out
    assert r"a \x1b[31m place" in found.err


def test_one_class_writes_to_pytests_terminal() -> None:
    source = Path(pytest_mlperf.__file__).parent
    places = {file.name for file in source.rglob("*.py") for name in _names(file) if name in ("_tw", "write_sep")}
    assert places == {"progress.py"}
    named = {file.name for file in source.rglob("*.py") if "terminalreporter" in file.read_text()}
    assert named == {"progress.py"}


def _names(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr


def test_every_error_class_goes_the_same_way() -> None:
    for kind in MLPerfError.__subclasses__():
        assert kind.__init__ is MLPerfError.__init__
        assert kind.__str__ is MLPerfError.__str__
