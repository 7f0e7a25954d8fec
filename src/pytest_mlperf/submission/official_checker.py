"""Runs the unmodified official checker of a round on a submission, in a child process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.errors import RequirementError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_mlperf.rules.round import Round

#: Paths of the checkers in a checkout of mlcommons/inference.
HEAD_SCRIPTS = ("tools/submission/submission_checker/main.py",)
TAG_SCRIPTS = ("tools/submission/submission_checker.py", "tools/submission/submission-checker.py")
#: The checker takes seconds even for large submissions.
TIMEOUT_SECONDS = 600
_ERROR_LINE = re.compile(r"(?:ERROR|WARNING):?\S*\s*(.*)|\[.*?(?:ERROR|WARNING)\]\s*(.*)")
#: Packages with another name than the module that the checkers import.
_PACKAGES = {"yaml": "pyyaml"}
_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_USAGE = 2


@dataclass(frozen=True)
class OfficialVerdict:
    """The result of the official checker.

    Attributes
    ----------
    script
        The checker's file.
    ok
        Whether its summary says that the submission looks OK.
    crashed
        Whether it ended without a summary.
    errors
        Its error lines, in order.
    log
        Its whole output.
    """

    script: Path
    ok: bool
    crashed: bool
    errors: tuple[str, ...]
    log: str

    @property
    def words(self) -> str:
        """The verdict as the checker words it, or its last line if it crashed."""
        if self.crashed:
            return f"crashed: {self.log.strip().splitlines()[-1] if self.log.strip() else 'no output'}"
        return "submission looks OK" if self.ok else "submission has errors"

    @property
    def rules(self) -> frozenset[str]:
        """Our names of the rules in its error lines, as far as they are known."""
        return frozenset(rule for line in self.errors if (rule := _rule(line)))


def run_official_checker(source: Path, round_: Round, submission: Path) -> OfficialVerdict:
    """Run the round's official checker from a checkout of mlcommons/inference on a submission's directory.

    The checker is not modified, and nothing is written to `source`.

    Raises
    ------
    RequirementError
        The checkout does not have this round's checker, or a package that the checker needs is not installed.
    """
    script = find_script(source, round_)
    with tempfile.TemporaryDirectory(prefix="mlperf-checker-") as scratch:
        csv = str(Path(scratch) / "summary.csv")
        command = [sys.executable, "-B", str(script), "--input", str(submission.absolute()), "--csv", csv]
        command += ["--version", round_.name]
        # The checker may write files to its current directory, so it gets a temporary one.
        code, log = _run(command, scratch)
    if missing := _MISSING_MODULE.search(log):
        raise RequirementError(
            "the official checker cannot be started",
            expected=f"the package {missing[1]}",
            found=f"not installed in {sys.executable}",
            fix=f"install it: {sys.executable} -m pip install {_PACKAGES.get(missing[1], missing[1])}",
        )
    if code == _USAGE and "--version" in log:
        raise RequirementError(
            f"{script} does not know round {round_.name}",
            expected=f"the checker of {_revision(round_)}",
            found="the checker of another round",
            fix=f"check out {_revision(round_)} of mlcommons/inference and name it with --mlperf-inference-src",
        )
    summarised = "SUMMARY: submission" in log
    return OfficialVerdict(
        script=script,
        ok="SUMMARY: submission looks OK" in log and code == 0,
        crashed=not summarised,
        errors=tuple(_error_lines(log)),
        log=log,
    )


def find_script(source: Path, round_: Round) -> Path:
    """Return the checker of a round in a checkout.

    Raises
    ------
    RequirementError
        It is not there.
    """
    names = HEAD_SCRIPTS if round_.checker == "head" else TAG_SCRIPTS
    for name in names:
        if (script := source / name).is_file():
            return script.absolute()
    raise RequirementError(
        f"{source} has no official checker for round {round_.name}",
        expected=f"{names[0]}",
        found="no such file",
        fix=f"check out {_revision(round_)} of mlcommons/inference and name it with --mlperf-inference-src",
    )


def differences(verdict: OfficialVerdict, ours: bool, our_rules: Collection[str]) -> list[str]:
    """Return how the official verdict and ours at level official differ: the verdict, then each rule."""
    lines = []
    if verdict.ok != ours:
        lines.append(f"the official checker says {verdict.words}; this one: {'OK' if ours else 'not OK'}")
    if verdict.crashed:
        return lines
    lines += [f"only the official checker: {rule}" for rule in sorted(verdict.rules - set(our_rules))]
    lines += [f"only this checker: {rule}" for rule in sorted(set(our_rules) - verdict.rules)]
    return lines


def _run(command: list[str], directory: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment | {"PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return -1, (error.stdout or b"").decode("utf-8", "replace") + f"\nstill running after {TIMEOUT_SECONDS} s"
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _error_lines(log: str) -> Iterator[str]:
    for line in log.splitlines():
        if ("ERROR" in line or "WARNING" in line) and "SUMMARY:" not in line and (found := _ERROR_LINE.search(line)):
            yield (found[1] or found[2] or line).strip()


def _rule(line: str) -> str | None:
    return next((rule for words, rule in _messages().items() if words in line), None)


@lru_cache(maxsize=1)
def _messages() -> Mapping[str, str]:
    text = (resources.files(__package__) / "official_messages.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, str])


def _revision(round_: Round) -> str:
    return "the newest revision" if round_.checker == "head" else f"the tag {round_.checker}"
