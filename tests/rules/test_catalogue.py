"""One catalogue: every rule that any finding carries is an entry, and every entry is some finding's."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_mlperf
from pytest_mlperf.loadgen.settings import KEYS
from pytest_mlperf.rules.catalogue import catalogue
from pytest_mlperf.rules.checks import every
from pytest_mlperf.run.advice import ADVICE, OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(str(pytest_mlperf.__file__)).parent
CHECKS = SOURCES / "rules" / "checks"
OPTION = re.compile(r"(^|[\s`])--[a-z]")


def trees(directory: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(directory.rglob("*.py")):
        yield path, ast.parse(path.read_text("utf-8"))


def helpers() -> dict[str, int]:
    """Return the functions that take a rule for the finding that they make, and its place among their arguments."""
    found = {}
    for _, tree in trees(SOURCES / "rules"):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in node.args.args]
                if "rule" in names and node.returns is not None and "Finding" in ast.unparse(node.returns):
                    found[node.name] = names.index("rule")
    return found


def names_in_code() -> dict[str, str]:
    """Return each rule that a finding is made with, and where."""
    places, found = helpers(), {}
    for path, tree in trees(SOURCES):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func).rpartition(".")[2]
            given = [keyword.value for keyword in node.keywords if keyword.arg == "rule"]
            if called in places:
                given += node.args[places[called] : places[called] + 1]
            elif called != "Finding":
                continue
            assert given, f"{path}:{node.lineno}: a finding without a rule"
            for value in given:
                if isinstance(value, ast.Name):  # the rule that a helper was given
                    assert value.id == "rule", f"{path}:{node.lineno}: which rule is it?"
                    continue
                assert isinstance(value, ast.Constant), f"{path}:{node.lineno}: a rule is written as it is"
                found[str(value.value)] = f"{path}:{node.lineno}"
    return found


def test_the_rules_in_the_code_are_the_catalogues() -> None:
    assert names_in_code().keys() == catalogue().keys()


def test_advice_is_for_rules_that_exist() -> None:
    assert ADVICE.keys() - OPTIONS.keys() <= catalogue().keys()


def test_advice_is_for_settings_that_loadgen_knows() -> None:
    assert OPTIONS.keys() <= set(KEYS)


def test_every_check_is_listed_by_its_kind_of_case() -> None:
    listed = [
        *every.SUBMISSION_CHECKS,
        *every.SUBMITTER_CHECKS,
        *every.SYSTEM_CHECKS,
        *every.DESCRIPTION_CHECKS,
        *every.BENCHMARK_CHECKS,
        *every.RESULT_CHECKS,
        *every.ENDPOINTS_CHECKS,
        *every.LOG_CHECKS,
        *(check for checks in every.RUN_CHECKS.values() for check in checks),
    ]
    written = {
        node.name
        for path, tree in trees(CHECKS)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and path.stem != "every"
        and not node.name.startswith("_")
        and [argument.arg for argument in node.args.args] == ["case"]
        and node.returns is not None
        and ast.unparse(node.returns) == "Iterator[Finding]"
    }
    assert {str(check.__name__) for check in listed} == written


def test_rules_know_no_pytest_no_loadgen_and_no_option() -> None:
    above = {"pytest", "mlperf_loadgen"}
    rooms = {f"pytest_mlperf.{room}" for room in ("plugin", "run", "worker", "submission", "report", "commands")}
    for path, tree in trees(SOURCES / "rules"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert not above & {name.name.partition(".")[0] for name in node.names}, path
            if isinstance(node, ast.ImportFrom):
                module = str(node.module)
                assert module.partition(".")[0] not in above, path
                assert not any(f"{module}.".startswith(f"{room}.") for room in rooms), path
    for path, tree in trees(CHECKS):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not OPTION.search(node.value), f"{path}:{node.lineno}: options are in run/advice.py"
