"""An implementation of another package may write anything: each is one clear error, and no process is left."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from pytest_mlperf.errors import MLPerfError, OutputError, RunError
from pytest_mlperf.implementations.base import Program
from pytest_mlperf.implementations.protocol import RESULT_FILE, RUN_FILE, RunSpec, read_spec
from pytest_mlperf.run.child import execute
from pytest_mlperf.run.child_end import LARGEST_RESULT
from tests.run.specs import a_spec

if TYPE_CHECKING:
    from pytest_mlperf.implementations.protocol import Progress

SPEC = a_spec(benchmark="b:B", backend="b:B", mode="accuracy", model_format="none", output="", timeout=60)
START = """
import json, os, shutil, sys, time
from pathlib import Path
directory = Path(sys.argv[1]).parent
def says(content): os.write(int(os.environ["PYTEST_MLPERF_PROGRESS_FD"]), content)
def leaves(content): (directory / "result.json").write_bytes(content)
"""


@dataclass(frozen=True)
class Script:
    """An implementation that runs some Python."""

    lines: str

    def supports(self, *_: object) -> bool:
        return True

    def provide(self, _: object) -> Program:
        return Program((sys.executable, "-c", START + self.lines))

    def command(self, program: Program, run_json: Path) -> list[str]:
        return [*program.command, str(run_json)]


def run(directory: Path, lines: str, spec: RunSpec = SPEC) -> list[Progress]:
    """Run some lines as a child; return its progress."""
    progress: list[Progress] = []
    script = Script(lines)
    execute(structs.replace(spec, output=str(directory)), script, script.provide(None), progress.append)
    return progress


@pytest.mark.parametrize(
    "lines",
    [
        r"says(b'\xff\xfe\n'); time.sleep(60)",
        r"says(b'hello\n'); time.sleep(60)",
        r"says(b'\n'); time.sleep(60)",
        """says(b'{"phase": 3}\\n'); time.sleep(60)""",
        """says(b'{"phase": "p", "done": -1}\\n'); time.sleep(60)""",
        """says(b'{"phase": "p", "done": ' + b'9' * 300 + b'}\\n'); time.sleep(60)""",
        r"says(b'[' * 4000 + b'\n'); time.sleep(60)",
        "while True: says(b'x' * 65536)",
    ],
    ids=["no text", "no JSON", "empty", "type", "negative", "large number", "deep", "endless"],
)
def test_garbage_instead_of_progress_ends_the_run_at_once(tmp_path: Path, lines: str) -> None:
    with pytest.raises(RunError, match=r"^the run's progress cannot be read\nexpected: .*\ncorrect the impl") as raised:
        run(tmp_path, lines)
    assert len(str(raised.value)) < 2000


@pytest.mark.parametrize(
    "lines",
    [
        r"leaves(b'\xff{}')",
        "leaves(b'')",
        "leaves(b'{')",
        """leaves(b'{"device": 3}')""",
        "leaves(b'[' * 1_000_000)",
        """leaves(b'{"device": "' + bytes([0xed, 0xa0, 0x80]) + b'"}')""",
        "(directory / 'result.json').mkdir()",
        "os.mkfifo(directory / 'result.json')",
        f"leaves(b' ' * {LARGEST_RESULT} + b'{{}}')",
    ],
    ids=["no text", "empty", "cut off", "type", "deep", "surrogate", "directory", "pipe", "large"],
)
def test_garbage_instead_of_a_result_is_named(tmp_path: Path, lines: str) -> None:
    with pytest.raises(RunError, match=rf"^the run left a {RESULT_FILE} that cannot be read\n"):
        run(tmp_path, lines)


@pytest.mark.parametrize("kind", ["comparison", "TYPE_CHECKING", "annotations", "no such"])
def test_a_failure_of_no_class_of_ours_is_a_failed_run(tmp_path: Path, kind: str) -> None:
    failure = {"failure": {"kind": kind, "what": "odd\x1b[2J", "for_user": True}}
    with pytest.raises(RunError, match=r"^odd\\x1b\[2J$"):
        run(tmp_path, f"leaves({json.dumps(failure).encode()!r})")


def test_a_failure_of_many_megabytes_is_cut(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"\(cut: 5,000,01") as raised:
        run(tmp_path, """leaves(b'{"failure": {"kind": "X", "what": "' + b"x" * 5_000_000 + b'"}}')""")
    assert len(str(raised.value)) < 20_000


def test_a_long_line_of_the_log_is_cut(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"\(cut: ") as raised:
        run(tmp_path, "print('x' * 1_000_000)")
    assert len(str(raised.value)) < 2000


def test_a_directory_that_is_removed_meanwhile_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for lines in ("shutil.rmtree(directory)", "shutil.rmtree(directory); sys.exit(1)"):
        (tmp_path / "run").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match=r"/run was removed while its run was running\nexpected"):
            run(tmp_path / "run", lines)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    script = Script("")
    spec = structs.replace(SPEC, output=str(tmp_path))
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    with pytest.raises(RunError, match=r"^/no/such/program cannot be run\n"):
        execute(spec, script, replace(script.provide(None), command=("/no/such/program",)), lambda _: None)
    assert len(list(descriptors.iterdir())) == before


def test_an_exception_of_the_implementation_names_its_file(tmp_path: Path) -> None:
    class Raises(Script):
        def command(self, program: Program, run_json: Path) -> list[str]:
            raise LookupError("no such \ud800")

    spec = structs.replace(SPEC, output=str(tmp_path))
    with pytest.raises(MLPerfError, match=r"found: LookupError: no such \\ud800 at .*test_strange_children.py:"):
        execute(spec, Raises(""), Script("").provide(None), lambda _: None)


SECRET_SPEC: dict[str, object] = {
    "model": "https://me:hidden1@host/v1?token=hidden2",
    "backend_options": {"api_key": "hidden3", "threads": "4"},
}
TELL = """
from pytest_mlperf.implementations.protocol import read_spec
spec = read_spec(Path(sys.argv[1]))
leaves(json.dumps({"notes": [spec.model, *spec.backend_options.values()]}).encode())
"""


def test_run_json_has_no_secrets_and_the_child_has_them(tmp_path: Path) -> None:
    spec = structs.replace(SPEC, **SECRET_SPEC)
    run(tmp_path, TELL, spec)
    text = (tmp_path / RUN_FILE).read_text()
    assert "hidden" not in text
    assert read_spec(tmp_path / RUN_FILE).backend_options == {"api_key": "***", "threads": "4"}
    notes = json.loads((tmp_path / RESULT_FILE).read_text())["notes"]
    assert notes == [SECRET_SPEC["model"], "hidden3", "4"]


def test_without_secrets_run_json_has_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, "leaves(json.dumps({'notes': [str('PYTEST_MLPERF_SECRETS' in os.environ)]}).encode())")
    assert json.loads((tmp_path / RESULT_FILE).read_text())["notes"] == ["False"]


FEW = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.run.test_strange_children import run
open_now = len(__import__("os").listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + int(sys.argv[3]), 4096))
try:
    run(Path(sys.argv[1]), "leaves(b'{}')")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("more", [0, 1, 2, 4])
def test_few_file_descriptors_are_named(tmp_path: Path, more: int) -> None:
    command = [sys.executable, "-c", FEW, str(tmp_path), str(Path(__file__).parents[2]), str(more)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(("OutputError cannot write to", "RunError ")), done
    assert "Too many open files" in done.stdout
    assert done.stdout.endswith("raise the limit of open files: ulimit -n 1024\n")
