from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest

from pytest_mlperf.benchmarks.unet3d import KITS19
from pytest_mlperf.datasets.kits19 import CtSamples, find_cases, truth, used_files
from pytest_mlperf.datasets.kits19_cases import CALIBRATION_CASES, COPIES, INFERENCE_CASES
from pytest_mlperf.datasets.kits19_digest import pickled_md5
from pytest_mlperf.datasets.kits19_writing import write_preprocessed
from pytest_mlperf.datasets.nifti import read_header, read_image, read_labels
from pytest_mlperf.datasets.nifti_writing import nifti_bytes
from pytest_mlperf.datasets.volumes import SPACING
from pytest_mlperf.errors import DatasetError
from tests.datasets.ct_volumes import named, volume

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NAMES = ("case_00000", "case_00003")
SHAPE = (14, 30, 40)
VOXEL = (3.0, 1.0, 1.0)
WINDOW = 32


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two raw cases."""
    for name in NAMES:
        (tmp_path / name).mkdir()
        for stem, values in named(volume(SHAPE)):
            content = gzip.compress(nifti_bytes(values, VOXEL), mtime=0)
            (tmp_path / name / f"{stem}.nii.gz").write_bytes(content)
    return tmp_path


def samples(directory: Path, names: tuple[str, ...] = NAMES) -> CtSamples:
    return CtSamples(directory, names, WINDOW, SPACING)


def image(directory: Path, name: str = NAMES[0]) -> Path:
    return directory / name / "imaging.nii.gz"


def save(path: Path, values: NDArray[Any], affine: NDArray[Any] | None = None) -> None:
    """Write a file as anybody would; without an affine, with KiTS19's axes."""
    kits = np.array([[0, 0, -1.0, 0], [0, -1, 0, 0], [-3, 0, 0, 0], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(values, kits if affine is None else affine), path)


def test_the_cases_are_mlperfs_in_its_order() -> None:
    assert len(INFERENCE_CASES) == len(set(INFERENCE_CASES)) == 43
    assert list(INFERENCE_CASES) == sorted(INFERENCE_CASES)
    assert (INFERENCE_CASES[0], INFERENCE_CASES[-1], len(CALIBRATION_CASES)) == ("case_00000", "case_00400", 20)
    assert not set(INFERENCE_CASES) & set(CALIBRATION_CASES)
    assert KITS19.cases(2) == NAMES


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_what_is_written_here_is_what_nibabel_reads(dtype: type, tmp_path: Path) -> None:
    values: NDArray[Any] = np.arange(24).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "a.nii").write_bytes(nifti_bytes(values, (2.5, 0.78125, 0.78125)))
    found = nibabel.load(tmp_path / "a.nii")
    assert np.array_equal(np.asarray(found.dataobj), values)
    assert found.get_data_dtype() == dtype
    assert found.header.get_zooms() == (2.5, 0.78125, 0.78125)
    assert nibabel.aff2axcodes(found.affine) == ("I", "P", "L")


def test_the_spacing_is_that_of_single_precision(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(nifti_bytes(np.zeros((1, 2, 3), np.uint8), (1.6, 1.2, 1.2)))
    assert read_header(tmp_path / "a.nii").spacing == tuple(np.array([1.6, 1.2, 1.2], np.float32).tolist())


@pytest.mark.parametrize("dtype", [np.int16, np.float64, np.uint16, np.int32])
def test_values_are_those_of_get_fdata_in_single_precision(dtype: type, tmp_path: Path) -> None:
    values: NDArray[Any] = (np.arange(60).reshape(3, 4, 5) * 7).astype(dtype)
    save(tmp_path / "a.nii.gz", values)
    assert np.array_equal(read_image(tmp_path / "a.nii.gz").values, values.astype(np.float32))


def test_scaled_values_are_scaled_in_double_precision(tmp_path: Path) -> None:
    scaled = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    scaled.header.set_slope_inter(0.1, -3.3)
    nibabel.save(scaled, tmp_path / "a.nii")
    expected = nibabel.load(tmp_path / "a.nii").get_fdata().astype(np.float32)
    assert np.array_equal(read_image(tmp_path / "a.nii").values, expected)


def test_a_clone_its_data_and_preprocessed_volumes_are_the_same_samples(raw: Path, tmp_path: Path) -> None:
    clone, made = tmp_path / "clone", tmp_path / "made"
    clone.mkdir()
    (clone / "data").symlink_to(raw)
    for case in find_cases(raw, NAMES):
        write_preprocessed(case, made, WINDOW, SPACING)
    expected = samples(raw)[1]["input"]
    assert expected.dtype == np.float32
    assert expected.flags.c_contiguous
    assert all(side % 16 == 0 and side >= 32 for side in expected.shape)
    for directory in (clone, made):
        found = samples(directory)[1]["input"]
        assert found.flags.c_contiguous
        assert np.array_equal(found, expected)
        labels = truth(directory, NAMES[1], WINDOW, SPACING)
        assert labels.shape == expected.shape
        assert np.array_equal(labels, truth(raw, NAMES[1], WINDOW, SPACING))


def test_the_files_of_a_case_are_its_volume_and_its_labels(raw: Path) -> None:
    assert used_files(raw, NAMES) == [f"{name}/{stem}.nii.gz" for name in NAMES for stem in ("imaging", "segmentation")]


def test_the_last_case_is_a_copy_unless_it_is_there(raw: Path) -> None:
    [(copy, original)] = COPIES.items()
    (raw / NAMES[0]).rename(raw / original)
    names = (original, copy)
    assert used_files(raw, names) == [f"{original}/imaging.nii.gz", f"{original}/segmentation.nii.gz"]
    opened = samples(raw, names)
    assert len(opened) == 2
    assert np.array_equal(opened[0]["input"], opened[1]["input"])
    (raw / NAMES[1]).rename(raw / copy)
    assert used_files(raw, names)[2:] == [f"{copy}/imaging.nii.gz", f"{copy}/segmentation.nii.gz"]


@pytest.mark.parametrize("stem", ["imaging", "segmentation"])
def test_a_missing_file_is_an_error_before_anything_is_loaded(stem: str, raw: Path) -> None:
    (raw / NAMES[1] / f"{stem}.nii.gz").unlink()
    with pytest.raises(DatasetError) as caught:
        samples(raw)
    assert "1 of 2 cases are missing" in caught.value.what
    assert f"no {stem}.nii.gz" in caught.value.found
    assert "--dataset-size" in caught.value.fix


def test_a_directory_with_nothing_of_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="2 of 2 cases are missing"):
        samples(tmp_path)


def test_pickles_are_not_unpickled(tmp_path: Path) -> None:
    (tmp_path / "case_00000.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(DatasetError, match="only as pickle files") as caught:
        samples(tmp_path)
    assert "nifti" in caught.value.expected


@pytest.mark.parametrize("cut", [0, 10, 300, 600, -40], ids=["empty", "start", "header", "body", "end"])
@pytest.mark.parametrize("compressed", [True, False], ids=["gz", "plain"])
def test_a_truncated_file_is_an_error(cut: int, compressed: bool, raw: Path) -> None:
    content = image(raw).read_bytes()
    if compressed:
        image(raw).write_bytes(content[:cut])
    else:
        image(raw).unlink()
        (raw / NAMES[0] / "imaging.nii").write_bytes(gzip.decompress(content)[:cut])
    with pytest.raises(DatasetError, match="cannot be read") as caught:
        samples(raw)[0]
    assert caught.value.found


@pytest.mark.parametrize("content", [b"a page that asks for a password", b"\x1f\x8bno gzip at all", bytes(2000)])
def test_what_is_no_nifti_is_an_error(content: bytes, raw: Path) -> None:
    image(raw).write_bytes(content)
    with pytest.raises(DatasetError, match=r"cannot be read|not one volume"):
        samples(raw)[0]


def test_a_header_that_promises_terabytes_is_an_error(raw: Path) -> None:
    content = bytearray(nifti_bytes(np.zeros((1, 1, 1), np.int16), VOXEL))
    content[42:48] = np.array([30000] * 3, "<i2").tobytes()
    image(raw).write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DatasetError, match="not one volume"):
        samples(raw)[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_an_error(value: float, raw: Path) -> None:
    values = volume(SHAPE)[0].astype(np.float32)
    values[3, 4, 5] = value
    save(image(raw), values)
    with pytest.raises(DatasetError, match="not finite") as caught:
        samples(raw)[0]
    assert "1 of 16,800" in caught.value.found


def test_a_volume_with_four_axes_is_an_error(raw: Path) -> None:
    save(image(raw), np.zeros((4, 5, 6, 2), np.int16))
    with pytest.raises(DatasetError, match="not one volume"):
        samples(raw)[0]


@pytest.mark.parametrize("label", [3, 255, -1, 0.5, np.nan])
def test_another_label_is_an_error(label: float, raw: Path) -> None:
    labels = volume(SHAPE)[1].astype(np.float32)
    labels[0, 0, 0] = label
    save(raw / NAMES[0] / "segmentation.nii.gz", labels)
    with pytest.raises(DatasetError, match="labels that this task does not know") as caught:
        truth(raw, NAMES[0], WINDOW, SPACING)
    assert "1 voxels with others" in caught.value.found


def test_labels_of_any_type_are_labels(tmp_path: Path) -> None:
    labels = volume(SHAPE)[1]
    save(tmp_path / "a.nii.gz", labels.astype(np.float64))
    found = read_labels(tmp_path / "a.nii.gz").values
    assert found.dtype == np.uint8
    assert np.array_equal(found, labels)


def test_labels_of_another_shape_are_an_error(raw: Path) -> None:
    save(raw / NAMES[0] / "segmentation.nii.gz", volume((14, 30, 41))[1])
    with pytest.raises(DatasetError, match=r"does not belong to imaging\.nii\.gz") as caught:
        truth(raw, NAMES[0], WINDOW, SPACING)
    assert "(14, 30, 41)" in caught.value.found


def test_labels_with_other_axes_are_an_error(raw: Path) -> None:
    save(raw / NAMES[0] / "segmentation.nii.gz", volume(SHAPE)[1], np.diag([3.0, 1, 1, 1]))
    with pytest.raises(DatasetError, match="does not belong"):
        truth(raw, NAMES[0], WINDOW, SPACING)


@pytest.mark.parametrize(
    "affine",
    [np.diag([1.0, 1, 3, 1]), np.array([[0, -1.0, 0, 0], [-1, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]])],
    ids=["LPS", "PLS"],
)
def test_slices_along_another_axis_are_an_error(affine: NDArray[Any], raw: Path) -> None:
    values = np.ascontiguousarray(volume(SHAPE)[0].T)
    save(image(raw), values, affine)
    with pytest.raises(DatasetError, match="axes in another order") as caught:
        samples(raw)[0]
    assert "1 × 1 × 3 mm" in caught.value.found


def test_a_file_without_directions_is_taken_as_it_is_stored(raw: Path) -> None:
    expected = samples(raw)[0]["input"]
    save(image(raw), volume(SHAPE)[0], np.diag([3.0, 1, 1, 1]))
    assert np.array_equal(samples(raw)[0]["input"], expected)


@pytest.mark.parametrize("shape", [(32, 32, 40), (16, 32, 32)])
def test_a_preprocessed_volume_of_another_window_is_an_error(shape: tuple[int, int, int], tmp_path: Path) -> None:
    folder = tmp_path / "nifti" / NAMES[0]
    folder.mkdir(parents=True)
    (folder / "imaging.nii").write_bytes(nifti_bytes(np.zeros(shape, np.float32), SPACING))
    (folder / "segmentation.nii").write_bytes(nifti_bytes(np.zeros(shape, np.uint8), SPACING))
    with pytest.raises(DatasetError, match="not preprocessed for this benchmark"):
        samples(tmp_path, NAMES[:1])[0]


def test_the_md5_that_the_directory_states_is_compared(raw: Path) -> None:
    stated = {
        f"{name}.pkl": pickled_md5(samples(raw)[place]["input"], truth(raw, name, WINDOW, SPACING))[place]
        for place, name in enumerate(NAMES)  # one as new, one as old versions of numpy write it
    }
    (raw / "checksum_inference.json").write_text(json.dumps(stated))
    opened = samples(raw)
    assert [opened[place]["input"].ndim for place in range(2)] == [3, 3]
    labels = volume(SHAPE)[1]
    labels[7, 15, 20] = 0 if labels[7, 15, 20] else 1
    save(raw / NAMES[0] / "segmentation.nii.gz", labels)
    with pytest.raises(DatasetError, match="not the case that MLPerf measures"):
        samples(raw)[0]
