"""Where the history is: a file that is named, the user's data directory, or nowhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names the file in the environment, or is `OFF`.
VARIABLE = "PYTEST_MLPERF_HISTORY"
OFF = "off"


def history_file(named: str | Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the history's file; None where no history is wanted.

    Parameters
    ----------
    named
        A file or `OFF`; None where no option says it.
    environ
        The environment, of which `VARIABLE` counts where `named` is None.
    """
    named = named or environ.get(VARIABLE)
    if named == OFF:
        return None
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_data_path("pytest-mlperf", appauthor=False) / "history.sqlite"


def project_of(directory: Path) -> Path:
    """Return the project that a directory belongs to: the nearest one upwards with ``.git``, else itself."""
    here = Path(os.path.abspath(directory))  # noqa: PTH100 - a link to a project is left as it was named
    return next((each for each in (here, *here.parents) if (each / ".git").exists()), here)
