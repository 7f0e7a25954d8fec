"""The command, in processes of its own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.commands.main import main
from pytest_mlperf.report.cache_table import size_text, span_text
from tests.artifacts.recipes import Scenes
from tests.sandbox import item, wait_until

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

COMMAND = [sys.executable, "-m", "pytest_mlperf", "cache"]


@dataclass(frozen=True)
class Tool:
    """The command on one cache."""

    root: Path
    tally: Path

    @property
    def store(self) -> Store:
        return Store(self.root)

    def scenes(self, seed: int = 0, name: str = "retinanet scenes") -> Scenes:
        return Scenes(self.tally, seed=seed, name=name, source="https://example.org/a/long/way/to/the/scenes.zip")

    def run(self, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        # Workers of pytest-xdist have a width.
        ours = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        environment = {**ours, "PYTEST_MLPERF_CACHE": str(self.root), **variables}
        command = [*COMMAND, *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60
        )
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path / "cache", tmp_path / "tally")


@pytest.fixture
def filled(tool: Tool) -> Tool:
    tool.store.get(tool.scenes())
    tool.store.get(tool.scenes(1, "resnet pictures"))
    return tool


def test_an_empty_cache_is_shown(tool: Tool) -> None:
    done = tool.run("show")
    assert (done.returncode, done.stdout) == (0, f"0 entries, 0 in {tool.root}\n")
    assert tool.json("show") == []


def test_show_has_a_row_an_artifact(filled: Tool) -> None:
    done = filled.run("show")
    head, first, second, total = done.stdout.splitlines()
    assert head.split() == ["SIZE", "AGE", "USED", "KIND", "NAME", "SOURCE"]
    assert first.split() == ["2.9K", "now", "now", "dataset", "resnet", "pictures", filled.scenes().source]
    assert "retinanet scenes" in second
    assert total == f"2 entries, 5.9K in {filled.root}"


@pytest.mark.parametrize("columns", [80, 200])
def test_the_table_fits_the_terminal(filled: Tool, columns: int) -> None:
    filled.store.get(filled.scenes(2, "a name that is longer than anybody would ever want to call anything, really"))
    lines = filled.run("show", COLUMNS=str(columns)).stdout.splitlines()
    assert max(map(len, lines[:-1])) <= columns
    assert ("…" in "".join(lines)) == (columns == 80)
    assert len({line.index("dataset") for line in lines[1:-1]}) == 1


def test_find_has_every_word_and_says_when_there_is_none(filled: Tool) -> None:
    assert [entry["name"] for entry in filled.json("find", "RESNET", "dataset")] == ["resnet pictures"]
    assert filled.run("find", "resnet", "model").returncode == 1


def test_path_prints_one_directory_and_nothing_else(filled: Tool) -> None:
    artifact = filled.store.find(filled.scenes())
    assert artifact is not None
    done = filled.run("path", "retinanet")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{artifact.path}\n", "")


def test_path_names_the_candidates_and_each_candidate_is_a_word_that_finds_it(filled: Tool) -> None:
    done = filled.run("path", "dataset")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 3
    names = [name.split()[1] for name in done.stderr.splitlines()[1].partition("found: ")[2].split(", ")]
    assert len(names) == 2
    for name in names:
        assert filled.run("path", name).returncode == 0


def test_path_of_what_several_pythons_made_is_the_one_that_a_run_used_last(filled: Tool) -> None:
    made = [filled.store.get(filled.scenes(seed)) for seed in (0, 7, 8)]
    for seconds, artifact in zip((2e9, 3e9, 1e9), made, strict=True):
        os.utime(artifact.path.parent, (seconds, seconds))
    done = filled.run("path", "retinanet")
    assert (done.returncode, done.stdout) == (0, f"{made[1].path}\n")
    first, second = done.stderr.splitlines()
    assert first == f"also there, not used since 2033-05-18T03:33:20+00:00: {made[0].path}"
    assert second.endswith(str(made[2].path))
    assert filled.json("path", "retinanet")["path"] == str(made[1].path)


def test_a_cache_in_a_path_that_is_no_text_serves_every_command(tool: Tool, tmp_path: Path) -> None:
    there = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    bundle = there / os.fsdecode(b"\xff.tar")
    tool = replace(tool, root=there / "cache")
    made = tool.store.get(tool.scenes())
    commands = (("show",), ("find", "scenes"), ("verify",), ("export", bundle), ("import", bundle))
    for command in (*commands, ("gc", "--keep-days", "1"), ("rm", "none", "--yes")):
        for form in ((), ("--json",)):
            assert tool.run(*command, *form).returncode == (command[0] == "rm"), command
    # Its bytes, for a command that opens it.
    path = subprocess.run([*COMMAND, "path", "scenes", "--cache", tool.root], capture_output=True, check=True).stdout
    assert path == os.fsencode(made.path) + b"\n"


def test_verify_finds_a_changed_byte(filled: Tool) -> None:
    assert filled.run("verify").returncode == 0
    file = next(Path(filled.json("path", "retinanet")["path"]).rglob("*.bin"))
    file.chmod(0o644)
    file.write_bytes(b"x" * 1000)
    done = filled.run("verify")
    assert done.returncode == 1
    assert f"damaged  dataset retinanet scenes: {file.parent.name}/{file.name} has SHA-256" in done.stdout
    assert filled.run("verify", "resnet").returncode == 0
    assert [entry["fault"] is None for entry in filled.json("verify")] == [True, False]
    assert filled.run("export", file.parent.parent / "b.tar", "retinanet").returncode == 1


def test_rm_asks_and_without_anyone_to_ask_does_nothing(filled: Tool) -> None:
    done = filled.run("rm", "retinanet")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert len(filled.json("show")) == 2
    assert filled.run("rm", "retinanet", "--yes").returncode == 0
    assert [entry["name"] for entry in filled.json("show")] == ["resnet pictures"]
    assert filled.run("rm", "retinanet", "--yes").returncode == 1


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 1, 2), ("\n", 1, 2), ("y\n", 0, 1)])
def test_rm_heeds_the_answer(filled: Tool, answer: str, code: int, left: int) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        command = [*COMMAND, "rm", "retinanet", "--cache", str(filled.root)]
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False, timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code
    assert "Remove 1 entry, 2.9K? [y/N]" in done.stderr
    assert len(filled.json("show")) == left


def test_gc_says_what_it_would_remove_and_then_removes_it(filled: Tool) -> None:
    used = filled.store.find(filled.scenes())
    assert used is not None
    os.utime(used.path.parent, (1e9, 1e9))
    would = filled.json("gc", "--keep-days", "30", "--dry-run")
    assert [entry["name"] for entry in would["removed"]] == ["retinanet scenes"]
    assert len(filled.json("show")) == 2
    assert filled.json("gc", "--keep-days", "30") == would
    assert len(filled.json("show")) == 1
    assert filled.run("gc", "--keep-size", "1G").stdout == "removed 0 entries, 0\n"
    assert filled.run("gc", "--keep-size", "2.5K").stdout.splitlines()[-1] == "removed 1 entry, 2.9K"
    assert filled.json("show") == []


@pytest.mark.parametrize(
    "arguments",
    [("gc",), ("gc", "--keep-size", "50X"), ("gc", "--keep-days", "nan"), ("gc", "--keep-days", "-1"), ("path",), ()],
)
def test_wrong_arguments_are_usage_errors(filled: Tool, arguments: tuple[str, ...]) -> None:
    assert filled.run(*arguments).returncode == 2
    assert len(filled.json("show")) == 2


def test_a_bundle_carries_what_has_the_words(filled: Tool, tmp_path: Path) -> None:
    exported = filled.json("export", tmp_path / "b.tar", "retinanet")
    assert exported["size"] == (tmp_path / "b.tar").stat().st_size
    other = replace(filled, root=tmp_path / "other")
    assert other.run("import", tmp_path / "b.tar").stdout == "imported: dataset retinanet scenes\n"
    assert other.json("import", tmp_path / "b.tar")["there"][0]["name"] == "retinanet scenes"
    assert other.store.find(filled.scenes()) is not None
    assert filled.run("export", tmp_path / "c.tar", "nothing").returncode == 1
    assert not (tmp_path / "c.tar").exists()


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_a_reader_who_has_seen_enough_is_no_error(filled: Tool, variables: dict[str, str]) -> None:
    command = f"set -o pipefail; {' '.join(COMMAND)} show --cache '{filled.root}' | true"
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_errors_have_three_lines(filled: Tool, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("<html>")
    for arguments in (
        ("import", tmp_path / "page"),
        ("import", tmp_path / "none"),
        ("export", tmp_path),
        ("path", "x"),
    ):
        done = filled.run(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 3, done.stderr


def test_an_encoding_without_the_names_letters_is_no_error(tool: Tool) -> None:
    tool.store.get(tool.scenes(0, "scènes d’essai"))
    done = tool.run("show", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert r"sc\xe8nes" in done.stdout


def test_a_full_disk_behind_stdout_is_said(filled: Tool) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "show", "--cache", str(filled.root)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)], ids=["alone", "xdist"])
def test_gc_leaves_what_a_session_uses_until_it_ends(sandbox: Sandbox, workers: tuple[str, ...]) -> None:
    node = item("retinanet-tiny-onnxruntime-cpu-Offline", "performance")
    session = sandbox.start(node, "--dataset-size=50", *workers)
    tool = Tool(sandbox.root / "cache", sandbox.root / "tally")
    wait_until(lambda: list(sandbox.root.glob("out/*/*")), "the run's directory, which is made once it has its data")
    session_uses = tool.json("gc", "--keep-size", "0")
    assert session_uses["removed"] == []
    assert session_uses["in_use"]
    session.kill()  # frees it like an end
    session.communicate(timeout=60)
    wait_until(lambda: tool.json("gc", "--keep-size", "0", "--dry-run")["removed"], "the end of the lease")
    assert tool.json("gc", "--keep-size", "0")["in_use"] == []
    assert tool.json("show") == []


def test_sizes_and_spans_read_well() -> None:
    assert [size_text(n) for n in (0, 1023, 1024, 10_200, 1 << 20, 1023 << 20, 3 << 40)] == [
        *("0", "1023", "1.0K", "10K", "1.0M", "1023M", "3.0T")
    ]
    assert [span_text(s) for s in (0, 59, 60, 3600, 86400 * 400)] == ["now", "now", "1 min", "1 h", "400 d"]


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("pytest-mlperf ")
