"""Compares ``pytest-mlperf check`` with the unmodified official checker of a round, result by result.

    python tools/compare_official_checker.py INFERENCE TREE ROUND

INFERENCE is a checkout of mlcommons/inference, or a repository that has the round's tag; TREE a submission's directory,
or REPOSITORY:PATH, such as inference_results_v5.1:closed/NVIDIA, which is extracted for the time of the comparison; the
benchmarks whose logs the repository lacks, as they are too large, are left out. It
prints where the two differ, with what both say, and what level strict refuses of what the official checker accepts.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.round import find_round
from pytest_mlperf.submission.official_checker import run_official_checker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.check import Report
    from pytest_mlperf.rules.finding import Finding
    from pytest_mlperf.rules.round import Round
    from pytest_mlperf.rules.severity import Level

#: The modular checker writes the tree's path before the division.
_LINE = re.compile(r"(?:INFO|ERROR)\S*\s+(Results|NoResults) (?:/\S*/)?((?:closed|open|network)\S*|root)(.*)")
#: What is refused of a benchmark's directory, and not of its results, in the single-file checkers.
_OF_BENCHMARK = {"required-scenarios"}
#: What is refused of a submitter here, and of each result there.
_OF_RESULTS = {"code"}
#: The part of mlcommons/inference that has the checkers.
_CHECKERS = "tools/submission"
_PARTS = ("results", "measurements", "compliance")
#: A log that decides: division, submitter, system, benchmark.
_LOG = re.compile(rf"([^/]+)/([^/]+)/(?:{'|'.join(_PARTS)})/([^/]+)/([^/]+)/.*/mlperf_log_detail\.txt$")
_LINK, _SUBMODULE = "120000", "160000"


@dataclass
class Said:
    """What a checker says of the parts of a submission: by place, whether it accepts it, and why not."""

    accepted: dict[str, bool] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    crashed: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inference", type=Path, metavar="INFERENCE")
    parser.add_argument("trees", nargs="+", metavar="TREE", help="one or more")
    parser.add_argument("round", metavar="ROUND")
    parser.add_argument("--logs", type=Path, help="keep the official checker's output there, and use what is there")
    parser.add_argument("--examples", type=int, default=3, help="so many of each kind of difference (3)")
    options = parser.parse_args()
    round_ = find_round(options.round)
    total = Comparison(round_)
    with checkers(options.inference, round_) as source:
        for name in options.trees:
            with tree(name) as root:
                total.add(name, official(source, round_, root, _log(options.logs, round_, name)), root)
                print(total.line(name), flush=True)
    print("\n".join(total.lines(options.examples)))
    return 1 if total.differences else 0


@contextmanager
def checkers(source: Path, round_: Round) -> Iterator[Path]:
    """Yield a checkout with the round's checker; from a bare repository its files are extracted."""
    if (source / _CHECKERS).is_dir():
        yield source
        return
    tag = "HEAD" if round_.checker == "head" else round_.checker
    with tempfile.TemporaryDirectory(prefix="checkers-") as directory:
        extract(source, tag, _CHECKERS, Path(directory))
        yield Path(directory)


@contextmanager
def tree(name: str) -> Iterator[Path]:
    """Yield a submission's directory."""
    repository, _, path = name.rpartition(":")
    if not repository:
        yield Path(name)
        return
    with tempfile.TemporaryDirectory(prefix="submission-") as directory:
        extract(Path(repository), "HEAD", path, Path(directory))
        yield Path(directory)


def extract(repository: Path, commit: str, path: str, directory: Path) -> None:
    """Write the files of a path of a repository; what the repository lacks (it may be a partial one) is told."""
    git_program = shutil.which("git") or "git"
    listed = subprocess.run(
        [git_program, "-C", str(repository), "ls-tree", "-r", "-z", commit, "--", path],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    entries = [entry.split(b"\t", 1) for entry in listed.split(b"\0") if entry]
    with subprocess.Popen(
        [git_program, "-C", str(repository), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as git:
        if git.stdin is None or git.stdout is None:
            raise SystemExit("git has no pipes")
        lacking = []
        for about, name in entries:
            mode, _, digest = about.decode().split()
            if mode == _SUBMODULE:
                continue
            git.stdin.write(f"{digest}\n".encode())
            git.stdin.flush()
            head = git.stdout.readline().split()
            if head[-1] == b"missing":
                lacking.append(os.fsdecode(name))
                continue
            data = git.stdout.read(int(head[2]) + 1)[:-1]
            target = directory / os.fsdecode(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if mode == _LINK:
                target.symlink_to(os.fsdecode(data))
            else:
                target.write_bytes(data)
        git.stdin.close()
    if lacking:
        print(f"the repository does not have {len(lacking)} files of {path}: {', '.join(lacking[:3])}", file=sys.stderr)
        _leave_out(directory, lacking)


def _leave_out(directory: Path, lacking: list[str]) -> None:
    """Remove the benchmarks that lack logs because the copy does: nobody submitted them so."""
    found = {match.groups() for name in lacking if (match := _LOG.match(name))}
    for division, submitter, system, benchmark in sorted(found):
        for part in _PARTS:
            shutil.rmtree(directory / division / submitter / part / system / benchmark, ignore_errors=True)
        print(f"left out: {division}/{submitter}/results/{system}/{benchmark}", file=sys.stderr)


def official(source: Path, round_: Round, root: Path, log: Path | None) -> Said:
    """Return what the official checker says."""
    if log is not None and log.is_file():
        return _parsed(log.read_text(encoding="utf-8"))
    verdict = run_official_checker(source, round_, root)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(verdict.log, encoding="utf-8")
    return _parsed(verdict.log)


def _log(directory: Path | None, round_: Round, name: str) -> Path | None:
    words = "_".join(name.rpartition(":")[2].strip("/").split("/")[-2:])
    return directory / f"{round_.name}_{words}.log" if directory is not None else None


def _parsed(log: str) -> Said:
    said = Said()
    if "SUMMARY: submission" not in log:
        said.crashed = next((line for line in reversed(log.splitlines()) if line.strip()), "no output")
    errors: list[str] = []
    for line in log.splitlines():
        if found := _LINE.search(line):
            said.accepted[_place(found[2])] = found[1] == "Results" and said.accepted.get(_place(found[2]), True)
        elif "ERROR" in line or "WARNING" in line:
            errors.append(line.partition(" ERROR ")[2] or line)
    for place, accepted in said.accepted.items():
        if not accepted:
            names = {place, *(place.replace("/results/", f"/{part}/") for part in ("measurements", "compliance"))}
            said.reasons[place] = [line for line in errors if any(name in line for name in names)]
    return said


def _place(path: str) -> str:
    """Return the directory below results/ that a line is about."""
    path = path.replace("/measurements/", "/results/").replace("/compliance/", "/results/")
    return path.removesuffix("/mlperf_log_detail.txt").removesuffix("/performance/run_1").removesuffix("/results")


def ours(report: Report) -> tuple[Said, dict[str, set[str]]]:
    """Return what a report says of the same parts, and the rules that each breaks."""
    said, rules = Said(), {}

    def tell(place: str, findings: list[Finding]) -> None:
        errors = [finding for finding in findings if finding.severity == "error"]
        said.accepted[place] = not errors
        said.reasons[place] = [f"{each.what}; found: {each.found} [{each.rule}]" for each in errors]
        rules[place] = {each.rule for each in errors}

    tell("root", list(report.findings))
    for submitter in report.submitters:
        tell(f"{submitter.division}/{submitter.name}", list(submitter.findings))
        code = [each for each in submitter.findings if each.rule in _OF_RESULTS]
        for system in submitter.systems:
            place = f"{submitter.division}/{submitter.name}/results/{system.name}"
            tell(place, [each for each in system.findings if not each.file.startswith(f"{place}/")])
            for result in system.results:
                benchmark = result.record.location.rpartition("/")[0]
                about = [each for each in system.findings if _about(each, place, benchmark)]
                of_benchmark = _OF_BENCHMARK if report.checker != "head" else set()
                tell(benchmark, [each for each in about if each.rule in of_benchmark])
                kept = [each for each in about if each.rule not in of_benchmark]
                tell(result.record.location, [*result.findings, *kept, *code])
    return said, rules


def _about(finding: Finding, system: str, benchmark: str) -> bool:
    """Say whether a system's finding is one of a benchmark's results: its own, the description's, or its code's."""
    if "/code/" in finding.file:
        return finding.file.rpartition("/")[2] == benchmark.rpartition("/")[2]
    return f"{finding.file}/".startswith(f"{benchmark}/") or not finding.file.startswith(f"{system}/")


class Comparison:
    """Both checkers on some trees of a round."""

    def __init__(self, round_: Round) -> None:
        self.round = round_
        self.results = self.agree = self.accepted = self.refused = self.unjudged = 0
        self.differences: list[tuple[str, str, str]] = []
        self.others: list[tuple[str, str, str]] = []
        self.strict: Counter[str] = Counter()
        self.strict_places: dict[str, list[str]] = {}
        self._last = (0, 0, 0, 0)

    def add(self, name: str, theirs: Said, root: Path) -> None:
        """Judge a tree, and compare."""
        before = (self.results, self.agree, self.accepted, self.refused)
        report = self._judge(root, "official")
        mine, rules = ours(report)
        strict, strict_rules = ours(self._judge(root, "strict"))
        if theirs.crashed:
            self.others.append((name, f"crashed: {theirs.crashed}", "; ".join(sorted(set().union(*rules.values())))))
        locations = {result.record.location for result in report.results()}
        for place in sorted(locations):
            self._result(place, theirs, mine, rules, (strict, strict_rules))
        for place in sorted((mine.accepted.keys() | theirs.accepted.keys()) - locations):
            ours_, theirs_ = mine.accepted.get(place, True), theirs.accepted.get(place, True)
            # A scenario whose result is refused is one that the official checkers miss: that is no other difference.
            # What is refused above all results, the modular checker tells of each result.
            refused = any(not mine.accepted[each] for each in locations if each.startswith(f"{place}/"))
            below = [theirs.accepted.get(each, False) for each in locations if each.startswith(f"{place}/")]
            if ours_ != theirs_ and not (ours_ and refused) and (ours_ or not below or any(below)):
                self.others.append((place, _why(theirs, place), _why(mine, place)))
        after = (self.results, self.agree, self.accepted, self.refused)
        self._last = (after[0] - before[0], after[1] - before[1], after[2] - before[2], after[3] - before[3])

    def _judge(self, root: Path, level: Level) -> Report:
        return check(read_submission(root, self.round.layout), self.round, level)

    def _result(
        self, place: str, theirs: Said, mine: Said, rules: dict[str, set[str]], strict: tuple[Said, dict[str, set[str]]]
    ) -> None:
        self.results += 1
        if "benchmark-judged" in rules[place]:
            self.unjudged += 1
            return
        above = ["/".join(place.split("/")[:parts]) for parts in (1, 2, 4)] + ["root"]
        ours_accept = mine.accepted[place]
        if place not in theirs.accepted:  # the official checker went no further than what is above
            ours_accept = ours_accept and all(mine.accepted.get(each, True) for each in above)
        accepts = theirs.accepted.get(place, False)
        if accepts == ours_accept:
            self.agree += 1
        else:
            self.differences.append((place, _why(theirs, place, *above), _why(mine, place, *above)))
        if accepts:
            self.accepted += 1
            broken = strict[1][place]
            self.refused += bool(broken)
            for rule in broken:
                self.strict[rule] += 1
                self.strict_places.setdefault(rule, []).append(f"{place}: {_of_rule(strict[0], place, rule)}")

    def line(self, name: str) -> str:
        """Return what came out of the last tree."""
        results, agree, accepted, refused = self._last
        return f"{name}: {results:,} results, {agree:,} agree; of {accepted:,} accepted strict refuses {refused:,}"

    def lines(self, examples: int) -> Iterator[str]:
        """Yield what came out of all trees."""
        kinds: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        for place, theirs, mine in [*self.differences, *self.others]:
            key = ("refused here" if mine else "refused there"), _kind(mine or theirs)
            kinds.setdefault(key, []).append((place, theirs, mine))
        for (who, kind), found in sorted(kinds.items(), key=lambda each: -len(each[1])):
            yield f"\n{len(found)} {who}: {kind}"
            for place, theirs, mine in found[:examples]:
                yield f"  {place}\n    official: {theirs or 'accepted'}\n    ours: {mine or 'accepted'}"
        yield "\nstrict refuses of what the official checker accepts:"
        for rule, count in self.strict.most_common():
            yield f"  {count:5} {rule}"
            yield from (f"        {each}" for each in self.strict_places[rule][:examples])
        judged = self.results - self.unjudged
        yield (
            f"\n{self.round.name} ({self.round.checker}): {self.results:,} results, {judged:,} judged by both, "
            f"{self.agree:,} agree, "
            f"{len(self.differences):,} differ, and {len(self.others):,} other parts; "
            f"strict refuses {self.refused:,} of {self.accepted:,} accepted"
        )


def _why(said: Said, *places: str) -> str:
    texts = [text for place in places for text in said.reasons.get(place, ())]
    if not texts and not said.accepted.get(places[0], True):
        return "refused"
    return "; ".join(texts[:3])[:600] or ("" if said.accepted.get(places[0]) else "not mentioned")


def _of_rule(said: Said, place: str, rule: str) -> str:
    return next((text for text in said.reasons[place] if f"[{rule}]" in text), "")[:300]


def _kind(text: str) -> str:
    rules = re.findall(r"\[([a-z0-9-]+)\]", text)
    return ", ".join(sorted(set(rules))) or re.sub(r"\S*/\S*", "PATH", text)[:120]


if __name__ == "__main__":
    sys.exit(main())
