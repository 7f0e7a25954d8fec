"""The action and the examples for GitHub and GitLab have the structure that these document, and do their work."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import PLAIN, REPOSITORY, support_path
from tests.test_gate import with_noise

ACTION, WORKFLOW, GITLAB = (
    REPOSITORY / "action.yml",
    REPOSITORY / "examples" / "ci" / "github-workflow.yml",
    REPOSITORY / "examples" / "ci" / "gitlab-ci.yml",
)
SCHEMAS = {ACTION: "vendor.github-actions", WORKFLOW: "vendor.github-workflows", GITLAB: "vendor.gitlab-ci"}
TESTS = """
import pytest

@pytest.mark.mlperf("resnet50-tiny", backend="onnxruntime", scenario="Offline", mode="accuracy")
def test_model(mlperf):
    mlperf.require(mlperf.run())
"""


def read(path: Path) -> dict[Any, Any]:
    """Return a file's content; with YAML 1.1's booleans, ``on`` is the key True."""
    content: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return content


def steps() -> list[dict[str, Any]]:
    """Return the steps of the action and of the workflow."""
    return [
        *read(ACTION)["runs"]["steps"],
        *(step for job in read(WORKFLOW)["jobs"].values() for step in job["steps"]),
    ]


def step(name: str) -> dict[str, Any]:
    [found] = [step for step in steps() if step.get("name") == name]
    return found


def environment(**variables: str) -> dict[str, str]:
    path = os.pathsep.join((str(REPOSITORY / "src"), *support_path()))
    binaries = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    # Sessions that another one started would take its options.
    return {**os.environ, "PYTHONPATH": path, "PATH": binaries, "PYTEST_ADDOPTS": shlex.join(PLAIN), **variables}


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_each_has_the_structure_that_is_documented(path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[path], str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_action_is_pinned_to_a_major_version() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@v[0-9]+", name)] == []


def test_the_action_uses_the_inputs_that_it_has_and_no_other() -> None:
    used = set(re.findall(r"\binputs\.([\w-]+)", ACTION.read_text("utf-8")))
    assert used == set(read(ACTION)["inputs"])


def test_the_example_gives_the_action_inputs_that_it_has() -> None:
    ours = [step for step in steps() if "/pytest-mlperf@" in step.get("uses", "")]
    assert len(ours) == 2
    assert {name for step in ours for name in step["with"]} <= set(read(ACTION)["inputs"])


def test_steps_whose_outputs_are_used_exist() -> None:
    for path in (ACTION, WORKFLOW):
        ids = {step["id"] for step in steps() if "id" in step}
        assert set(re.findall(r"\bsteps\.([\w-]+)\.", path.read_text("utf-8"))) <= ids


def test_no_script_has_an_expression_in_it() -> None:
    """GitHub would paste the value into the script: a branch's name could then be a command."""
    scripts = [step["run"] for step in steps() if "run" in step]
    assert scripts
    assert [script for script in scripts if "${{" in script] == []


def test_the_docs_name_every_input() -> None:
    text = (REPOSITORY / "docs" / "ci.md").read_text("utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", text.partition("## The action")[2], re.MULTILINE) == list(
        read(ACTION)["inputs"]
    )


def run_step(name: str, directory: Path, **variables: str) -> tuple[int, dict[str, str], str]:
    """Run a step of the action; return its exit code, what it put out, and what it printed."""
    output = directory / "output"
    output.touch()
    done = subprocess.run(
        [sys.executable, "-c", step(name)["run"]],
        cwd=directory,
        env=environment(GITHUB_OUTPUT=str(output), **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return done.returncode, outputs, done.stdout + done.stderr


def test_the_store_is_named_by_what_is_run(tmp_path: Path) -> None:
    first, same, other = (
        run_step("Name the artifact store", tmp_path, WORDS=words)[1]["digest"] for words in ("a b", "a b", "a c")
    )
    assert first == same != other
    assert re.fullmatch("[0-9a-f]{16}", first)


def test_the_action_runs_pytest_with_arguments_that_are_quoted_and_not_expanded(tmp_path: Path) -> None:
    (tmp_path / "a $HOME.py").write_text(
        "import pytest\n\n@pytest.mark.mlperf('null', backend='null', scenario='Offline', mode='performance')\n"
        "def test_it(mlperf):\n    mlperf.run()\n    assert False, 'it fails'\n"
    )
    code, outputs, printed = run_step("Run pytest", tmp_path, ARGUMENTS="'a $HOME.py' --dataset-size 5")
    assert code == 1, printed
    assert "it fails" in printed
    [result] = json.loads(Path(outputs["json"]).read_text())["results"]
    assert result["case"] == "null-null-cpu-Offline"
    assert len(Path(outputs["csv"]).read_text().splitlines()) == 2
    assert (tmp_path / "mlperf-report" / "junit.xml").exists()


def git(directory: Path, *arguments: str) -> str:
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main")
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout.strip()


def test_the_workflow_checks_out_the_merge_base_and_not_the_tip(tmp_path: Path) -> None:
    project, temporary = tmp_path / "project", tmp_path / "temporary"
    project.mkdir()
    temporary.mkdir()
    git(project, "init", "-q")
    git(project, "commit", "-q", "--allow-empty", "-m", "base")
    base = git(project, "rev-parse", "HEAD")
    git(project, "commit", "-q", "--allow-empty", "-m", "the target went on")
    tip = git(project, "rev-parse", "HEAD")
    git(project, "checkout", "-q", "-b", "change", base)
    git(project, "commit", "-q", "--allow-empty", "-m", "change")
    output = tmp_path / "output"
    variables = environment(TARGET=tip, GITHUB_OUTPUT=str(output), RUNNER_TEMP=str(temporary), COMMIT=base)
    for name in ("Find the merge base", "Check the merge base out"):
        script = ["bash", "-e", "-o", "pipefail", "-c", step(name)["run"]]
        subprocess.run(script, cwd=project, env=variables, check=True, capture_output=True)
    assert output.read_text() == f"commit={base}\n"
    assert git(temporary / "baseline", "rev-parse", "HEAD") == base


@pytest.mark.slow
@pytest.mark.parametrize("worse", [False, True], ids=["the same model", "a worse one"])
def test_the_gate_on_gitlab_fails_for_a_worse_model_and_passes_for_the_same(tmp_path: Path, worse: bool) -> None:
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "tests" / "test_models.py").write_text(TESTS)
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "one")
    base = git(project, "rev-parse", "HEAD")
    if worse:
        (tmp_path / "here").mkdir()
        (project / "pytest.ini").write_text(f"[pytest]\nmlperf_model_path = {with_noise(tmp_path, 0.15)}\n")
    variables = {"CI_PROJECT_DIR": str(project), "GITLAB_CI": "true", "CI_MERGE_REQUEST_DIFF_BASE_SHA": base}
    done = subprocess.run(
        ["bash", "-ec", "\n".join(read(GITLAB)["mlperf-gate"]["script"])],
        cwd=project,
        env=environment(TMPDIR=str(tmp_path), **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == worse, done.stdout + done.stderr
    issues = json.loads((project / "gl-code-quality-report.json").read_text())
    assert [issue["check_name"] for issue in issues] == (["mlperf/no-regression"] if worse else [])
    assert (
        'mlperf_acc{case="resnet50-tiny-onnxruntime-cpu-Offline",run="accuracy"}'
        in (project / "metrics.txt").read_text()
    )
