"""The templates of CONTRIBUTING.md work as they are."""

from __future__ import annotations

import importlib.util
import os
import sys
from inspect import signature
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_mlperf.backends.base import Backend
from pytest_mlperf.backends.base import Model as LoadedModel
from pytest_mlperf.benchmarks.base import Benchmark
from pytest_mlperf.rules.asked import Asked
from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.checks.case import RunCase
from pytest_mlperf.rules.detail_log import DetailLog
from pytest_mlperf.rules.reading.files import MISSING, Text
from pytest_mlperf.rules.reading.submission import Run
from pytest_mlperf.rules.round import Round
from tests.conftest import REPOSITORY, run_benchmarks, support_path

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

TEMPLATES = REPOSITORY / "templates"
ENTRY_POINTS = """
[pytest_mlperf.benchmarks]
mytask-tiny = my_package.benchmark:TINY

[pytest_mlperf.backends]
myruntime = my_package.backend:MyRuntime
"""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"template_{name}", TEMPLATES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def public(protocol: type) -> set[str]:
    """Return the names that a protocol asks for."""
    return {name for name in {*vars(protocol), *protocol.__annotations__} if not name.startswith("_")}


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.py")), ids=lambda path: path.stem)
def test_a_template_imports(path: Path) -> None:
    assert load(path.stem).__doc__


def test_the_benchmark_is_one() -> None:
    assert isinstance(load("benchmark").TINY, Benchmark)


@pytest.mark.parametrize(("name", "protocol"), [("MyRuntime", Backend), ("MyRuntimeModel", LoadedModel)])
def test_the_backend_has_what_the_protocol_has(name: str, protocol: type) -> None:
    template = getattr(load("backend"), name)
    for each in public(protocol):
        theirs, ours = getattr(template, each), getattr(protocol, each, None)
        if callable(ours):
            assert list(signature(theirs).parameters) == list(signature(ours).parameters), each


@pytest.mark.slow
def test_the_benchmark_and_the_backend_run_as_another_package_of_the_session(tmp_path: Path) -> None:
    package = tmp_path / "site" / "my_package"
    package.mkdir(parents=True)
    for name in ("benchmark", "backend"):
        (package / f"{name}.py").write_bytes((TEMPLATES / f"{name}.py").read_bytes())
    (package / "__init__.py").touch()
    info = package.with_name("my_package-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n", "ascii")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, "ascii")
    path = os.pathsep.join([str(package.parent), *support_path()])
    session = run_benchmarks(
        "--model=mytask-tiny", "--scenario=Offline", "--mlperf-cache=cache", directory=tmp_path, PYTHONPATH=path
    )
    assert session.code == 0, session.output
    assert session.outcomes().startswith("2 passed"), session.output
    assert "mytask-tiny-myruntime-cpu-Offline" in session.output


@pytest.mark.parametrize(("values", "broken"), [({}, []), ({"effective_performance_issue_same": True}, ["one-sample"])])
def test_the_rule_yields_a_finding_where_a_run_breaks_it(values: dict[str, Any], broken: list[str]) -> None:
    run = Run("", None, DetailLog(values), Text("mlperf_log_summary.txt", fault=MISSING))
    case = RunCase(run, "performance", "Offline", Asked())
    assert [finding.rule for finding in load("rule").one_sample(case)] == broken


def test_the_round_is_one_that_has_a_word_on_every_rule() -> None:
    text = (TEMPLATES / "round.toml").read_text("utf-8").replace("vX.Y", "v9.9")
    found = msgspec.toml.decode(text, type=Round, strict=False)
    assert found.name == "v9.9" and found.number == (9, 9)
    assert found.official.keys() == catalogue().keys()
