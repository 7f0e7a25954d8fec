from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.artifacts.web import Web

if TYPE_CHECKING:
    from collections.abc import Iterator

_NETWORK_VARIABLES = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)


@pytest.fixture
def public_path() -> Iterator[Path]:
    """Yield a directory that every user of the machine can reach and write to, which tmp_path is not."""
    path = Path(tempfile.mkdtemp(prefix="mlperf-", dir="/tmp"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Yield a running HTTP server; no proxy of this machine is between it and the test."""
    for name in _NETWORK_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    web = Web()
    server = web.serve()
    yield web
    web.closing.set()
    server.shutdown()
    server.server_close()
