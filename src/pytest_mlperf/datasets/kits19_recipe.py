"""The recipe that fetches cases of KiTS19 and preprocesses them. Planning a run with it does not need numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_mlperf.artifacts.sources import RemoteFile
from pytest_mlperf.datasets.kits19_cases import COPIES, IMAGE, LABEL
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.download import Fetched
    from pytest_mlperf.artifacts.fetching import Downloads, Provenance
    from pytest_mlperf.artifacts.recipe import KeyValue

#: No size is published; a case has some hundred slices of 512 × 512.
MEAN_CASE_BYTES: Final = 100_000_000
#: Changes when preprocessing does.
PREPROCESSING: Final = 1


@dataclass(frozen=True)
class Kits19Files:
    """Where KiTS19 is published: addresses with ``{:05d}`` for the patient's number."""

    images: str = "https://kits19.sfo2.digitaloceanspaces.com/master_{:05d}.nii.gz"
    labels: str = "https://github.com/neheller/kits19/raw/master/data/case_{:05d}/segmentation.nii.gz"


OFFICIAL = Kits19Files()


@dataclass(frozen=True)
class Kits19Recipe:
    """Some cases, preprocessed into ``nifti`` as preprocess.py of mlcommons/inference does, but not compressed."""

    cases: tuple[str, ...]
    window: int
    spacing: tuple[float, float, float]
    files: Kits19Files = OFFICIAL
    kind: str = "dataset"

    @property
    def name(self) -> str:
        """The name in the cache."""
        return f"kits19 {len(self.cases)}"

    @property
    def source(self) -> str:
        """The publisher's address."""
        return self.files.images.rpartition("/")[0]

    def key(self) -> Mapping[str, KeyValue]:
        """Return what determines the volumes: where they are from, which, and how they are preprocessed."""
        return {
            "images": self.files.images,
            "labels": self.files.labels,
            "cases": list(self.cases),
            "preprocessing": PREPROCESSING,
            "window": self.window,
            "spacing": list(self.spacing),
        }

    def served_by(self, key: Mapping[str, KeyValue]) -> bool:
        """Return whether an artifact has these cases, and more of them."""
        held = key.get("cases")
        return (
            isinstance(held, list)
            and held[: len(self.cases)] == list(self.cases)
            and {**key, "cases": list(self.cases)} == self.key()
        )

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        """Fetch the cases and write them preprocessed; one that is a copy of another is written as its own.

        Raises
        ------
        DatasetError
            What comes is not a volume with its labels.
        FetchError
            A file cannot be had.
        """
        from pytest_mlperf.artifacts.fetching import Provenance
        from pytest_mlperf.datasets.kits19 import CaseFiles
        from pytest_mlperf.datasets.kits19_writing import write_preprocessed

        patients = list(dict.fromkeys(COPIES.get(name, name) for name in self.cases))
        remote = [file for patient in patients for file in self._remote(patient)]
        fetched = downloads.fetch_many(remote, self.name, MEAN_CASE_BYTES // 2)
        by_patient = dict(zip(patients, zip(fetched[::2], fetched[1::2], strict=True), strict=True))
        for name in self.cases:
            image, labels = by_patient[COPIES.get(name, name)]
            case = CaseFiles(name, image.path, labels.path, preprocessed=False)
            try:
                write_preprocessed(case, directory, self.window, self.spacing)
            except DatasetError:
                _reject(downloads, image, labels)
                raise
        return Provenance(self.source, tuple(fetched))

    def _remote(self, patient: str) -> tuple[RemoteFile, RemoteFile]:
        number = int(patient.removeprefix("case_"))
        image, labels = self.files.images.format(number), self.files.labels.format(number)
        return (
            RemoteFile(f"{patient}/{IMAGE}.nii.gz", (image,)),
            RemoteFile(f"{patient}/{LABEL}.nii.gz", (labels,)),
        )


def _reject(downloads: Downloads, *files: Fetched) -> None:
    for file in files:
        downloads.reject(file)
