from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def public_path() -> Iterator[Path]:
    """Yield a directory that every user of the machine can reach and write to; tmp_path is the user's alone."""
    path = Path(tempfile.mkdtemp(prefix="mlperf-", dir="/tmp"))  # noqa: S108
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)
