"""At the end of a session: writes a submission, checks it against the round's rules, and packs it."""

from __future__ import annotations

import re
import shlex
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlperf.errors import MLPerfError, OptionError, RunError, SubmissionError
from pytest_mlperf.machine.hardware import read_machine
from pytest_mlperf.rules.check import Report, check, verdict
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.round import find_round
from pytest_mlperf.run.advice import ADVICE
from pytest_mlperf.secrecy import arguments_without_secrets
from pytest_mlperf.submission.change import locked
from pytest_mlperf.submission.command import public_command
from pytest_mlperf.submission.outputs import leave, tarball_name
from pytest_mlperf.submission.pairs import pairs_of
from pytest_mlperf.submission.plan import Result, SubmissionPlan, system_directory
from pytest_mlperf.submission.remains import private_remains
from pytest_mlperf.submission.summary import write_summary
from pytest_mlperf.submission.system import Identity, describe_system, read_overrides
from pytest_mlperf.submission.tarball import pack
from pytest_mlperf.submission.tree import Written, write_submission

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_mlperf.artifacts.locks import OnWait
    from pytest_mlperf.rules.round import Round
    from pytest_mlperf.rules.severity import Level
    from pytest_mlperf.submission.official_checker import OfficialVerdict
    from pytest_mlperf.submission.outputs import Writer
    from pytest_mlperf.submission.pairs import Pair

_LEVELS: tuple[Level, Level] = ("strict", "official")
NOTHING = (
    "there is nothing to submit\nexpected: cases with a finished accuracy run and a finished performance run; "
    "found: none\nsee above what failed or was skipped"
)


@dataclass(frozen=True)
class Outcome:
    """A test item for the submission: a result's place in it, and the error, if any."""

    place: str
    fault: str = ""


@dataclass(frozen=True)
class Submitted:
    """The submission of a session.

    Attributes
    ----------
    outcomes
        One for each result, and one for errors that are not about a single result.
    report, as_official
        The verdict at level strict and at level official; None if there is no tree.
    files
        The tarball and the summary.
    unknown
        The names of unknown fields.
    notes
        Notes for the user.
    official
        The official checker's verdict, if it was run, and how ours at level official differs from it.
    """

    outcomes: tuple[Outcome, ...]
    report: Report | None = None
    as_official: Report | None = None
    tree: Written | None = None
    files: tuple[Path, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    official: OfficialVerdict | None = None
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """The input of `submit`, from the session and its options.

    Attributes
    ----------
    division, submitter, system_type, hw_name, system
        The values of these options; `system` is a file with fields of the system's description.
    submission_dir, clean
        The directory for the tree, if given, and whether its contents are replaced.
    pack_anyway
        Whether the submission is packed even if checks failed.
    run_official_checker
        Whether the round's official checker is also run.
    official_length
        Whether --run-length is official.
    results
        The results of all runs, from the test reports.
    command
        The pytest command, as the user typed it.
    code
        The files of the user's tests.
    directory
        The current directory, to which the files are written.
    session
        Returns the session's own directory: for the tree without --submission-dir, and for files that cannot be written
        to the current directory.
    on_wait
        Called if another session holds the tree.
    healthy
        Whether all other items passed.
    checker_source
        Returns a checkout of mlcommons/inference that has a round's official checker.
    taken
        The flags such as ``--run-length`` that are not this plugin's in the command.
    """

    division: str
    submitter: str
    system_type: str
    hw_name: str | None
    system: Path | None
    submission_dir: Path | None
    clean: bool
    pack_anyway: bool
    run_official_checker: bool
    official_length: bool
    results: Sequence[Mapping[str, Any]]
    command: Sequence[str]
    code: Sequence[Path]
    directory: Path
    session: Callable[[], Path]
    on_wait: OnWait
    healthy: bool
    checker_source: Callable[[Round], Path]
    taken: Container[str] = ()


def submit(request: Request) -> Submitted:
    """Write the tree, check it, and pack it if it passed.

    Every error becomes an outcome, so that the reports of the session are still written. Files of an earlier session
    that this one does not replace are renamed.
    """
    try:
        return _submit(request)
    except MLPerfError as error:
        fault = str(error)
    except KeyboardInterrupt:
        fault = str(RunError("the submission was interrupted", found="Ctrl-C", fix="run the session again"))
    except Exception:
        fault = traceback.format_exc()
    return abandon(request.division, request.directory, Outcome("submission", fault))


def abandon(division: str, directory: Path, *outcomes: Outcome) -> Submitted:
    """Leave no file of an earlier session that would seem to be from this one, which submits nothing."""
    return Submitted(outcomes, notes=leave((), division, directory, lambda: directory).notes)


def _submit(request: Request) -> Submitted:
    pairs = pairs_of(request.results)
    if not pairs:
        return abandon(request.division, request.directory, Outcome("submission", NOTHING))
    round_ = _round(pairs.values())
    incomplete = [Outcome(case, pair.incomplete) for case, pair in pairs.items() if pair.incomplete]
    whole = {case: pair for case, pair in pairs.items() if not pair.incomplete}
    if not whole:
        return abandon(request.division, request.directory, *incomplete, Outcome("submission", NOTHING))
    into = request.submission_dir or request.session() / "submission"
    with locked(into, request.on_wait):
        written = None
        for number, plan in enumerate(_plans(request, whole, round_)):
            written = write_submission(plan, into, clean=number == 0 and request.clean)
        assert written is not None  # noqa: S101 - there is at least one case
        chosen = [note for pair in whole.values() for note in pair.notes]
        return _submit_tree(request, round_, written, incomplete, chosen)


def _submit_tree(
    request: Request, round_: Round, written: Written, incomplete: Sequence[Outcome], chosen: Sequence[str]
) -> Submitted:
    """Check the tree and pack it. The caller holds the tree's lock: what is packed is what was checked."""
    submission = read_submission(written.directory, round_.layout)
    report, as_official = (check(submission, round_, level, ADVICE) for level in _LEVELS)
    outcomes = (*incomplete, *_outcomes(report))
    good = request.healthy and not any(outcome.fault for outcome in outcomes)
    official, differences, unasked = _ask_official(request, round_, written.directory, as_official)
    writers: list[Writer] = [lambda directory: write_summary(report, round_, directory)]
    if good or request.pack_anyway:
        name = tarball_name(request.division, good=good)
        writers.insert(0, lambda directory: [pack(written.directory, directory / name, (request.division,))])
    left = leave(writers, request.division, request.directory, request.session)
    faults = [*unasked, *(Outcome("files", fault) for fault in left.faults)]
    return Submitted(
        (*outcomes, *faults),
        report=report,
        as_official=as_official,
        tree=written,
        files=left.files,
        unknown=written.unknown,
        notes=(*chosen, *_notes(request, report, good=good), *left.notes, *private_remains(written.directory)),
        official=official,
        differences=differences,
    )


def _round(pairs: Iterable[Pair]) -> Round:
    names = {run.round for pair in pairs for run in (pair.accuracy, pair.performance) if run is not None}
    if len(names) != 1 or not (name := names.pop()):
        raise OptionError(
            "all results of a submission must be from one round",
            expected="one round that has every benchmark",
            found=f"{', '.join(sorted(filter(None, names))) or 'none'}",
            fix="select benchmarks of one round, or name it with --round",
        )
    return find_round(name)


def _plans(request: Request, pairs: Mapping[str, Pair], round_: Round) -> Iterator[SubmissionPlan]:
    """Yield a plan for each system; another backend or device is another system."""
    machine = read_machine()
    hardware = request.hw_name or _slug(machine.processor)
    by_system: dict[str, list[Pair]] = {}
    for pair in pairs.values():
        if pair.performance is not None:
            by_system.setdefault(system_directory(hardware, pair.performance), []).append(pair)
    for system, found in by_system.items():
        identity = Identity(
            division=request.division,
            submitter=request.submitter,
            system_type=request.system_type,
            system_name=request.hw_name or machine.processor or hardware,
        )
        overrides = read_overrides(request.system, identity) if request.system else None
        results = tuple(_result(pair) for pair in found)
        yield SubmissionPlan(
            division=request.division,
            submitter=request.submitter,
            system=system,
            round=round_,
            description=describe_system(identity, [each.performance for each in results], overrides, machine),
            results=results,
            command=shlex.join(public_command(request.command, request.directory)),
            code=tuple(request.code),
        )


def _result(pair: Pair) -> Result:
    if pair.accuracy is None or pair.performance is None:
        raise SubmissionError("a case lacks a run", expected="both", found="one", fix="run both modes")
    return Result(
        accuracy=pair.accuracy,
        performance=pair.performance,
        compliance=pair.compliance,
    )


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text.partition("@")[0]).strip("_")[:40] or "machine"


def _outcomes(report: Report) -> Iterator[Outcome]:
    """Yield an outcome for each result, and for other errors; short runs do not fail."""
    for submitter in report.submitters:
        base = f"{submitter.division}/{submitter.name}"
        shared = _errors(submitter.findings)
        if shared:
            yield Outcome(base, shared)
        for system in submitter.systems:
            if text := _errors(system.findings):
                yield Outcome(f"{base}/systems/{system.name}", text)
            for result in system.results:
                yield Outcome(result.record.location, _errors(result.findings))
    if text := _errors(report.findings):
        yield Outcome("submission", text)


def _errors(findings: Iterable[Any]) -> str:
    found = [finding for finding in findings if finding.severity == "error"]
    if verdict(found) in ("OK", "short"):
        return ""
    return "\n\n".join(f"{finding}\nin {finding.file}" if finding.file else str(finding) for finding in found)


def _ask_official(
    request: Request, round_: Round, tree: Path, ours: Report
) -> tuple[OfficialVerdict | None, tuple[str, ...], tuple[Outcome, ...]]:
    if not request.run_official_checker:
        return None, (), ()
    from pytest_mlperf.submission.official_checker import differences, run_official_checker

    try:
        official = run_official_checker(request.checker_source(round_), round_, tree)
    except MLPerfError as error:
        return None, (), (Outcome("official checker", str(error)),)
    rules = {finding.rule for finding in ours.all_findings() if finding.severity == "error"}
    return official, tuple(differences(official, ours.verdict == "OK", rules)), ()


def _notes(request: Request, report: Report, *, good: bool) -> Iterator[str]:
    editions = {each["edition"] for each in request.results}
    if "tiny" in editions:
        yield "a tiny edition: this submission is for testing only; do not submit"
    if report.verdict == "short" and not request.official_length:
        longer = official_command(arguments_without_secrets(request.command), request.taken)
        yield f"for official length: {shlex.join(longer)}"
    if not good and not request.pack_anyway:
        yield "nothing was packed: fix what failed, or add --mlperf-pack-anyway"


def official_command(command: Sequence[str], taken: Container[str] = ()) -> list[str]:
    """Return the pytest command with ``--run-length official`` in place of other length options.

    A short form in `taken` is not ours in this command.
    """
    lengths = [flag for flag in ("--run-length", "--mlperf-run-length") if flag not in taken]
    shorts = [flag for flag in ("--short", "--mlperf-short") if flag not in taken]
    kept: list[str] = []
    skip = False
    for word in command:
        if skip:
            skip = False
        elif word in lengths:
            skip = True
        elif word not in shorts and word.partition("=")[0] not in lengths:
            kept.append(word)
    return [*kept, lengths[0], "official"]
