"""The files of the run's model: hashed by the process that loads them, and the same until its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlperf.backends.model_content import model_content
from pytest_mlperf.backends.model_file import CHAT, ENDPOINT, FUNCTION
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from pytest_mlperf.backends.model_file import ModelFile
    from pytest_mlperf.implementations.protocol import RunSpec

_FIX = "leave the model's files alone while a session runs, and run it again"


class ModelFiles:
    """The files of the model of a run, hashed; none for an address.

    A runtime may map a file and read it as late as in the test: `check` is called after each load and after the test.

    Raises
    ------
    ModelError
        They are not the model of run.json, or cannot be read.
    """

    def __init__(self, spec: RunSpec, file: ModelFile) -> None:
        self.place: Path | str = spec.model
        self._content = None
        if file.format in (ENDPOINT, CHAT, FUNCTION):
            return
        self.place = Path(spec.model)
        self._content = model_content(self.place, file.format, [graph.file for graph in file.graphs])
        if spec.model_sha256 and self.sha256 != spec.model_sha256:
            raise ModelError(
                f"the model {spec.model} was changed before the run loaded it",
                expected=f"SHA-256 {spec.model_sha256}",
                found=f"SHA-256 {self.sha256}",
                fix=_FIX,
            )

    @property
    def sha256(self) -> str:
        """The digest of all files; empty for an address."""
        return self._content.sha256 if self._content is not None else ""

    def check(self) -> None:
        """Raise if a file was changed since it was hashed.

        Raises
        ------
        ModelError
            It was written, replaced, removed or added.
        """
        if self._content is not None and (change := self._content.change()) is not None:
            raise ModelError(
                f"{change.path} was changed while the run had the model loaded",
                expected=change.expected,
                found=change.found,
                fix=_FIX,
            )
