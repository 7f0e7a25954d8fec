"""The download of the official checker's source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.remote import ArchiveRecipe
from pytest_mlperf.artifacts.sources import RemoteFile

if TYPE_CHECKING:
    from pytest_mlperf.rules.round import Round

REPOSITORY = "https://github.com/mlcommons/inference"


def checker_recipe(round_: Round) -> ArchiveRecipe:
    """Return the recipe for the revision of mlcommons/inference that has the round's checker.

    There is no published checksum for these archives; that of the first download is remembered.
    """
    reference = "heads/master" if round_.checker == "head" else f"tags/{round_.checker}"
    name = f"inference-{round_.checker}.tar.gz"
    file = RemoteFile(name=name, urls=(f"{REPOSITORY}/archive/refs/{reference}.tar.gz",))
    return ArchiveRecipe(file, f"official checker {round_.checker}", kind="checker")
