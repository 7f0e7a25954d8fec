"""COCO's images are fetched one by one: those that MLPerf may use, in order, with the annotations of all of them."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.benchmarks.yolo import OFFICIAL_99
from pytest_mlperf.datasets import coco_recipe
from pytest_mlperf.datasets.coco_recipe import CocoFiles, CocoRecipe
from pytest_mlperf.datasets.coco_val import coco_truth
from pytest_mlperf.datasets.image_download import LIST
from pytest_mlperf.errors import DatasetError, FetchError
from tests.artifacts.recipes import artifacts_in
from tests.artifacts.web import QUICK, Web, status
from tests.official.yolo import OTHER, SIZES, annotation_file, file_name, picture

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [file_name(number) for number in range(len(SIZES))]
ARCHIVE, IMAGES = (
    urlsplit(coco_recipe.OFFICIAL.annotations.urls[0]).path,
    urlsplit(coco_recipe.OFFICIAL.images[0]).path,
)


def zipped(content: bytes) -> bytes:
    """Return an archive like COCO's, with other annotations beside those that are wanted."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations/captions_val2017.json", "{}")
        archive.writestr("annotations/instances_val2017.json", content)
    return buffer.getvalue()


def jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    picture(number, *SIZES[number]).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def files(web: Web) -> CocoFiles:
    """The official table with the checksum of the stand-in, which the server has."""
    archive = zipped(json.dumps(annotation_file()).encode())
    web.files[ARCHIVE] = archive
    web.files.update({f"{IMAGES}/{name}": jpeg(number) for number, name in enumerate(NAMES)})
    official = coco_recipe.OFFICIAL
    md5 = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    return replace(official, annotations=replace(official.annotations, size=len(archive), md5=md5))


@pytest.fixture
def store(web: Web, tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", network=replace(QUICK, mirror=web.url))


def test_the_first_permitted_images_are_fetched_with_the_annotations_of_all_permitted(
    files: CocoFiles, store: Store, web: Web
) -> None:
    found = store.get(CocoRecipe(4, files)).path
    assert (found / LIST).read_text().split() == NAMES[:4]
    assert sorted(path.name for path in (found / "val2017_safe").iterdir()) == sorted(NAMES[:4])
    content = json.loads((found / "annotations" / "instances_val2017.json").read_text())
    # What create_safe_annotations.py leaves of it.
    expected = annotation_file()
    expected["images"] = [image for image in expected["images"] if image["license"] != OTHER]
    assert content == expected
    assert [image.file_name for image in coco_truth(found).images] == NAMES
    assert sorted(path.name for path in found.iterdir() if path.is_dir()) == ["annotations", "val2017_safe"]
    assert len(OFFICIAL_99.dataset.open(found, 4, "")) == 4
    assert len(web.requests) == 5


def test_a_larger_part_of_the_data_set_serves_a_smaller_one(files: CocoFiles, store: Store, web: Web) -> None:
    larger = store.get(CocoRecipe(5, files))
    web.requests.clear()
    assert store.find(CocoRecipe(3, files)) == store.get(CocoRecipe(1, files)) == larger
    assert store.find(CocoRecipe(6, files)) is None
    assert web.requests == []


def test_a_second_address_serves_where_the_first_does_not(files: CocoFiles, store: Store, web: Web) -> None:
    for name in NAMES[:2]:
        web.always[f"{IMAGES}/{name}"] = status(404)
        web.files[f"{urlsplit(files.images[1]).path}/{name}"] = jpeg(0)
    assert len(list((store.get(CocoRecipe(2, files)).path / "val2017_safe").iterdir())) == 2


def test_a_page_in_the_place_of_an_image_is_refused(files: CocoFiles, store: Store, web: Web) -> None:
    web.files[f"{IMAGES}/{NAMES[1]}"] = b"<html>Please log in</html>"
    with pytest.raises(FetchError, match=r"1 of 3 files are not JPEG images"):
        store.get(CocoRecipe(3, files))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "truncated"),
        (json.dumps({**annotation_file(), "licenses": []}).encode(), "has no image that MLPerf may use"),
        (json.dumps({**annotation_file(), "annotations": [{}]}).encode(), "missing required field"),
    ],
)
def test_annotations_that_cannot_be_trusted_are_never_published(
    files: CocoFiles, store: Store, web: Web, content: bytes, says: str
) -> None:
    web.files[ARCHIVE] = zipped(content)
    lax = replace(files, annotations=replace(files.annotations, size=None, md5=None))
    with pytest.raises(DatasetError, match=says):
        store.get(CocoRecipe(2, lax))
    assert artifacts_in(store) == []


def test_an_archive_of_something_else_and_too_many_images_are_told(files: CocoFiles, store: Store, web: Web) -> None:
    with pytest.raises(DatasetError, match=r"expected: 7; found: 6\nuse at most 6 with --dataset-size"):
        store.get(CocoRecipe(7, files))
    lax = replace(files, annotations=replace(files.annotations, size=None, md5=None))
    web.files[ARCHIVE] = b"PK\x05\x06" + bytes(18)  # a zip of nothing
    with pytest.raises(DatasetError, match=r"expected: instances_val2017\.json; found: nothing"):
        store.get(CocoRecipe(2, lax))


def test_the_official_table_is_that_of_the_publisher() -> None:
    official = coco_recipe.OFFICIAL
    assert official.annotations.md5 == "f4bbac642086de4f52a3fdda2de5fa2c"
    assert official.annotations.size == 252_907_541
    assert official.images == (
        "https://s3.amazonaws.com/images.cocodataset.org/val2017",
        "http://images.cocodataset.org/val2017",
    )


def test_planning_the_official_edition_imports_no_numpy() -> None:
    code = (
        "import sys; from pytest_mlperf.benchmarks.yolo import OFFICIAL_99 as o; from pathlib import Path\n"
        "from pytest_mlperf.artifacts.store import Store\n"
        "o.model_file('onnx', 'fp32', ''), Store(Path('none')).find(o.dataset.source(500).recipe)\n"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
