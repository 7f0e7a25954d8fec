from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from pytest_mlperf.datasets.kits19_digest import pickled_md5, require_digest, stated_digests
from pytest_mlperf.errors import DatasetError

IMAGE, LABELS = np.zeros((2, 3, 4), np.float32), np.ones((2, 3, 4), np.uint8)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (4, 8, 7), (3, 300, 31), (26, 26, 26), (41, 40, 40)], ids=str)
def test_the_md5_is_that_of_the_pickle_as_numpy_1_writes_it(shape: tuple[int, int, int]) -> None:
    values = np.arange(np.prod(shape)).reshape(shape)
    image, labels = values.astype(np.float32), (values % 3).astype(np.uint8)
    content = pickle.dumps([image[None], labels[None]], protocol=4)
    long = b"\x8c\x16numpy._core.multiarray"
    if long in content:  # numpy 2: a longer name, in the first frame
        content = content.replace(long, b"\x8c\x15numpy.core.multiarray")
        length = int.from_bytes(content[3:11], "little") - 1
        content = content[:3] + length.to_bytes(8, "little") + content[11:]
    assert pickled_md5(image, labels)[0] == hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_a_stated_md5_may_be_that_of_either_way_of_writing() -> None:
    for md5 in pickled_md5(IMAGE, LABELS):
        require_digest(Path("case_00000/imaging.nii"), IMAGE, LABELS, md5)


def test_another_md5_is_an_error() -> None:
    with pytest.raises(DatasetError, match="not the case that MLPerf measures"):
        require_digest(Path("case_00000/imaging.nii"), IMAGE, LABELS, "0" * 32)


def test_the_file_of_checksums_names_cases(tmp_path: Path) -> None:
    assert stated_digests(tmp_path) == {}
    (tmp_path / "checksum_inference.json").write_text(json.dumps({"case_00000.pkl": "ABC"}))
    assert stated_digests(tmp_path) == {"case_00000": "abc"}


@pytest.mark.parametrize("content", ["", "[", "[1]", "7", "\xff"])
def test_a_broken_file_of_checksums_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "checksum_inference.json").write_text(content, "latin-1")
    with pytest.raises(DatasetError, match="cannot be read"):
        stated_digests(tmp_path)
