"""The hooks that other plugins and a ``conftest.py`` may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_mlperf.implementations.protocol import RunOptions
    from pytest_mlperf.run.case import Case
    from pytest_mlperf.run.result import RunResult


@pytest.hookspec(firstresult=True)
def pytest_mlperf_configure_run(item: pytest.Item, case: Case, options: RunOptions) -> RunOptions | None:
    """Return other options for a run of this case; None keeps them. The first implementation that returns some counts.

    Called before each run that ``mlperf.run()`` starts, in the process that runs the item. `options` are frozen:
    return ``msgspec.structs.replace(options, target_qps=200)``.

    Parameters
    ----------
    item
        The item whose case is run.
    case
        The case: ``benchmark``, ``backend``, ``device``, ``scenario``, ``mode``, ``id``.
    options
        What the command line, the ini file and the defaults say; see `pytest_mlperf.implementations.protocol`.
    """


def pytest_mlperf_result(item: pytest.Item, case: Case, result: RunResult) -> None:
    """Take the result of a run, also that of a failed one; its verdict is ``failed`` then.

    Called after each run that ``mlperf.run()`` has made, before the item looks at the result, in the process that runs
    the item: with pytest-xdist, in a worker.

    Parameters
    ----------
    item, case
        The item, and the case that was run.
    result
        The result, as ``mlperf.run()`` returns it.
    """
