"""Nothing private is in a submission: a real one is made where everything private is marked, and searched whole."""

from __future__ import annotations

import gzip
import platform
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PLAIN, run_benchmarks

if TYPE_CHECKING:
    from pathlib import Path

#: What stands for a secret or a private name everywhere below.
MARKS = (b"hidden", b"zoe", b"Zoe", b"/path-of-zoe")
BENCHMARK = """
import pytest

# https://me:password@index.example/simple is in the user's own file.


@pytest.mark.mlperf
def test_it(mlperf):
    mlperf.require(mlperf.run())
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """The directory of a session with --mlperf-submit, in a home whose user, mirror and options are private."""
    home = tmp_path_factory.mktemp("path-of-zoe") / "zoe"
    here = home / "project"
    (here / "zoe").mkdir(parents=True)
    (here / "zoe" / "test_it.py").write_text(
        BENCHMARK.replace("mlperf\n", "mlperf(mode=['accuracy', 'performance'])\n", 1)
    )
    (home / "zoe.conf").write_text("# of zoe\n*.Offline.target_qps = 100\n")
    session = run_benchmarks(
        *("--model=classifier-tiny", "--backend=honest", "--scenario=Offline", "--dataset-size=20"),
        *("--test-query-count=20", "--mlperf-pack-anyway", "--mlperf-submit", "--submitter=Community", "--hw-name=box"),
        "--mlperf-mirror=https://zoe:hidden1@mirror.example/a?token=hidden2",
        *("-o", "mlperf_mirror=https://zoe:hidden3@mirror.example", f"--user-conf={home / 'zoe.conf'}"),
        *(f"--mlperf-cache={shared_cache}", f"--mlperf-output={home / 'zoe-results'}", "--mlperf-json=report.json"),
        *("--junitxml=junit.xml", f"--rootdir={home}", "--implementation=python"),
        directory=here,
        path=here / "zoe" / "test_it.py",
        HOME=str(home),
        LOGNAME="zoe",
        USER="zoe",
        PIP_INDEX_URL="https://zoe:hidden4@index.example/simple",
        HF_TOKEN="hidden5",  # noqa: S106 - the secret of nothing
    )
    assert list(here.glob("open*.tar.gz")), session.output
    (here / "output.txt").write_text(session.output)
    return here


def private(content: bytes) -> list[bytes]:
    """Return the private words in a file, but for the host's name where it is a common word."""
    host = platform.node().encode()
    marks = (*MARKS, host) if len(host) > 5 else MARKS
    return [mark for mark in marks if mark in content]


@pytest.mark.slow
def test_no_file_of_the_tree_has_anything_private(here: Path) -> None:
    [tree] = here.parent.glob("zoe-results/*/submission")
    files = [file for file in tree.rglob("*") if file.is_file()]
    assert {"README.md", "user.conf", "test_it.py", "mlperf_log_detail.txt"} <= {file.name for file in files}
    for file in files:
        assert private(file.read_bytes()) == [], file
        assert private(str(file.relative_to(tree)).encode()) == []


@pytest.mark.slow
def test_no_byte_of_the_tarball_has_anything_private(here: Path) -> None:
    [packed] = here.glob("open*.tar.gz")
    assert private(packed.read_bytes()[:100]) == []
    assert private(gzip.decompress(packed.read_bytes())) == []
    with tarfile.open(packed) as archive:
        assert {(member.uname, member.gname, member.uid, member.gid) for member in archive} == {("", "", 0, 0)}


@pytest.mark.slow
def test_the_users_own_file_is_packed_as_it_is_and_what_it_has_is_told(here: Path) -> None:
    told = " ".join((here / "output.txt").read_text().split())
    assert "test_it.py has an address with a password or a token; it is packed as it is" in told
    assert told.count("packed as it is") == 1


@pytest.mark.slow
def test_every_line_of_the_report_is_a_line_of_the_terminal(here: Path) -> None:
    output = (here / "output.txt").read_text()
    assert "\n    expected: " in output
    assert "\\n" not in output


@pytest.mark.slow
def test_the_command_can_still_be_read(here: Path) -> None:
    [tree] = here.parent.glob("zoe-results/*/submission")
    for readme in tree.rglob("README.md"):
        text = readme.read_text()
        assert f"pytest {' '.join(PLAIN)} USER/test_it.py --model=classifier-tiny" in text
        assert "'--mlperf-mirror=https://mirror.example/a?token=***'" in text
        assert "-o mlperf_mirror=https://mirror.example" in text
        assert "--user-conf=/path/to/" in text


@pytest.mark.slow
def test_neither_output_nor_reports_have_secrets(here: Path) -> None:
    for name in ("output.txt", "report.json", "junit.xml"):
        assert b"hidden" not in (here / name).read_bytes(), name
    for file in here.parent.glob("zoe-results/**/*.*"):
        if file.is_file():
            assert b"hidden" not in file.read_bytes(), file
