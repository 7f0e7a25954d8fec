"""The backend pytorch in its own environment: what it runs, what it refuses, and a session of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.conversion.steps import PYTORCH
from pytest_mlperf.environments.commands import clean_environment
from pytest_mlperf.environments.provide import tool_environment
from pytest_mlperf.environments.sources import link_sources
from pytest_mlperf.environments.venv import executable

if TYPE_CHECKING:
    from tests.conftest import RunSession

pytestmark = pytest.mark.backends

Results = dict[str, Any]


@pytest.fixture(scope="module")
def results(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What happened in each case, in the environment that sessions use."""
    python = executable(Store(shared_cache).get(tool_environment(PYTORCH.requirements, PYTORCH.python)).path)
    sources = link_sources((), tmp_path_factory.mktemp("sources"))
    done = subprocess.run(
        [python, Path(__file__).with_name("pytorch_cases.py"), tmp_path_factory.mktemp("cases")],
        env=clean_environment({"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1"}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    found: Results = json.loads(done.stdout.splitlines()[-1])
    return found


def test_an_exported_program_runs_any_batch(results: Results) -> None:
    worst, *rest = results["an_exported_program_runs_any_batch"]
    assert worst < 1e-5
    assert rest == [None, "cpu", ["fp32"], "fp32"]


def test_a_fixed_batch_is_filled_up_and_no_more_is_taken(results: Results) -> None:
    worst, *rest = results["a_fixed_batch_is_filled_up_and_no_more_is_taken"]
    assert worst < 1e-5
    assert rest == [[3, 5], 4]


def test_torchscript_runs(results: Results) -> None:
    worst, types = results["torchscript_runs"]
    assert worst < 1e-5
    assert types == ["fp32"]


def test_in_bf16_the_answers_are_near_and_not_the_same(results: Results) -> None:
    worst, *rest = results["in_bf16_the_answers_are_near_and_not_the_same"]
    assert 1e-6 < worst < 1e-2
    assert rest == ["float32", ["fp32"], "bf16"]


def test_neither_layout_nor_compilation_changes_answers(results: Results) -> None:
    assert results["options_change_no_answer"] < 1e-5
    assert results["compiled_it_gives_the_same"] < 1e-5


def test_streams_have_their_own_threads(results: Results) -> None:
    seen, both, worst = results["streams_have_their_own_threads"]
    assert seen == {"one": [1], "two": [2], "both": [1, 2]}
    assert both == [1, 2, 1, 2]
    assert worst < 1e-5


def test_a_closed_model_has_no_weights(results: Results) -> None:
    assert results["a_closed_model_has_no_weights"] == "closed"


def test_a_state_dict_becomes_its_networks_graphs(results: Results) -> None:
    assert results["a_state_dict_becomes_its_networks_graphs"] == [
        [2, 4, 8],
        [[2, 4], [2, 1, 4], [2, 1, 4]],
        [2, 29],
    ]


#: By case, a part of the message.
REFUSALS = {
    "a_pickle_is_refused_and_not_run": ("ModelError", "found: a pickle that needs posix.mkdir"),
    "a_whole_module_is_refused": ("ModelError", "found: a pickle that needs __main__.Network"),
    "a_pickle_in_an_exported_program_is_refused_and_not_run": (
        "ModelError",
        "model.pt: a pickle that needs posix.mkdir",
    ),
    "a_program_of_another_size_is_refused": ("ModelError", "found: images float32[n,3,12,12]"),
    "a_program_with_another_output_is_refused": ("ModelError", "expected: outputs: classes int64[n]"),
    "torchscript_of_other_inputs_is_refused": ("ModelError", "does not run the benchmark's inputs"),
    "torchscript_of_other_outputs_is_refused": ("ModelError", "found: scores float32[1,192]"),
    "what_is_no_model_is_refused": ("ModelError", "found: nothing that torch.load reads"),
    "half_a_file_is_refused": ("ModelError", "PyTorch cannot load"),
    "a_missing_file_is_refused": ("ModelError", "is not a file"),
    "a_state_dict_of_no_known_network_is_refused": ("ModelError", "found: conv.weight, conv.bias, linear.weight"),
    "a_state_dict_that_lacks_a_weight_is_refused": ("ModelError", "expected: joint.net.3.bias; found: no such weight"),
    "a_state_dict_with_another_weight_is_refused": ("ModelError", "found: joint.extra"),
    "a_weight_of_another_shape_is_refused": ("ModelError", "expected: joint.net.3.bias [29]; found: [30]"),
    "fp16_on_the_cpu_is_refused": ("OptionError", "found: --precision fp16"),
    "compiling_without_a_compiler_is_refused": ("RequirementError", "there is no C++ compiler"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_run_is_refused_and_executes_nothing(results: Results, name: str) -> None:
    found, (kind, said) = results[name], REFUSALS[name]
    assert isinstance(found, dict), found
    text = f"{found.get('what')}\nexpected: {found.get('expected')}; found: {found.get('found')}"
    assert (found["error"], found["executed"]) == (kind, False), text
    assert said in text
    assert found["fix"]


def test_cuda_without_a_gpu_is_refused(results: Results) -> None:
    found = results["cuda_without_a_gpu_is_refused"]
    if isinstance(found, str):
        pytest.skip(found)
    for each in found:
        assert each["error"] == "RequirementError"
        assert "PyTorch cannot run on cuda" in each["what"]
        assert each["found"].startswith("torch 2.")


def test_a_session_makes_files_and_environment_once(benchmarks: RunSession, shared_cache: Path, tmp_path: Path) -> None:
    where = ("--mlperf-cache", str(shared_cache), "--mlperf-json", str(tmp_path / "report.json"))
    names = [f"--model={name}-tiny" for name in ("resnet50", "rnnt")]
    session = benchmarks(*names, "--backend", "pytorch", "--scenario", "Offline", "--mode", "accuracy", *where)
    assert session.code == 0, session.output
    for result in json.loads((tmp_path / "report.json").read_text())["results"]:
        assert result["versions"]["torch"].startswith("2.13.0")
    assert len(list(shared_cache.glob("environment/torch-*"))) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_tiny_edition_reaches_its_target(
    benchmarks: RunSession, shared_cache: Path, tmp_path: Path, precision: str
) -> None:
    session = benchmarks(
        *("-k", "tiny and Offline and accuracy and not 99.9 and not yolo-99"),
        *("--backend", "pytorch", "--precision", precision, "--mlperf-cache", str(shared_cache)),
    )
    assert session.code == 0, session.output
