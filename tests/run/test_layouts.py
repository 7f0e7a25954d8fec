"""A layout that a run found is that of the same run later, and of no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from pytest_mlperf.implementations.protocol import ExecutionLayout, KeptLayout
from pytest_mlperf.run.layouts import FILE, KEPT, Found, key, look_up, note
from tests.run.specs import a_spec

if TYPE_CHECKING:
    from pathlib import Path

SPEC = a_spec(model_sha256="abc")
LAYOUT = KeptLayout(layout=ExecutionLayout(streams=2, threads=1, batch=4), versions={"k": "1"})


def test_what_was_found_is_looked_up(tmp_path: Path) -> None:
    name = key("case", SPEC, 2)
    assert look_up(tmp_path, name, "quick") is None
    note(tmp_path, name, Found(kept=LAYOUT, tune="quick"))
    assert look_up(tmp_path, name, "quick") == LAYOUT
    assert look_up(tmp_path, name, "thorough") is None
    assert look_up(tmp_path, name, "off") is None
    note(tmp_path, name, Found(kept=LAYOUT, tune="thorough"))
    assert look_up(tmp_path, name, "thorough") == look_up(tmp_path, name, "quick") == LAYOUT


@pytest.mark.parametrize(
    "change", [{"model_sha256": "def"}, {"num_threads": 1}, {"max_batchsize": 2}, {"backend_options": {"a": "b"}}]
)
def test_another_model_or_option_is_another_run(change: dict[str, Any]) -> None:
    assert key("case", structs.replace(SPEC, **change), 2) != key("case", SPEC, 2)
    assert key("case", SPEC, 1) != key("case", SPEC, 2) != key("other", SPEC, 2)


def test_a_model_without_a_digest_has_none(tmp_path: Path) -> None:
    assert key("case", structs.replace(SPEC, model_sha256=""), 2) == ""
    assert look_up(tmp_path, "", "quick") is None


def test_the_newest_are_kept_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        if number in (0, 1, KEPT, KEPT + 1):
            note(tmp_path, str(number), Found(kept=LAYOUT, tune="quick"))
    assert look_up(tmp_path, "0", "quick") == LAYOUT
    (tmp_path / FILE).write_text("{")
    assert look_up(tmp_path, "0", "quick") is None
    note(tmp_path, "0", Found(kept=LAYOUT, tune="quick"))
    assert look_up(tmp_path, "0", "quick") == LAYOUT
