"""The data sets for speech recognition: LibriSpeech, and spoken numbers in the same layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.remote import ArchiveRecipe
from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.origin import Remote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_mlperf.datasets.base import Samples
    from pytest_mlperf.datasets.spoken_numbers_recipe import SpokenNumbersRecipe

#: LibriSpeech is CC BY 4.0 (V. Panayotov, G. Chen, D. Povey, S. Khudanpur). The checksum is that of other packages;
#: its publisher states an MD5, 42e2234ba48799c1f50f24a7926300a1.
DEV_CLEAN = RemoteFile(
    "dev-clean.tar.gz",
    ("http://www.openslr.org/resources/12/dev-clean.tar.gz",),
    size=337_926_286,
    sha256="76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
)


@dataclass(frozen=True)
class Speech:
    """Utterances of at most 15 s, 16 kHz mono, in one of the layouts of `pytest_mlperf.datasets.utterances`."""

    name: str
    size: int | None = None
    #: scipy is for the features, which are computed in the timed part.
    requirements: tuple[str, ...] = ("soundfile>=0.12.1", "scipy>=1.13")

    def open(self, directory: Path, count: int, variant: str) -> Samples:
        """Open the first `count` utterances: waveforms, float32 ``[samples]`` each, -1 to 1."""
        from pytest_mlperf.datasets.waveforms import Waveforms

        del variant
        return Waveforms(directory, count)

    def used_files(self, directory: Path, count: int) -> Sequence[str]:
        """Return the names of the lists, and of the files of the first `count` utterances."""
        from pytest_mlperf.datasets.utterances import used_files

        return used_files(directory, count)


@dataclass(frozen=True)
class LibriSpeech(Speech):
    """The utterances of LibriSpeech's dev-clean."""

    files: RemoteFile = DEV_CLEAN

    def source(self, count: int) -> Remote:
        """Return the download, which is always of all utterances."""
        del count
        return Remote(
            ArchiveRecipe(self.files, "LibriSpeech dev-clean"),
            "LibriSpeech dev-clean",
            f"{self.files.size:,} bytes" if self.files.size is not None else "about 340 MB",
            self.files.size or 340_000_000,
            "--dataset-path DIR",
        )


@dataclass(frozen=True)
class SpokenNumbers(Speech):
    """Synthesised numbers, digit by digit."""

    def source(self, count: int) -> SpokenNumbersRecipe:
        """Return the recipe of at least `count` utterances."""
        from pytest_mlperf.datasets.spoken_numbers_recipe import SpokenNumbersRecipe

        return SpokenNumbersRecipe(max(count, self.size or 0))
