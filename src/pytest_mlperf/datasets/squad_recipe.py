"""The recipe of SQuAD v1.1 with BERT's vocabulary. Separate from reading it, so that planning a run needs no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.datasets.squad_file import QUESTIONS, VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.fetching import Downloads, Provenance
    from pytest_mlperf.artifacts.recipe import KeyValue

# The addresses and MD5 are those of MLCommons' automation (get-dataset-squad, get-bert-squad-vocab).
OFFICIAL_QUESTIONS = RemoteFile(
    QUESTIONS,
    ("https://raw.githubusercontent.com/rajpurkar/SQuAD-explorer/master/dataset/dev-v1.1.json",),
    size=4_854_279,
    sha256="95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9",
    md5="3e85deb501d4e538b6bc56f786231552",
)
#: That of bert-base-uncased.
OFFICIAL_VOCABULARY = RemoteFile(
    VOCABULARY,
    ("https://zenodo.org/record/3733868/files/vocab.txt",),
    size=231_508,
    sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    md5="64800d5d8528ce344256daf115d4965e",
)


@dataclass(frozen=True)
class SquadRecipe:
    """The questions, their paragraphs, and the vocabulary of the model that answers them."""

    questions: RemoteFile = OFFICIAL_QUESTIONS
    vocabulary: RemoteFile = OFFICIAL_VOCABULARY
    kind: str = "dataset"
    name: str = "squad v1.1 dev"

    @property
    def source(self) -> str:
        """The publisher's address."""
        return self.questions.urls[0]

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Name and SHA-256 of each file."""
        return tuple((file.name, file.sha256 or "") for file in (self.questions, self.vocabulary))

    def key(self) -> Mapping[str, KeyValue]:
        """Return what determines the content: the checksums."""
        return dict(self.files)

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        """Put both files into `directory`."""
        from pytest_mlperf.artifacts.fetching import Provenance, place

        fetched = tuple(downloads.fetch(file) for file in (self.questions, self.vocabulary))
        for each, (name, _) in zip(fetched, self.files, strict=True):
            place(each.path, directory / name)
        return Provenance(fetched[0].url or self.source, fetched)

    def fault(self, directory: Path, files: Mapping[str, str]) -> str | None:
        """Say which file does not have its known checksum."""
        del directory
        others = ((name, known) for name, known in self.files if files.get(name, known) != known)
        return next((f"{name} has SHA-256 {files[name]}, not {known}" for name, known in others), None)


OFFICIAL = SquadRecipe()
