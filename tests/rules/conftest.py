from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.rules.submissions import BASES, submission, unpack_base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.rules.submissions import Submission


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The four valid submissions, unpacked once; nobody changes them."""
    directory = tmp_path_factory.mktemp("bases")
    return {name: unpack_base(name, directory / name) for name in BASES}


@pytest.fixture
def copy_of(bases: Mapping[str, Path], tmp_path: Path) -> Iterator[Callable[[str], Submission]]:
    """Make a copy of a base that a test may change."""
    made: list[Path] = []

    def copy(base: str) -> Submission:
        made.append(tmp_path / f"{base}-{len(made)}")
        shutil.copytree(bases[base], made[-1], symlinks=True)
        return submission(base, made[-1])

    yield copy
    for directory in made:
        shutil.rmtree(directory)
