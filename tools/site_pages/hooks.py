"""The pages of the Python interface: mkdocstrings reads the docstrings of the modules that are named here."""

from __future__ import annotations

#: Title, module, what it is for, and the names that are shown; none: what the module defines.
_API = (
    ("The fixture `mlperf`", "pytest_mlperf.plugin.fixtures", "What a test gets.", ("MLPerf",)),
    ("Results", "pytest_mlperf.run.result", "What `mlperf.run()` returns.", ("RunResult", "Compliance")),
    ("Findings", "pytest_mlperf.rules.finding", "One broken rule.", ("Finding",)),
    ("Benchmarks", "pytest_mlperf.benchmarks.base", "A task: data set, metric, model files, answers.", ()),
    ("Backends", "pytest_mlperf.backends.base", "A runtime that executes a model.", ()),
    ("Data sets", "pytest_mlperf.datasets.base", "Samples by index.", ()),
    ("Metrics", "pytest_mlperf.metrics.base", "From answers to a figure.", ()),
    ("Implementations", "pytest_mlperf.implementations.base", "Who feeds LoadGen.", ()),
    ("Options of a run", "pytest_mlperf.implementations.protocol", "What hooks may change.", ("RunOptions",)),
)

_HOOKS = """\
# Hooks

A `conftest.py` or a plugin may implement these. [Your own tests](../writing-tests.md#hooks) has an example of each.

"""
_INTERFACE = """\
# Python interface

What a test uses, and what a package of your own implements. Entry points, and a start for each, are in
[CONTRIBUTING.md](../project/CONTRIBUTING.md#adding-something).

"""


def hooks_page() -> str:
    """Return the page of the hooks."""
    return f"{_HOOKS}{_directive('pytest_mlperf.plugin.newhooks', (), heading=2)}"


def api_page() -> str:
    """Return the page of the classes and protocols that tests and other packages use."""
    parts = [_INTERFACE]
    for title, module, purpose, members in _API:
        parts.append(f"## {title}\n\n{purpose} Module `{module}`.\n\n{_directive(module, members, heading=3)}\n")
    return "".join(parts)


def _directive(module: str, members: tuple[str, ...], heading: int) -> str:
    shown = f"\n      members: [{', '.join(members)}]" if members else ""
    return f"::: {module}\n    options:\n      heading_level: {heading}\n      show_root_toc_entry: false{shown}\n"
