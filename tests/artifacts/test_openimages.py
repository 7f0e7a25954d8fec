from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_mlperf.artifacts.remote import FileRecipe
from pytest_mlperf.artifacts.store import Store
from pytest_mlperf.benchmarks.retinanet import OFFICIAL, PUBLISHED
from pytest_mlperf.datasets import openimages_recipe
from pytest_mlperf.datasets.detection import OpenImages
from pytest_mlperf.datasets.image_download import LIST
from pytest_mlperf.datasets.layout import ANNOTATIONS, CALIBRATION_IMAGES, IMAGES
from pytest_mlperf.datasets.openimages import OpenImagesSamples
from pytest_mlperf.datasets.openimages_recipe import AnnotationsRecipe, CalibrationRecipe, OpenImagesRecipe
from pytest_mlperf.errors import CacheError, DatasetError, FetchError, MLPerfError
from tests.artifacts import standins
from tests.artifacts.recipes import artifacts_in
from tests.artifacts.web import QUICK, Web, status
from tests.standins.mlperf_test_standins import images_as_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_mlperf.datasets.openimages_recipe import OpenImagesFiles

IN_ORDER = list(reversed(standins.IMAGES))


@pytest.fixture(scope="module")
def stand_ins() -> dict[str, bytes]:
    return standins.stand_ins()


@pytest.fixture
def files(stand_ins: dict[str, bytes], web: Web, tmp_path: Path) -> OpenImagesFiles:
    """The official table with the checksums of the stand-ins, which the server has."""
    web.files.update(stand_ins)
    return images_as_in(standins.write(stand_ins, tmp_path / "mirror"))


@pytest.fixture
def store(web: Web, tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", network=replace(QUICK, mirror=web.url))


def without_checksums(files: OpenImagesFiles) -> OpenImagesFiles:
    """Return a table that any content fits: what follows is refused for what it says, not for its checksum."""
    return replace(files, annotations=replace(files.annotations, size=None, md5=None))


def test_the_first_images_of_the_annotation_file_are_fetched_in_its_order(
    files: OpenImagesFiles, store: Store, web: Web, stand_ins: dict[str, bytes]
) -> None:
    found = store.get(OpenImagesRecipe(5, files)).path
    assert {path.name for path in (found / IMAGES).iterdir()} == set(IN_ORDER[:5])
    assert (found / LIST).read_text().split() == IN_ORDER[:5]
    for name in IN_ORDER[:5]:
        assert (found / IMAGES / name).read_bytes() == stand_ins[f"/validation/{name}"]
    assert json.loads((found / ANNOTATIONS).read_text()) == standins.annotation_file()
    assert len(OpenImagesSamples(found, 5, 800, "images")) == 5
    assert len(web.requests) == 6


def test_a_larger_part_of_the_data_set_serves_a_smaller_one(files: OpenImagesFiles, store: Store, web: Web) -> None:
    larger = store.get(OpenImagesRecipe(6, files))
    web.requests.clear()
    assert store.find(OpenImagesRecipe(4, files)) == larger
    assert store.get(OpenImagesRecipe(6, files)) == store.get(OpenImagesRecipe(1, files)) == larger
    assert web.requests == []
    assert store.find(OpenImagesRecipe(7, files)) is None
    assert store.find(OpenImagesRecipe(4, replace(files, images="https://elsewhere.example"))) is None
    other = replace(files, annotations=replace(files.annotations, md5="0" * 32))
    assert store.find(OpenImagesRecipe(4, other)) is None


def test_a_damaged_larger_part_serves_nobody(files: OpenImagesFiles, store: Store) -> None:
    larger = store.get(OpenImagesRecipe(6, files)).path
    (larger / IMAGES / IN_ORDER[5]).unlink()
    assert store.find(OpenImagesRecipe(4, files)) is None


def test_a_set_that_was_cut_off_goes_on_with_what_has_come(files: OpenImagesFiles, store: Store, web: Web) -> None:
    bad = f"/validation/{IN_ORDER[9]}"
    web.always[bad] = status(404)
    one_at_a_time = replace(store, network=replace(store.network, parallel=1))
    with pytest.raises(FetchError, match=IN_ORDER[9]):
        one_at_a_time.get(OpenImagesRecipe(12, files))
    assert store.find(OpenImagesRecipe(12, files)) is None
    del web.always[bad]
    web.requests.clear()
    found = store.get(OpenImagesRecipe(12, files)).path
    assert len(list((found / IMAGES).iterdir())) == 12
    # Those after it may have come, too, before the others were called off.
    asked = {request.path for request in web.requests}
    assert {bad} <= asked <= {f"/validation/{name}" for name in IN_ORDER[9:]}


def test_a_page_in_the_place_of_an_image_is_refused_and_fetched_again(
    files: OpenImagesFiles, store: Store, web: Web, stand_ins: dict[str, bytes]
) -> None:
    bad = f"/validation/{IN_ORDER[1]}"
    web.files[bad] = b"<html>Please log in</html>"
    with pytest.raises(FetchError, match=r"1 of 3 files are not JPEG images\n.*" + IN_ORDER[1]):
        store.get(OpenImagesRecipe(3, files))
    web.files[bad] = stand_ins[bad]
    found = store.get(OpenImagesRecipe(3, files)).path
    assert (found / IMAGES / IN_ORDER[1]).read_bytes() == stand_ins[bad]


def test_an_image_that_changed_since_it_was_first_fetched_is_an_error(
    files: OpenImagesFiles, store: Store, web: Web
) -> None:
    recipe = OpenImagesRecipe(2, files)
    (store.get(recipe).path / LIST).unlink()  # damaged: it is made again
    web.files[f"/validation/{IN_ORDER[0]}"] = standins.jpeg(1000)
    with pytest.raises(FetchError, match="when it was fetched on"):
        store.get(recipe)


def test_a_disk_without_room_for_the_images_is_told_before_the_first(
    files: OpenImagesFiles, store: Store, web: Web, make_disk: Callable[[str], Path]
) -> None:
    enough = 12 * openimages_recipe.MEAN_IMAGE_BYTES // 1024
    small = replace(store, root=make_disk(f"{enough // 2}k") / "cache")
    with pytest.raises(CacheError, match=r"no room for openimages validation 12\nexpected: 2,736,000 bytes free;"):
        small.get(OpenImagesRecipe(12, files))
    assert [request.path for request in web.requests] == [standins.official_path(files.annotations)]
    assert small.find(OpenImagesRecipe(12, files)) is None
    # The stand-ins weigh much less than what they stand for.
    assert small.get(OpenImagesRecipe(4, files)).path.is_dir()
    large = replace(store, root=make_disk(f"{2 * enough}k") / "cache")
    assert large.get(OpenImagesRecipe(12, files)).path.is_dir()


def test_more_images_than_there_are_cannot_be_had(files: OpenImagesFiles, store: Store) -> None:
    with pytest.raises(DatasetError, match=r"expected: 13; found: 12\nuse at most 12 with --dataset-size"):
        store.get(OpenImagesRecipe(13, files))


def truncated() -> bytes:
    whole = json.dumps(standins.annotation_file()).encode()
    return whole[: len(whole) // 2]


def duplicated() -> bytes:
    content = standins.annotation_file()
    content["images"].append({**content["images"][0], "id": 99})
    return json.dumps(content).encode()


@pytest.mark.parametrize("recipe", [AnnotationsRecipe, lambda files: OpenImagesRecipe(3, files)])
@pytest.mark.parametrize(("make", "says"), [(truncated, "truncated"), (duplicated, "every file name once")])
def test_annotations_that_cannot_be_trusted_are_never_published(
    files: OpenImagesFiles, store: Store, web: Web, recipe: type[AnnotationsRecipe], make: object, says: str
) -> None:
    assert callable(make)
    path = standins.official_path(files.annotations)
    good = web.files[path]
    web.files[path] = standins.zipped(make())
    made = recipe(without_checksums(files))
    with pytest.raises(DatasetError, match=says):
        store.get(made)
    assert artifacts_in(store) == []
    web.files[path] = good
    assert store.get(made).path.joinpath(ANNOTATIONS).is_file()


def test_an_archive_of_something_else_is_refused(files: OpenImagesFiles, store: Store, web: Web) -> None:
    web.files[standins.official_path(files.annotations)] = b"PK\x05\x06" + bytes(18)  # a zip of nothing
    with pytest.raises(DatasetError, match=r"expected: openimages-mlperf.json; found: "):
        store.get(AnnotationsRecipe(without_checksums(files)))


def test_the_calibration_images_are_those_of_the_list(files: OpenImagesFiles, store: Store) -> None:
    found = store.get(CalibrationRecipe(files)).path
    assert (found / LIST).read_text().split() == standins.CALIBRATION
    assert sorted(path.name for path in (found / CALIBRATION_IMAGES).iterdir()) == standins.CALIBRATION


@pytest.mark.parametrize("content", [b"", b"a.jpg\na.jpg", b"../a.jpg", b"<html> 404 </html>"])
def test_a_list_that_is_none_is_refused(files: OpenImagesFiles, store: Store, web: Web, content: bytes) -> None:
    web.files[standins.official_path(files.calibration_list)] = content
    lax = replace(files, calibration_list=replace(files.calibration_list, size=None, sha256=None))
    with pytest.raises(DatasetError, match=r"openimages_cal_images_list\.txt is not a list of images"):
        store.get(CalibrationRecipe(lax))


@pytest.mark.parametrize(
    "recipe",
    [
        FileRecipe(PUBLISHED["onnx"], "model"),
        AnnotationsRecipe(),
        OpenImagesRecipe(3),
        CalibrationRecipe(),
    ],
    ids=lambda recipe: recipe.name,
)
@pytest.mark.usefixtures("files")
def test_the_official_checksums_refuse_every_stand_in(
    store: Store, recipe: FileRecipe | AnnotationsRecipe | OpenImagesRecipe | CalibrationRecipe
) -> None:
    with pytest.raises(MLPerfError, match=r"not (148,688,824|10,499|817fd8da3aeeb0575f1e2d2926b15e68)"):
        store.get(recipe)
    assert artifacts_in(store) == []


def test_the_official_table_is_that_of_the_publishers() -> None:
    onnx, pytorch = PUBLISHED["onnx"], PUBLISHED["pytorch"]
    assert [url.split("/")[2] for url in onnx.urls] == ["zenodo.org", "storage.googleapis.com", "armi.in"]
    assert {url.rpartition("/")[2] for url in onnx.urls} == {"resnext50_32x4d_fpn.onnx"}
    assert pytorch.md5 == "a55f6bec3464f605ce8d686da8ac1533"
    assert isinstance(OFFICIAL.dataset, OpenImages)
    assert OFFICIAL.dataset.files is openimages_recipe.OFFICIAL
    assert all(url.startswith("https://") for file in (onnx, pytorch) for url in file.urls)


def test_planning_the_official_edition_imports_no_numpy() -> None:
    code = (
        "import sys; from pytest_mlperf.benchmarks.retinanet import OFFICIAL as o; from pathlib import Path\n"
        "from pytest_mlperf.artifacts.store import Store\n"
        "o.model_file('onnx', 'fp32', ''), Store(Path('none')).find(o.dataset.source(500).recipe)\n"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
