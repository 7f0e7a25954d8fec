"""A password or a token in an address or on a command line is shown nowhere; what is no secret stays readable."""

from __future__ import annotations

import pytest

from pytest_mlperf.secrecy import arguments_without_secrets, is_secret, without_secrets


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:secret@host:8000/a", "https://host:8000/a"),
        ("HTTPS://me@host", "HTTPS://host"),
        ("https://:secret@host/", "https://host/"),
        ("https://me:se@cret@host/", "https://host/"),
        ("https://me:se/cret@host/x", "https://host/x"),
        ("https://me:se?cret@host", "https://host"),
        ("git+ssh://git@host/x", "git+ssh://host/x"),
        ("//me:secret@host/x", "//host/x"),
        ("https://host/a?token=secret&n=1", "https://host/a?token=***&n=1"),
        ("https://host/a?n=1;sig=secret", "https://host/a?n=1;sig=***"),
        ("https://host/#access_token=secret", "https://host/#access_token=***"),
        (
            "https://host/a?X-Amz-Date=1&X-Amz-Signature=secret&X-Amz-Security-Token=secret",
            "https://host/a?X-Amz-Date=1&X-Amz-Signature=***&X-Amz-Security-Token=***",
        ),
        ("https://host/a?AWSAccessKeyId=secret&Expires=1", "https://host/a?AWSAccessKeyId=***&Expires=1"),
        ("a@host and https://me:secret@host, twice: ftp://u:secret@b", "a@host and https://host, twice: ftp://b"),
    ],
)
def test_secrets_of_addresses_are_left_out(address: str, shown: str) -> None:
    assert without_secrets(address) == shown
    assert without_secrets(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host/@scope/x?q=a@b",
        "https://host:80/a@b",
        "file:///a/b",
        "a//b",
        "a token=1",
        "https://h/?max_tokens=3",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--mlperf-mirror=https://me:secret@host"], ["--mlperf-mirror=https://host"]),
        (["--mlperf-mirror", "https://me:secret@host/?sig=secret"], ["--mlperf-mirror", "https://host/?sig=***"]),
        (["--mlperf-mirror=https://me:two secret@host"], ["--mlperf-mirror=https://host"]),
        (["-o", "mlperf_mirror=https://me:secret@host"], ["-o", "mlperf_mirror=https://host"]),
        (["-omlperf_mirror=https://me:secret@host"], ["-omlperf_mirror=https://host"]),
        (["--model-path=bert=https://host/x?token=secret"], ["--model-path=bert=https://host/x?token=***"]),
        (["--hf-token", "secret", "-v"], ["--hf-token", "***", "-v"]),
        (["--hf-token", "-v"], ["--hf-token", "-v"]),
        (["--hf-token=secret"], ["--hf-token=***"]),
        (["--password=sec,ret=x"], ["--password=***"]),
        (["--backend-option=api_key=secret"], ["--backend-option=api_key=***"]),
        (["--backend-option=api_key=sec,ret,threads=4"], ["--backend-option=api_key=***,threads=4"]),
        (["HF_TOKEN=secret", "pytest"], ["HF_TOKEN=***", "pytest"]),
        (["-k", "token or key", "a.py::test[x=1]"], ["-k", "token or key", "a.py::test[x=1]"]),
        (
            ["--backend-option=session.set_denormal_as_zero=1,max_tokens=2"],
            ["--backend-option=session.set_denormal_as_zero=1,max_tokens=2"],
        ),
    ],
)
def test_secrets_of_a_command_line_are_left_out(arguments: list[str], shown: list[str]) -> None:
    assert arguments_without_secrets(arguments) == shown


@pytest.mark.parametrize(
    "name", ["token", "api-key", "X-Goog-Signature", "HF_TOKEN", "accesstoken", "sig", "dbPassword"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["tokens", "keys", "signal", "author", "monkey", "session.threads", "compass"])
def test_names_of_no_secrets(name: str) -> None:
    assert not is_secret(name)
