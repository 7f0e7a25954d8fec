"""Official RetinaNet with the official names and addresses, and the checksums of the files in $MLPERF_TEST_MIRROR."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_mlperf.benchmarks.retinanet import OFFICIAL, PUBLISHED, official_models
from pytest_mlperf.datasets import openimages_recipe

if TYPE_CHECKING:
    from pytest_mlperf.artifacts.sources import RemoteFile
    from pytest_mlperf.datasets.openimages_recipe import OpenImagesFiles


def images_as_in(mirror: Path) -> OpenImagesFiles:
    """Return the official table of OpenImages with the sizes and the checksums of a mirror's files."""
    openimages = openimages_recipe.OFFICIAL
    return replace(
        openimages,
        annotations=_as_in(mirror, openimages.annotations),
        calibration_list=_as_in(mirror, openimages.calibration_list),
    )


def _as_in(mirror: Path, file: RemoteFile) -> RemoteFile:
    content = (mirror / urlsplit(file.urls[0]).path.lstrip("/")).read_bytes()
    sha256, md5 = hashlib.sha256(content).hexdigest(), hashlib.md5(content, usedforsecurity=False).hexdigest()
    return replace(file, size=len(content), sha256=sha256 if file.sha256 else None, md5=md5 if file.md5 else None)


STAND_IN = OFFICIAL
if "MLPERF_TEST_MIRROR" in os.environ:
    _MIRROR = Path(os.environ["MLPERF_TEST_MIRROR"])
    STAND_IN = replace(
        OFFICIAL,
        models=official_models({"onnx": _as_in(_MIRROR, PUBLISHED["onnx"])}),
        dataset=replace(OFFICIAL.dataset, files=images_as_in(_MIRROR)),  # type: ignore[type-var]
    )
