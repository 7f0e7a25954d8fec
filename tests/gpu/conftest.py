"""An interpreter that has the packages of this one, and beside them what stands in for TensorRT and CUDA."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STANDINS = Path(__file__).parent / "standins"


@pytest.fixture(scope="session")
def standin_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter to which the stand-ins are installed: a program started with -I sees them, too."""
    place = tmp_path_factory.mktemp("gpu") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    [site] = place.glob("lib/python3*/site-packages")
    # The stand-ins come first; what else this interpreter finds, editable packages among it, comes after.
    found = [path for path in sys.path if path and Path(path).is_dir() and not path.endswith("lib-dynload")]
    (site / "standins.pth").write_text("\n".join([str(STANDINS), *found]) + "\n")
    return place / "bin" / "python"


@pytest.fixture
def standin_variables() -> dict[str, str]:
    """Return the environment of a session with the stand-ins."""
    return {"PATH": f"{STANDINS}{os.pathsep}{os.environ['PATH']}"}
