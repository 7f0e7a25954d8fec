"""The rules of what describes a result: its measurements, its settings, its code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding
from pytest_mlperf.rules.reading.files import state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_mlperf.rules.checks.case import BenchmarkCase, ResultCase, SubmitterCase
    from pytest_mlperf.rules.reading.files import Document

#: SYSTEM_IMP_REQUIRED_FILES of the official checkers.
FIELDS = (
    "input_data_types",
    "retraining",
    "starting_weights_filename",
    "weight_data_types",
    "weight_transformations",
)
_FILES = ("user.conf", "README.md")

#: What the checkers of v2.1 and v3.0 look for fields in, too.
_SEARCHED = ("is a JSON list", "is a JSON str")


def measurements_file(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the measurements are missing or cannot be read."""
    document = case.result.measurements
    if document.fault is not None:
        yield Finding(
            rule="measurements-file",
            what="the measurements cannot be read",
            expected=f"a JSON object with {', '.join(FIELDS)}",
            found=state(document.fault),
            fix="write into it what the model's weights are and how they were made",
            file=document.file,
        )


def measurements_fields(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when a field is missing or empty."""
    document = case.result.measurements
    lacking = [name for name in FIELDS if not document.values.get(name)]
    if document.fault is None and lacking:
        yield Finding(
            rule="measurements-fields",
            what="fields of the measurements are missing or empty",
            expected=f"text in {', '.join(FIELDS)}",
            found=f"nothing in {', '.join(lacking)}",
            fix='fill them in; what does not apply is "no" or "none"',
            file=document.file,
        )


def measurements_files(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding for each file beside the measurements that is missing or empty."""
    yield from _files(case, (*_FILES, *(("mlperf.conf",) if case.round.wants_mlperf_conf else ())))


def measurements_directory(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when a result has no directory of measurements."""
    place = f"measurements/{case.system.name}/{case.directory}/{case.result.directory_name}"
    if case.submitter.layout == "measurements" and case.submitter.directory.find(place) is None:
        yield Finding(
            rule="measurements-directory",
            what="the measurements are missing",
            expected=place,
            found="no such directory",
            fix="add it, with the result's settings",
            file=f"{case.submitter.path}/{place}",
        )


def measurements_json(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the measurements are there, and have nothing in which a field can be looked for."""
    document = case.result.measurements
    if document.fault is not None and not document.missing and not document.fault.startswith(_SEARCHED):
        yield Finding(
            rule="measurements-json",
            what="the measurements cannot be read",
            expected="a JSON object",
            found=state(document.fault),
            fix="correct the file",
            file=document.file,
        )


def measurements_readme(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when a result without LoadGen's settings has no README.md, or an empty one."""
    yield from _files(case, tuple(name for name in _FILES if not name.endswith(".conf")))


def _files(case: ResultCase, names: Iterable[str]) -> Iterator[Finding]:
    for name in names:
        text = case.result.measurements_texts[name]
        if text.missing or (text.fault is None and not text.content):
            yield Finding(
                rule="measurements-files",
                what=f"{name} is missing" if text.missing else f"{name} is empty",
                expected="the settings of LoadGen" if name.endswith(".conf") else "how to run the result again",
                found="no such file" if text.missing else "0 bytes",
                fix=f"add {name}",
                file=text.file,
            )


def measurements_text(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding for each file beside the measurements that is no text."""
    for text in case.result.measurements_texts.values():
        if text.fault is not None and not text.missing:
            yield Finding(
                rule="measurements-text",
                what=f"{text.file.rpartition('/')[2]} cannot be read",
                expected="text in UTF-8",
                found=state(text.fault),
                fix="copy it again",
                file=text.file,
            )


def measurements_keys(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when the measurements have a key twice."""
    yield from duplicate_keys(case.result.measurements)


def duplicate_keys(document: Document) -> Iterator[Finding]:
    """Yield a finding when a JSON object has a key twice."""
    if document.twice:
        yield Finding(
            rule="duplicate-keys",
            what="the file has a key twice, with different values",
            expected="each key once",
            found=", ".join(document.twice[:5]),
            fix="remove one of them; the last one counts",
            file=document.file,
        )


def code(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when the submitter has no code at all."""
    name = "code" if case.submitter.layout == "measurements" else "src"
    results = any(system.results for system in case.submitter.systems)
    # Where src/ is asked for, the official checker looks whether something has that name.
    files = case.submitter.directory.files if case.submitter.layout == "results" else ()
    if name not in case.submitter.directory.directories and name not in files and results:
        yield Finding(
            rule="code",
            what="the submission has no code",
            expected=f"the directory {name}",
            found=", ".join(case.submitter.directory.directories) or "an empty directory",
            fix=f"add {name}/<benchmark> with what ran the benchmark, or a README.md that says where it is",
            file=case.submitter.path,
        )


def code_of_benchmark(case: BenchmarkCase) -> Iterator[Finding]:
    """Yield a finding when the submitter has code, and none of this benchmark; v6.0 does not ask for it any more."""
    directory = case.submitter.directory.directories.get("code")
    if case.submitter.layout != "measurements" or directory is None:
        return
    pointer = case.submitter.code_pointers.get(case.directory)
    place = pointer.content.strip() if pointer is not None else case.directory
    if directory.find(place.strip("/")) is None:
        yield Finding(
            rule="code",
            what=f"the submission has no code of {case.directory}",
            expected=f"code/{place}",
            found=", ".join([*directory.directories, *directory.files][:5]) or "an empty directory",
            fix="add what ran the benchmark, or a README.md that says where it is",
            file=f"{directory.path}/{case.directory}",
        )


def calibration(case: SubmitterCase) -> Iterator[Finding]:
    """Yield a finding when nothing says how the models were calibrated."""
    if case.submitter.calibration.missing:
        yield Finding(
            rule="calibration",
            what="the calibration is not documented",
            expected="calibration.md",
            found="no such file",
            fix="add it; if nothing was quantised, it says so",
            file=case.submitter.path,
        )
