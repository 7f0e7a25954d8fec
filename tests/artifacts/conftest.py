from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def public_path() -> Iterator[Path]:
    """Yield a directory that every user of the machine can reach and write to, which tmp_path is not."""
    path = Path(tempfile.mkdtemp(prefix="mlperf-", dir="/tmp"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)
