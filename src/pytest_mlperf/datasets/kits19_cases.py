"""The cases of KiTS19 that MLPerf uses, in its order, and the names of their files. Needs no numpy."""

from __future__ import annotations

from typing import Final

IMAGE: Final = "imaging"
LABEL: Final = "segmentation"
SUFFIXES: Final = (".nii.gz", ".nii")
#: The folder of preprocessed volumes, as preprocess.py of mlcommons/inference names it.
PREPROCESSED: Final = "nifti"
#: The folder of the volumes in a clone of neheller/kits19.
CLONE: Final = "data"
#: MD5 of MLPerf's pickled volumes by file name, as mlcommons/inference keeps it in meta/.
CHECKSUMS: Final = "checksum_inference.json"


def case_name(number: int) -> str:
    """Return the name of a patient's folder: ``case_00007``."""
    return f"case_{number:05d}"


# Patients of 3d-unet-kits19/meta/inference_cases.json in mlcommons/inference; a place here is a sample index.
# fmt: off
_INFERENCE: Final = (
    0, 3, 5, 6, 12, 24, 34, 41, 44, 49, 52, 56, 61, 65, 66, 70, 76, 78, 80, 84, 86, 87, 92, 111, 112, 125, 128, 138,
    157, 160, 161, 162, 169, 171, 176, 185, 187, 189, 198, 203, 206, 207, 400,
)
# Patients of calibration/KiTS/calibration_cases.txt.
_CALIBRATION: Final = (
    50, 117, 172, 149, 91, 147, 144, 100, 90, 196, 183, 130, 136, 47, 73, 141, 53, 148, 81, 150,
)
# fmt: on
INFERENCE_CASES: Final = tuple(map(case_name, _INFERENCE))
CALIBRATION_CASES: Final = tuple(map(case_name, _CALIBRATION))
#: KiTS19 ends at case_00299: MLPerf's last case is a copy, which counts as a case of its own.
COPIES: Final = {"case_00400": "case_00185"}
