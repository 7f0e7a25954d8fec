"""Files on the tests' own server, and downloads that fail."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.download import FetchOptions, fetch
from pytest_mlperf.artifacts.sources import Network, RemoteFile
from pytest_mlperf.errors import FetchError
from tests.artifacts.web import (
    QUICK,
    Web,
)

if TYPE_CHECKING:
    from pathlib import Path


LARGE = random.Random(1).randbytes(3 << 20)
SMALL = LARGE[:5000]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def remote(web: Web, content: bytes = LARGE, *, known: bool = True) -> RemoteFile:
    """Put a file on the server, and say what is known of it."""
    web.files["/f"] = content
    return RemoteFile("f", (f"{web.url}/f",), *((len(content), sha256(content)) if known else ()))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def failure(file: RemoteFile, directory: Path, network: Network = QUICK, options: FetchOptions | None = None) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(file, directory, network, options)
    assert caught.value.what
    assert caught.value.fix
    assert not (directory / file.name).exists(), "published although it is not right"
    return str(caught.value)
