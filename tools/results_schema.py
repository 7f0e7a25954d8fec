"""Writes the JSON schema of --mlperf-json, which the package ships: python tools/results_schema.py"""

from __future__ import annotations

import json
from pathlib import Path

from pytest_mlperf.results.document import schema

SCHEMA = Path(__file__).parents[1] / "src" / "pytest_mlperf" / "data" / "results.schema.json"


def text() -> str:
    """Return the file's content."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text(), encoding="utf-8")
    print(SCHEMA)
