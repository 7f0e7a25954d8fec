"""What v4.1's checker asks in the place of the log: that a .conf file sets equal issue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.rules.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.rules.checks.case import ResultCase

_KEY = "sample_concatenate_permutation"
_FILES = ("mlperf.conf", "user.conf")


def equal_issue_conf(case: ResultCase) -> Iterator[Finding]:
    """Yield a finding when neither mlperf.conf nor user.conf beside the measurements sets equal issue.

    The checker of v4.1 also compares the log's value, which is true or false, with the text "true": it never is that.
    """
    if case.rules is None or not case.rules.equal_issue or case.result.measurements.missing:
        return
    used, fault = False, ""
    for name in _FILES:
        try:
            said = _set(case.result.measurements_texts[name].content, case)
        except ValueError:
            fault = f"{name} has a line that is not model.scenario.key = value"
            break
        used = said if said is not None else used
    if not used or fault:
        yield Finding(
            rule="equal-issue-conf",
            what="no .conf file beside the measurements sets equal issue",
            expected=f"{_KEY} = 1 of the model in {' or '.join(_FILES)}",
            found=fault or "no such line",
            fix="add the files that LoadGen used",
            file=case.result.measurements.file,
        )


def _set(content: str, case: ResultCase) -> bool | None:
    """Return what a file sets, None where it sets nothing, as the checker reads it.

    Raises
    ------
    ValueError
        A line has another form: the checker would end there.
    """
    model = (case.benchmark or "").replace("-99.9", "").replace("-99", "")
    for written in content.split("\n"):
        line = written.replace(" ", "")
        if not line or line.startswith("#"):
            continue
        names, value = line.split("=")
        of_model, of_scenario, key = names.split(".")
        fits = of_model in (model, "*") and of_scenario in (case.result.directory_name, "*")
        if key == _KEY and fits and value.isnumeric():
            return int(value) == 1
    return None
