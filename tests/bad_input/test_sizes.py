"""Numbers far too large work or are refused, and nothing hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.datasets.scenes_recipe import MOST, ScenesRecipe
from pytest_mlperf.errors import DatasetError
from tests.bad_input.conftest import refused_before_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bad_input.conftest import Tiny


@pytest.mark.slow
def test_a_batch_larger_than_the_contract_is_the_contracts(tiny: Tiny) -> None:
    assert tiny.runs(tiny.run("--max-batchsize", str(2**62)))["layout"]["batch"] == 1


@pytest.mark.parametrize(
    ("option", "number", "says"),
    [
        ("--num-threads", "100000", "16 for each core that this process may use; found: 100000"),
        ("--max-batchsize", str(2**63), "a whole number of 1 or more, below 9e+18"),
        ("--dataset-size", "9" * 30, "a whole number of 1 or more, below 9e+18"),
    ],
)
def test_a_number_that_nothing_can_do_is_a_usage_error(tiny: Tiny, option: str, number: str, says: str) -> None:
    refused_before_all(tiny.run(option, number), f"{option} cannot be '{number}'", says)


def test_more_scenes_than_anybody_would_wait_for_are_not_begun(tiny: Tiny, tmp_path: Path) -> None:
    session = tiny.made("--dataset-size", "1000000000")
    tiny.refuses(session, "too many scenes to paint: 1,000,000,000", f"at most {MOST:,}", "--dataset-size")
    with pytest.raises(DatasetError, match="24,781; found: 24,782"):
        ScenesRecipe(MOST + 1).build(tmp_path / "scenes")
    assert not (tmp_path / "scenes").exists()
