"""Writing a file at once: what killed processes leave beside it goes, what a living one writes stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.disk import replacing

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import sys, time
from pathlib import Path
from pytest_mlperf.artifacts.disk import replacing

with replacing(Path(sys.argv[1])) as beside:
    beside.write_text("half")
    print("written", flush=True)
    time.sleep(60)
"""


def writer(path: Path) -> subprocess.Popen[str]:
    """Start a process that has written half of the file, and waits."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def test_what_a_killed_writer_left_is_removed_by_the_next_and_a_living_ones_stays(tmp_path: Path) -> None:
    path = tmp_path / "a [1].bin"
    killed, living = writer(path), writer(path)
    try:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert len(list(tmp_path.iterdir())) == 2
        with replacing(path) as beside:
            beside.write_text("whole")
        assert path.read_text() == "whole"
        [left] = [found.name for found in tmp_path.iterdir() if found != path]
        assert f"-{living.pid}-" in left
    finally:
        living.kill()
        living.communicate()
        killed.communicate()


def test_a_killed_writer_that_its_parent_has_not_taken_note_of_is_no_more(tmp_path: Path) -> None:
    path = tmp_path / "file"
    zombie = writer(path)
    os.kill(zombie.pid, signal.SIGKILL)
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    with replacing(path) as beside:
        beside.write_text("whole")
    zombie.communicate()
    assert [left.name for left in tmp_path.iterdir()] == ["file"]
