"""Official RetinaNet with the official names and addresses, and the checksums of the files in $MLPERF_TEST_MIRROR."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_mlperf.benchmarks.retinanet import OFFICIAL, OFFICIAL_FILES, OfficialFiles

if TYPE_CHECKING:
    from pytest_mlperf.artifacts.sources import RemoteFile


def files_as_in(mirror: Path) -> OfficialFiles:
    """Return the official table with the sizes and the checksums of a mirror's files."""
    openimages = OFFICIAL_FILES.openimages
    return OfficialFiles(
        models={"onnx": _as_in(mirror, OFFICIAL_FILES.models["onnx"])},
        openimages=replace(
            openimages,
            annotations=_as_in(mirror, openimages.annotations),
            calibration_list=_as_in(mirror, openimages.calibration_list),
        ),
    )


def _as_in(mirror: Path, file: RemoteFile) -> RemoteFile:
    content = (mirror / urlsplit(file.urls[0]).path.lstrip("/")).read_bytes()
    sha256, md5 = hashlib.sha256(content).hexdigest(), hashlib.md5(content, usedforsecurity=False).hexdigest()
    return replace(file, size=len(content), sha256=sha256 if file.sha256 else None, md5=md5 if file.md5 else None)


STAND_IN = OFFICIAL
if "MLPERF_TEST_MIRROR" in os.environ:
    STAND_IN = replace(OFFICIAL, name="stand-in", files=files_as_in(Path(os.environ["MLPERF_TEST_MIRROR"])))
