"""A run during which the wall clock was set has no figure: LoadGen measures with that clock."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.machine.clock import RunClock, StepWatch
from tests.sandbox import item

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

SOURCE = Path(__file__).with_name("stepped_clock.c")
#: 200 samples of 5 ms, one after the other.
RUN = (item("null-setsclock-cpu-Offline", "performance"), "--test-query-count=200", "--num-threads=1")


@pytest.fixture(scope="module")
def stepped_clock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that sets the wall clock of the program that it is loaded into."""
    library = tmp_path_factory.mktemp("clock") / "stepped_clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return str(library)


@pytest.mark.parametrize(
    ("seconds", "back"),
    [
        ("-0.7", "0"),  # LoadGen calls three times the true figure VALID
        pytest.param("0.7", "0", marks=pytest.mark.slow),
        pytest.param("-0.7", "0.6", marks=pytest.mark.slow),  # LoadGen's duration is right, its latencies are not
    ],
)
def test_a_run_during_which_the_clock_is_set_fails(
    sandbox: Sandbox, stepped_clock: str, seconds: str, back: str
) -> None:
    flag = sandbox.root / "clock-is-set"
    code, output = sandbox.run(
        *RUN, LD_PRELOAD=stepped_clock, STEP_FILE=str(flag), STEP_SECONDS=seconds, STEP_BACK=back
    )
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "LoadGen's clock was set during the run" in output
    assert f"found: it moved by {abs(float(seconds)):g} s" in output
    [result] = sandbox.results().values()
    assert result["performance"]["valid"], "LoadGen sees nothing"
    assert result["verdict"] == "INVALID"
    assert abs(result["clock"]["step"] - abs(float(seconds))) < 0.01
    assert 1.0 <= result["clock"]["shortest"] <= result["clock"]["longest"]


def test_a_clock_that_nobody_sets_stands_still_against_the_monotonic_one() -> None:
    watch = StepWatch()
    for _ in range(1000):
        watch.look()
    assert watch.seconds < 0.001


def test_only_the_last_loading_before_and_the_first_unloading_after_the_queries_count() -> None:
    clock = RunClock()
    with clock:
        clock.loaded()
        clock.issued()
        clock.issued()
        clock.loaded()
        clock.answering = clock._issued + 1_000_000_000
        clock.unloading()
        first = clock.result()
        clock.unloading()
    assert (clock.result().shortest, clock.result().longest) == (1.0, first.longest)
