"""The rules of files: which must be there, which must not, and how they may be called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.log_files import ACCURACY_LOG, DETAIL_LOG, SPL, SUMMARY_LOG
from pytest_mlperf.rules.reading.submission import DIVISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import ResultCase, SubmissionCase, SubmitterCase
    from pytest_mlperf.rules.reading.submission import Run
    from pytest_mlperf.rules.reading.tree import Directory

LOGS = (DETAIL_LOG, SUMMARY_LOG)
#: Files that no official checker minds beside the logs.
TOLERATED = {"mlperf_log_trace.json", "results.json", ".gitkeep"}
_OF_ACCURACY = (*LOGS, "accuracy.txt", ACCURACY_LOG)
_LARGEST_FILE = 50 << 20
_ROOT_SUFFIXES = (".md", ".pdf")
_SHOWN = 5


def performance_files(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when performance/run_1 lacks a file."""
    yield from _absent_files("performance-files", case.result.performance, _of_performance(case))


def performance_extra_files(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when performance/run_1 has a file that nobody asks for."""
    run = case.result.performance
    yield from _extra_files("performance-extra-files", run, _of_performance(case), {ACCURACY_LOG})


def accuracy_files(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when accuracy/ lacks a file."""
    yield from _absent_files("accuracy-files", case.result.accuracy, _OF_ACCURACY)


def accuracy_extra_files(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when accuracy/ has a file that nobody asks for."""
    yield from _extra_files("accuracy-extra-files", case.result.accuracy, _OF_ACCURACY, set())


def _of_performance(case: ResultCase) -> tuple[str, ...]:
    return (*LOGS, SPL) if case.result.has_power else LOGS


def run_files(rule: str, run: Run, required: tuple[str, ...], optional: set[str]) -> Iterator[Finding]:
    """Yield a finding when a run's directory lacks a required file, and one when it has others."""
    yield from _absent_files(rule, run, required)
    yield from _extra_files(rule, run, required, optional)


def _absent_files(rule: str, run: Run, required: tuple[str, ...]) -> Iterator[Finding]:
    there = run.directory.names if run.directory is not None else set()
    missing = [name for name in required if name not in there]
    if missing:
        yield Finding(
            rule=rule,
            what=f"the run's directory lacks {', '.join(missing)}",
            expected=", ".join(required),
            found=", ".join(sorted(there)[: 2 * _SHOWN]) or "nothing",
            fix="copy what LoadGen left in the run's directory",
            file=run.path,
        )


def _extra_files(rule: str, run: Run, required: tuple[str, ...], optional: set[str]) -> Iterator[Finding]:
    there = run.directory.names if run.directory is not None else set()
    foreign = sorted(there - {*required, *optional, *TOLERATED})
    if foreign:
        yield Finding(
            rule=rule,
            what=f"the run's directory has {', '.join(foreign[:_SHOWN])} too",
            expected=", ".join(required),
            found=", ".join(sorted(there)[: 2 * _SHOWN]),
            fix="; ".join(_steps(foreign)),
            file=run.path,
        )


def _steps(foreign: list[str]) -> Iterator[str]:
    if SPL in foreign:
        yield f"if power was measured, add performance/power and ranging, else remove {SPL}"
    if set(foreign) - {SPL}:
        yield "move what nobody asks for elsewhere"


def stray_files(case: SubmissionCase) -> Iterator[Finding]:
    """Yield a finding when files stand beside the divisions or beside the submitters."""
    tree = case.submission.tree
    stray = [name for name in sorted(_files(tree)) if not name.endswith(_ROOT_SUFFIXES)]
    for name in DIVISIONS:
        if (division := tree.directories.get(name)) is not None:
            stray += [division.place(file) for file in sorted(_files(division))]
    if stray:
        yield _many(
            "stray-files",
            "files stand outside the submitters' directories",
            "directories, and in the root .md and .pdf",
            stray,
            "move them into the submitter's directory, or leave them out",
        )


def _files(directory: Directory) -> set[str]:
    """Return the names of files, and of links to files wherever they are."""
    return {*directory.files, *(link.name for link in directory.links if link.outside and not link.to_directory)}


def hidden_names(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when names begin with a dot."""
    found = [place for place in _places(case.submitter.directory) if place.rpartition("/")[2].startswith(".")]
    if found:
        yield _many(
            "hidden-names",
            "names begin with a dot",
            "other names",
            found,
            "remove them, or rename them",
            case.submitter.path,
        )


def spaces_in_names(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when names have spaces."""
    found = [place for place in _places(case.submitter.directory) if " " in place.rpartition("/")[2]]
    if found:
        yield _many(
            "spaces-in-names", "names have spaces", "names without", found, "put _ in their place", case.submitter.path
        )


def large_files(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when files are too large for the repository of results."""
    found = [
        f"{directory.place(name)} of {size >> 20} MiB"
        for directory in case.submitter.directory.walk()
        for name, size in directory.files.items()
        if size > _LARGEST_FILE
    ]
    if found:
        fix = "remove them, and say in a README.md where to get them"
        yield _many(
            "large-files",
            "files are too large",
            f"at most {_LARGEST_FILE >> 20} MiB each",
            found,
            fix,
            case.submitter.path,
        )


def python_caches(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when Python's caches are packed."""
    found = [each.path for each in case.submitter.directory.walk() if each.path.endswith("__pycache__")]
    if found:
        yield _many(
            "python-caches", "Python's caches are packed", "no __pycache__", found, "delete them", case.submitter.path
        )


def empty_directories(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when directories are empty."""
    found = [
        each.path
        for each in case.submitter.directory.walk()
        if not each.files and not each.directories and not each.links and not each.odd and each.fault is None
    ]
    if found:
        yield _many(
            "empty-directories", "directories are empty", "something in each", found, "delete them", case.submitter.path
        )


def links(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when links are broken."""
    found = [
        directory.place(link.name)
        for directory in case.submitter.directory.walk()
        for link in directory.links
        if link.broken
    ]
    if found:
        yield _many(
            "links",
            "links are broken",
            "links to what is there",
            found,
            "put the files in their place",
            case.submitter.path,
        )


def links_from_root(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when a file's link leads nowhere if it is read as one that stands in the submission's root."""
    found = [
        f"{directory.place(link.name)} to {link.target}"
        for directory in case.submitter.directory.walk()
        for link in directory.links
        if not link.to_directory and not link.broken and not link.from_root
    ]
    if found:
        yield _many(
            "links-from-root",
            "the official checker takes links for broken: it reads them as if they stood in the submission's root",
            "files",
            found,
            "put the files in their place",
            case.submitter.path,
        )


def links_outside(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when links lead out of the submission."""
    found = [
        f"{directory.place(link.name)} to {link.target}"
        for directory in case.submitter.directory.walk()
        for link in directory.links
        if link.outside
    ]
    if found:
        fix = "put the files in their place: elsewhere the links are broken"
        yield _many(
            "links-outside",
            "links lead out of the submission",
            "links that stay in it",
            found,
            fix,
            case.submitter.path,
        )


def links_any(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when files are links."""
    found = [
        directory.place(link.name)
        for directory in case.submitter.directory.walk()
        for link in directory.links
        if not link.to_directory
    ]
    if found:
        yield _many(
            "links-any", "files are links", "files", found, "put the files in the links' place", case.submitter.path
        )


def readable(case: SubmissionCase) -> Iterator[Finding]:
    """Yield a finding when directories cannot be listed."""
    found = [case.submission.tree.fault] if case.submission.tree.fault else []
    found += [f"{each.path} {each.fault}" for each in _in_divisions(case) if each.fault is not None]
    if found:
        fix = "correct its permission bits, or remove it"
        yield _many("readable", "not all of the submission can be read", "directories that can be listed", found, fix)


def special_files(case: SubmissionCase) -> Iterator[Finding]:
    """Yield a finding when there are pipes, devices or sockets, or broken links outside the submitters' directories."""
    tree = case.submission.tree
    found = [each.place(name) for each in _in_divisions(case) for name in each.odd]
    above = [tree, *(tree.directories[name] for name in DIVISIONS if name in tree.directories)]
    found += [each.place(link.name) for each in above for link in each.links if link.broken]
    if found:
        what, expected = "not everything in the submission is a file", "files, directories and links"
        yield _many("special-files", what, expected, found, "remove it")


def _in_divisions(case: SubmissionCase) -> Iterator[Directory]:
    tree = case.submission.tree
    for name in DIVISIONS:
        if name in tree.directories:
            yield from tree.directories[name].walk()


def _places(directory: Directory) -> Iterator[str]:
    """Yield the path of everything in a directory."""
    for each in directory.walk():
        yield from (each.place(name) for name in sorted({*each.names, *each.directories}))


def _many(rule: str, what: str, expected: str, found: list[str], fix: str, within: str = "") -> Finding:
    """Return one finding for many places, told without the directory that they are `within`."""
    places = [place.removeprefix(f"{within}/") for place in found[:_SHOWN]]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return Finding(rule=rule, what=what, expected=expected, found=", ".join(places) + more, fix=fix, file=within)
