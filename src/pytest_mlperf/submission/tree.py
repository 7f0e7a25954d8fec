"""Writes a submission's directory tree in the layout of its round."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.disk import write_atomic
from pytest_mlperf.errors import SubmissionError
from pytest_mlperf.rules.checks.accuracy import LARGEST_ACCURACY_LOG
from pytest_mlperf.rules.log_files import ACCURACY_LOG
from pytest_mlperf.rules.reading.submission import DIVISIONS
from pytest_mlperf.run.directories import unwritable
from pytest_mlperf.submission import names
from pytest_mlperf.submission.admission import check_plan
from pytest_mlperf.submission.change import changed, logs_directory
from pytest_mlperf.submission.measurements import measurements_of
from pytest_mlperf.submission.mlperf_conf import mlperf_conf
from pytest_mlperf.submission.readme import calibration_text, code_readme, requirements, result_readme
from pytest_mlperf.submission.truncation import keep, truncate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.run.result import RunResult
    from pytest_mlperf.submission.measurements import Measurements
    from pytest_mlperf.submission.plan import Result, SubmissionPlan

_IGNORED = frozenset({"__pycache__"})


@dataclass(frozen=True)
class Written:
    """A submission on the disk.

    Attributes
    ----------
    directory
        Its root, which contains the division.
    logs
        The full accuracy logs, with the same relative paths, beside the root.
    unknown
        Unknown fields of the system's description and of measurements.json.
    """

    directory: Path
    logs: Path
    unknown: tuple[str, ...]


def write_submission(plan: SubmissionPlan, into: Path, *, clean: bool = False) -> Written:
    """Write a submission, or add results to one; results of the same system, model and scenario are replaced.

    The tree is written beside `into`, which is replaced at the end and not changed by an error. The caller holds its
    lock (`change.locked`).

    Parameters
    ----------
    plan
        The contents of the submission.
    into
        The submission's root: missing, empty, or an existing submission.
    clean
        Whether the existing results in `into` are removed.

    Raises
    ------
    SubmissionError
        The plan is not allowed in its division, `into` is not a submission, or a file of a run is missing.
    OutputError
        The submission cannot be written.
    """
    check_plan(plan)
    into = into.absolute()
    check_is_submission(into)
    try:
        with changed(into, clean=clean) as (tree, logs):
            unknown = _write(plan, tree, logs)
    except OSError as error:
        raise unwritable(into, "--submission-dir", error) from error
    return Written(into, logs_directory(into), (*plan.description.unknown, *unknown))


def check_is_submission(directory: Path) -> None:
    """Raise if `directory` exists and is not a submission, so that other files are never replaced.

    Raises
    ------
    SubmissionError
        It is a file or a link, or contains anything besides divisions.
    """
    if not os.path.lexists(directory):
        return
    strangers = sorted(p.name for p in directory.iterdir() if p.name not in DIVISIONS) if directory.is_dir() else []
    if strangers or directory.is_symlink() or not directory.is_dir():
        found = ", ".join(map(repr, strangers[:3])) if strangers else "a link" if directory.is_symlink() else "a file"
        raise SubmissionError(
            f"{directory} is not a submission",
            expected=f"nothing there, or a directory with {', '.join(DIVISIONS)} only",
            found=found,
            fix="name another directory with --submission-dir",
        )


def _write(plan: SubmissionPlan, root: Path, logs: Path) -> tuple[str, ...]:
    base = root / plan.base
    _put(base / names.SYSTEMS / f"{plan.system}.json", plan.description.to_json())
    measured = [_write_result(plan, result, root, logs) for result in plan.results]
    for result in {result.model: result for result in plan.results}.values():
        _write_code(plan, result, base)
    calibration = plan.calibration.read_bytes() if plan.calibration else calibration_text(measured).encode()
    _put(base / names.calibration_file(plan.round.layout), calibration)
    _write_mapping(plan, base / names.MODEL_MAPPING)
    return tuple(dict.fromkeys(name for each in measured for name in each.unknown))


def _write_result(plan: SubmissionPlan, result: Result, root: Path, logs: Path) -> Measurements:
    place, layout = plan.place(result), plan.round.layout
    base = root / plan.base
    directory = base / names.RESULTS / place
    # Old files that the new result does not replace would seem to belong to it.
    for old in (directory, base / names.MEASUREMENTS / place, base / names.COMPLIANCE / place):
        shutil.rmtree(old, ignore_errors=True)
    _copy_logs(result.accuracy, directory / names.ACCURACY, names.ACCURACY_LOGS)
    _copy_logs(result.performance, directory / names.PERFORMANCE, names.PERFORMANCE_LOGS)
    accuracy = result.accuracy.accuracy
    if accuracy is not None:
        _put(directory / names.ACCURACY / names.ACCURACY_TXT, accuracy.text.encode())
    truncate(
        directory / names.ACCURACY,
        logs / plan.base / names.RESULTS / place / names.ACCURACY / ACCURACY_LOG,
    )
    for test, source in sorted(result.compliance.items()):
        target = names.compliance_directory(layout, place, test)
        _copy_tree(source, base / target)
        if (base / target / names.ACCURACY / ACCURACY_LOG).exists():  # TEST01 logs answers
            truncate(base / target / names.ACCURACY, logs / plan.base / target / names.ACCURACY / ACCURACY_LOG)
    measurements = measurements_of(result.performance)
    beside = base / names.measurements_directory(layout, place)
    name = names.measurements_file(layout, place, result.performance.implementation)
    _put(beside / name, measurements.to_json())
    _put(beside / names.README, result_readme(plan, result, measurements).encode())
    _put(beside / names.USER_CONF, _user_conf(result))
    if plan.round.wants_mlperf_conf:
        _put(beside / names.MLPERF_CONF, mlperf_conf(plan.round, result.performance.official_name))
    return measurements


def _user_conf(result: Result) -> bytes:
    path = Path(result.performance.output) / names.USER_CONF
    try:
        return path.read_bytes()
    except OSError as error:
        raise _missing(path, error) from error


def _copy_logs(run: RunResult, target: Path, wanted: tuple[str, ...]) -> None:
    for name in wanted:
        source = Path(run.output) / name
        if not source.is_file():
            raise _missing(source, FileNotFoundError("no such file"))
        # A large accuracy log is truncated afterwards, so a link is enough.
        put = keep if name == ACCURACY_LOG and source.stat().st_size > LARGEST_ACCURACY_LOG else _copy
        put(source, target / name)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy regular files; links are left out."""
    if not source.is_dir():
        raise _missing(source, FileNotFoundError("no such directory"))
    for file in sorted(source.rglob("*")):
        if file.is_file() and not file.is_symlink():
            _copy(file, target / file.relative_to(source))


def _write_code(plan: SubmissionPlan, result: Result, base: Path) -> None:
    directory = base / names.code_directory(plan.round.layout) / result.model
    runs = [run for each in plan.results if each.model == result.model for run in (each.accuracy, each.performance)]
    _put(directory / names.README, code_readme(plan, result).encode())
    _put(directory / "requirements.txt", requirements(runs).encode())
    for source in plan.code:
        for file, name in _code_files(source):
            _put(directory / name, file.read_bytes())


def _code_files(source: Path) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield the source files of the user's benchmarks and their names in the submission, without hidden files."""
    files = [source] if source.is_file() else sorted(source.rglob("*.py"))
    for file in files:
        name = PurePosixPath(file.name if source.is_file() else file.relative_to(source).as_posix())
        if not any(part.startswith(".") or part in _IGNORED for part in name.parts):
            yield file, PurePosixPath(*(part.replace(" ", "_") for part in name.parts))


def _write_mapping(plan: SubmissionPlan, file: Path) -> None:
    """Add models without an official name to model_mapping.json, in the open division only."""
    if plan.division != "open":
        return
    mapping: dict[str, str] = {}
    with suppress(OSError, ValueError, TypeError):
        mapping = dict(json.loads(file.read_text("utf-8")))
    aliases = plan.round.aliases
    official = {result.model: result.performance.official_name for result in plan.results}
    mapping |= {model: name for model, name in official.items() if aliases.get(model, model) != name}
    if mapping:
        _put(file, json.dumps(mapping, indent=2, sort_keys=True).encode() + b"\n")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)


def _missing(path: Path, error: OSError) -> SubmissionError:
    return SubmissionError(
        f"{path} cannot be put into the submission",
        expected="a file of a finished run",
        found=error.strerror or str(error),
        fix="run the case again, and keep its files in --mlperf-output until the submission is written",
    )
