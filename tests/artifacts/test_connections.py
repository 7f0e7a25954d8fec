from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import trustme

from pytest_mlperf.artifacts.download import fetch
from pytest_mlperf.artifacts.sources import RemoteFile, addresses, local_path
from pytest_mlperf.errors import FetchError
from tests.artifacts.web import QUICK, Web, redirect

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = b"content"


@dataclass(frozen=True)
class SecureWeb:
    web: Web
    authority: trustme.CA

    def file(self) -> RemoteFile:
        return RemoteFile("f", (f"{self.web.url}/f",))


def server_context(authority: trustme.CA, *hosts: str) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    return context


def serve(web: Web, authority: trustme.CA, *hosts: str) -> Iterator[SecureWeb]:
    secure = Web(files={"/f": CONTENT})
    server = secure.serve(server_context(authority, *hosts))
    yield SecureWeb(secure, authority)
    server.shutdown()
    server.server_close()


@pytest.fixture
def secure(web: Web) -> Iterator[SecureWeb]:
    """Yield an HTTPS server whose authority this machine does not know."""
    yield from serve(web, trustme.CA(), "localhost")


@pytest.fixture
def misnamed(web: Web) -> Iterator[SecureWeb]:
    """Yield an HTTPS server with the certificate of another host."""
    yield from serve(web, trustme.CA(), "elsewhere.invalid")


def trust(monkeypatch: pytest.MonkeyPatch, variable: str, authority: trustme.CA, tmp_path: Path) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv(variable, str(bundle))


def test_a_certificate_that_does_not_verify_is_refused_at_once(secure: SecureWeb, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"its certificate does not verify: .*SSL_CERT_FILE") as caught:
        fetch(secure.file(), tmp_path / "d", QUICK)
    assert "attempts" not in str(caught.value)
    assert secure.web.requests == []


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_that_the_environment_names_is_trusted(
    secure: SecureWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    trust(monkeypatch, variable, secure.authority, tmp_path)
    assert fetch(secure.file(), tmp_path / "d", QUICK).path.read_bytes() == CONTENT


def test_the_certificate_of_another_host_is_refused(
    misnamed: SecureWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, "SSL_CERT_FILE", misnamed.authority, tmp_path)
    with pytest.raises(FetchError, match="its certificate does not verify"):
        fetch(misnamed.file(), tmp_path / "d", QUICK)


def test_a_bundle_that_is_not_there_is_named(
    secure: SecureWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    with pytest.raises(FetchError, match=r"certificates.*\n.*/no/such/bundle.pem"):
        fetch(secure.file(), tmp_path / "d", QUICK)


def test_https_does_not_redirect_to_http(
    web: Web, secure: SecureWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, "SSL_CERT_FILE", secure.authority, tmp_path)
    web.files["/f"] = CONTENT
    secure.web.always["/f"] = redirect(f"{web.url}/f")
    with pytest.raises(FetchError, match="which is not https"):
        fetch(secure.file(), tmp_path / "d", QUICK)
    assert web.requests == []


def test_a_proxy_is_used_and_no_proxy_is_heeded(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy is asked with the whole address.
    web.files |= {"http://zenodo.invalid/f": CONTENT, "/f": b"direct"}
    monkeypatch.setenv("http_proxy", web.url.replace("://", "://joe:s3cret@"))
    assert fetch(RemoteFile("f", ("http://zenodo.invalid/f",)), tmp_path, QUICK).path.read_bytes() == CONTENT
    assert web.requests[0].headers["Proxy-Authorization"].startswith("Basic ")
    monkeypatch.setenv("no_proxy", "localhost")
    assert fetch(RemoteFile("g", (f"{web.url}/f",)), tmp_path, QUICK).path.read_bytes() == b"direct"


def test_a_proxy_that_is_not_there_is_called_one(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(FetchError, match="the proxy: connection refused"):
            fetch(RemoteFile("f", ("https://zenodo.invalid/f",)), tmp_path, QUICK)


def test_a_proxy_of_another_kind_is_refused(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(FetchError, match="cannot use the proxy"):
        fetch(RemoteFile("f", ("https://zenodo.invalid/f",)), tmp_path, QUICK)


def test_https_goes_through_a_proxy_in_a_tunnel(
    secure: SecureWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, "SSL_CERT_FILE", secure.authority, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked: list[bytes] = []
        threading.Thread(target=tunnel, args=(listener, asked), daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert fetch(secure.file(), tmp_path / "d", QUICK).path.read_bytes() == CONTENT
    assert asked[0].startswith(b"CONNECT localhost:")


def tunnel(listener: socket.socket, asked: list[bytes]) -> None:
    """Serve one CONNECT, as a proxy does."""
    client, _ = listener.accept()
    asked.append(client.recv(4096))
    host, _, port = asked[0].split()[1].decode().partition(":")
    with client, socket.create_connection((host, int(port))) as server:
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=pump, args=(server, client), daemon=True)
        back.start()
        pump(client, server)
        back.join(5)


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


NO_ADDRESSES = ["http://", "http://[::1", "ftp://host/f", "no address", "http://host:port/f", "file:f"]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_address_is_no_source(url: str) -> None:
    with pytest.raises(ValueError, match="not of https, http or file"):
        RemoteFile("f", (url,))


@pytest.mark.parametrize("name", ["", "/f", "../f", "a/../../f"])
def test_a_name_that_leaves_its_directory_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="relative path"):
        RemoteFile(name, ("http://host/f",))


@pytest.mark.parametrize("mirror", ["http://", "ftp://host"])
def test_a_mirror_of_another_kind_is_refused(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(FetchError, match=f"cannot use the mirror {mirror}"):
        fetch(RemoteFile("f", ("http://host/f",)), tmp_path, replace(QUICK, mirror=mirror))


def test_an_address_that_leads_to_none_is_a_reason(web: Web, tmp_path: Path) -> None:
    web.always["/f"] = redirect("http://host:port/f")
    with pytest.raises(FetchError, match="not an address"):
        fetch(RemoteFile("f", (f"{web.url}/f",)), tmp_path, QUICK)


def test_no_address_leaves_the_directory_that_mirrors_it(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    for path in ("../secret", "%2e%2e/secret", "a/..%2f..%2fsecret", "/etc/passwd"):
        file = RemoteFile("f", (f"https://host/{path}",))
        for address in addresses(file, replace(QUICK, mirror=mirror)):
            place = local_path(address)
            assert place.is_relative_to(mirror)
            assert ".." not in place.parts
