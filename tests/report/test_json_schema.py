"""The published schema describes what --mlperf-json writes."""

from __future__ import annotations

import json
import runpy
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest

from pytest_mlperf.report.json_file import write_results
from pytest_mlperf.results.document import FORMAT
from pytest_mlperf.shipped import shipped
from tests.conftest import REPOSITORY
from tests.report.results import FINDING, HOSTILE, accuracy, finished, performance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RunSession


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shipped("results.schema.json").read_text("utf-8"))
    return found


def test_the_shipped_schema_is_that_of_the_code() -> None:
    tool = runpy.run_path(str(REPOSITORY / "tools" / "results_schema.py"))
    assert shipped("results.schema.json").read_text("utf-8") == tool["text"](), "run python tools/results_schema.py"
    jsonschema.Draft202012Validator.check_schema(schema())


def test_a_document_follows_it_and_one_with_a_wrong_type_does_not(tmp_path: Path) -> None:
    write_results(tmp_path / "r.json", finished([accuracy(findings=(FINDING,), label=HOSTILE), performance()]))
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["format"] == FORMAT
    jsonschema.Draft202012Validator(schema()).validate(document)
    document["results"][0]["accuracy"]["value"] = "93"
    with pytest.raises(jsonschema.ValidationError, match=r"'93'.* is not valid under any of the given schemas"):
        jsonschema.Draft202012Validator(schema()).validate(document)


def test_what_a_session_writes_follows_it(benchmarks: RunSession, tmp_path: Path) -> None:
    run = ("--model=null", "--backend=null", "--scenario=Offline", f"--mlperf-json={tmp_path / 'r.json'}")
    session = benchmarks(*run)
    assert session.code == 0, session.output
    document = msgspec.json.decode((tmp_path / "r.json").read_bytes())
    assert len(document["results"]) == 2
    jsonschema.Draft202012Validator(schema()).validate(document)
