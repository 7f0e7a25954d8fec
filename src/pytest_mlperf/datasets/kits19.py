"""KiTS19 on disk, raw or as MLPerf's preprocess.py leaves it: a folder a case, with a volume and its labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlperf.datasets.ct_preprocessing import preprocess_image, preprocess_labels
from pytest_mlperf.datasets.kits19_cases import CLONE, COPIES, IMAGE, LABEL, PREPROCESSED, SUFFIXES
from pytest_mlperf.datasets.kits19_digest import require_digest, stated_digests
from pytest_mlperf.datasets.nifti import Scan, read_header, read_image, read_labels
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_FIX = "give the directory with case_00000/imaging.nii.gz and segmentation.nii.gz with --dataset-path"


@dataclass(frozen=True)
class CaseFiles:
    """A case's name, its two files, and whether they are preprocessed."""

    name: str
    image: Path
    labels: Path
    preprocessed: bool


class CtSamples:
    """The volumes of some cases, ready for the network; a raw one is preprocessed whenever it is loaded.

    Parameters
    ----------
    directory
        Has the cases, raw (as a clone of neheller/kits19 or its ``data``) or preprocessed (in ``nifti``).
    names
        The cases, in the order of the sample indices.
    window
        The side of the sliding window, in voxels.
    spacing
        The voxels that volumes are resampled to, in millimetres.

    Raises
    ------
    DatasetError
        A case or one of its two files is missing. When a volume is loaded: it cannot be read, has no finite values,
        another shape or another axis order than its labels, or another MD5 than the directory states.
    """

    def __init__(self, directory: Path, names: Sequence[str], window: int, spacing: Sequence[float]) -> None:
        self._cases = find_cases(directory, names)
        self._digests = stated_digests(directory)
        self._window = window
        self._spacing = spacing

    def __len__(self) -> int:
        return len(self._cases)

    def __getitem__(self, index: int) -> Mapping[str, NDArray[np.float32]]:
        """Load a volume, the network's ``input``: float32 ``[D, H, W]``."""
        case = self._cases[index]
        image = load_image(case, self._window, self._spacing)
        if (stated := self._digests.get(case.name)) is not None:
            require_digest(case.image, image, load_labels(case, self._window, self._spacing), stated)
        return {"input": image}


def truth(directory: Path, name: str, window: int, spacing: Sequence[float]) -> NDArray[np.uint8]:
    """Return the labels of a case as large as its volume; raises as `CtSamples`."""
    [case] = find_cases(directory, [name])
    return load_labels(case, window, spacing)


def used_files(directory: Path, names: Sequence[str]) -> list[str]:
    """Return the names of the files of some cases; one that is a copy of another shares them."""
    paths = (path for case in find_cases(directory, names) for path in (case.image, case.labels))
    return list(dict.fromkeys(path.relative_to(directory).as_posix() for path in paths))


def load_image(case: CaseFiles, window: int, spacing: Sequence[float]) -> NDArray[np.float32]:
    """Return a case's volume as the network sees it: float32 ``[D, H, W]``."""
    scan = read_image(case.image)
    if not case.preprocessed:
        _require_axes(case.image, scan)
        return preprocess_image(scan.values, scan.header.spacing, spacing, window)
    stride = window // 2
    if any(side < window or side % stride for side in scan.values.shape):
        raise DatasetError(
            f"{case.image} is not preprocessed for this benchmark",
            expected=f"sides of at least {window} voxels, in steps of {stride}",
            found=f"the shape {scan.values.shape}",
            fix=f"preprocess it again, or {_FIX}",
        )
    return np.ascontiguousarray(scan.values)


def load_labels(case: CaseFiles, window: int, spacing: Sequence[float]) -> NDArray[np.uint8]:
    """Return a case's labels: uint8 ``[D, H, W]``; those of a raw case are resampled by the spacing of its volume."""
    labels = read_labels(case.labels)
    image = read_header(case.image)
    if labels.header.shape != image.shape or labels.header.axes != image.axes:
        raise DatasetError(
            f"{case.labels} does not belong to {case.image.name} beside it",
            expected=f"the shape {image.shape} with the axes {image.axes}",
            found=f"the shape {labels.header.shape} with the axes {labels.header.axes}",
            fix="give both files of a case as KiTS19 has them",
        )
    if case.preprocessed:
        return np.ascontiguousarray(labels.values)
    return preprocess_labels(labels.values, image.spacing, spacing, window)


def find_cases(directory: Path, names: Sequence[str]) -> list[CaseFiles]:
    """Return the files of some cases; raise before anything is loaded if one is missing."""
    preprocessed = (directory / PREPROCESSED).is_dir()
    root = directory / PREPROCESSED if preprocessed else directory
    if not preprocessed and not any((directory / name).is_dir() for name in names) and (directory / CLONE).is_dir():
        root = directory / CLONE
    cases = [_find(root, name, preprocessed=preprocessed) for name in names]
    missing = [name for name, case in zip(names, cases, strict=True) if case is None]
    if missing:
        raise _missing(directory, root, missing, len(names))
    return [case for case in cases if case is not None]


def _find(root: Path, name: str, *, preprocessed: bool) -> CaseFiles | None:
    for folder in (root / name, root / COPIES.get(name, name)):
        image, labels = _file(folder, IMAGE), _file(folder, LABEL)
        if image is not None and labels is not None:
            return CaseFiles(name, image, labels, preprocessed)
    return None


def _file(folder: Path, stem: str) -> Path | None:
    paths = (folder / f"{stem}{suffix}" for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _missing(directory: Path, root: Path, missing: Sequence[str], count: int) -> DatasetError:
    first = root / missing[0]
    if len(missing) == count and any(directory.glob("*.pkl")):
        return DatasetError(
            f"{directory} has its volumes only as pickle files",
            expected=f"the folder {PREPROCESSED} that preprocess.py of mlcommons/inference writes beside them",
            found=f"*.pkl and no {PREPROCESSED}/{missing[0]}: unpickling a file can run any code, so it is not done",
            fix=f"keep the folder {PREPROCESSED}, or {_FIX}",
        )
    lacks = [f"{stem}.nii.gz" for stem in (IMAGE, LABEL) if _file(first, stem) is None]
    return DatasetError(
        f"{len(missing)} of {count} cases are missing in {root}",
        expected=f"{missing[0]}/{IMAGE}.nii.gz and {missing[0]}/{LABEL}.nii.gz",
        found=f"no {' and no '.join(lacks)} in {first}" if first.is_dir() else f"no {missing[0]}",
        fix=f"{_FIX}, or use fewer cases with --dataset-size",
    )


def _require_axes(path: Path, scan: Scan) -> None:
    """Raise if the slices of a raw volume are not its first axis: resampling would take each axis for another.

    The reference resamples what it gets. A file without directions (a diagonal affine) is one whose axes cannot be
    told, unless its last voxel side is the odd one out: pixels within a slice are square.
    """
    axes = scan.header.axes
    first, second, third = scan.header.spacing
    undirected = axes[0] in "LR?" and axes[1] in "AP?" and first != second
    if axes[0] in "IS" or undirected or first == second == third:
        return
    raise DatasetError(
        f"{path} has its axes in another order",
        expected="slices along the first axis, as in KiTS19",
        found=f"the axes {axes}, voxels of {first:g} × {second:g} × {third:g} mm",
        fix="give the volumes of KiTS19, unchanged; reorienting them would change the sample",
    )
