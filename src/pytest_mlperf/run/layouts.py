"""The layouts that runs found on this machine: a file in the cache, so that the same run need not look again."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import msgspec

from pytest_mlperf.artifacts.remembered import change_table, read_table
from pytest_mlperf.implementations.protocol import KeptLayout

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlperf.implementations.protocol import RunSpec

FILE = "layouts.json"
#: So many are kept, the newest.
KEPT = 500


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A layout, with the effort by which it was found."""

    kept: KeptLayout
    tune: str


def key(case: str, spec: RunSpec, cpus: float) -> str:
    """Return what a layout depends on but for versions: the case, the model, the machine and the options.

    Empty for a model whose digest is not known: nobody can tell whether it is the same.
    """
    if not spec.model_sha256:
        return ""
    options = sorted(spec.backend_options.items())
    parts = (platform.node(), f"{cpus:g}", case, spec.model_sha256, spec.num_threads, spec.max_batchsize, options)
    return " ".join(map(str, parts))


def look_up(cache: Path, name: str, tune: str) -> KeptLayout | None:
    """Return the layout that was found for a key; one that was found quickly is not for a thorough run."""
    found = read_table(cache / FILE, Found).get(name)
    if found is None or tune == "off" or (tune == "thorough" and found.tune != "thorough"):
        return None
    return found.kept


def note(cache: Path, name: str, found: Found) -> None:
    """Keep a layout; do nothing if the cache cannot be written."""

    def with_newest(layouts: dict[str, Found]) -> dict[str, Found]:
        layouts.pop(name, None)
        return dict(list({**layouts, name: found}.items())[-KEPT:])

    change_table(cache / FILE, Found, with_newest)
