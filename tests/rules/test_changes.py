"""What two rounds have otherwise for a benchmark."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_mlperf.commands.main import main
from pytest_mlperf.rules.changes import Change, changes
from pytest_mlperf.rules.round import find_round

if TYPE_CHECKING:
    import pytest


def test_what_changed_is_told_and_what_did_not_is_left_out() -> None:
    found = changes(find_round("v4.0"), find_round("v5.0"), "bert-99")
    assert Change("compliance tests", "TEST01, TEST05", "TEST01") in found
    assert Change("Server's latency bound", "130 ms", "-") in found
    assert not any(each.what.startswith("accuracy F1") for each in found)
    assert any(each.what == "seed qsl_rng_seed" for each in found)


def test_a_round_may_not_have_the_benchmark() -> None:
    found = changes(find_round("v5.0"), find_round("v5.1"), "deepseek-r1")
    assert Change("benchmark", "no", "yes") in found
    assert Change("tokens, Server", "-", "first below 2000 ms, next below 80 ms") in found


def test_a_round_does_not_differ_from_itself() -> None:
    for name in find_round("v6.1").benchmarks:
        assert changes(find_round("v6.1"), find_round("v6.1"), name) == []


def test_the_command_prints_lines_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare-rounds", "v5.0", "5.1", "resnet50"]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("resnet, v5.0 and v5.1: ")
    assert main(["compare-rounds", "v5.0", "v5.1", "resnet", "--json"]) == 0
    assert {"what", "before", "after"} == json.loads(capsys.readouterr().out)[0].keys()


def test_an_unknown_benchmark_names_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare-rounds", "v5.0", "v5.1", "nothing"]) == 2
    assert "llama2-70b-99" in capsys.readouterr().err
