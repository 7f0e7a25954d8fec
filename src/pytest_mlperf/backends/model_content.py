"""What a model consists of: every file that a runtime reads for it, hashed."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_mlperf.artifacts.content import Content, read_content, read_directory
from pytest_mlperf.backends.onnx_external_data import external_data
from pytest_mlperf.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

ONNX = "onnx"


def model_content(path: Path, model_format: str, graph_files: Sequence[str] = ()) -> Content:
    """Hash a model: a directory with all that is in it, or a file, and for ONNX its external data.

    What a runtime loads besides, such as a library that it is told of in an option, is not seen.

    Parameters
    ----------
    path
        The file or the directory.
    model_format
        The format of the file, or of the files of the graphs.
    graph_files
        The files of the graphs in the directory.

    Raises
    ------
    ModelError
        A file cannot be read, or takes its weights from outside of the model's directory.
    """
    try:
        if path.is_dir():
            content = read_directory(path)
            there = {file.name for file in content.files}
            graphs = [name for name in graph_files if name in there and model_format == ONNX]
            for name in graphs:
                _beside(path / name)
            return content
        # In this order: what is written to the file after it was hashed is found later.
        whole = read_content(path.parent, [path.name])
        if model_format != ONNX:
            return whole
        return Content((*whole.files, *read_content(path.parent, _beside(path)).files))
    except OSError as error:
        raise ModelError(
            f"cannot read {error.filename or path}",
            expected="a model that can be read",
            found=error.strerror or str(error),
            fix="make it readable, or give another with --model-path",
        ) from error


def _beside(model: Path) -> list[str]:
    """Return the names of the files with external data; they are there, and below the model's directory."""
    names = external_data(model)
    for name in names:
        if not name or "\0" in name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ModelError(
                f"{model} takes its weights from outside of its directory",
                expected="external data below that directory",
                found=f"the location {name!r}",
                fix="export the model again, with its external data beside it",
            )
        if not (model.parent / name).is_file():
            raise ModelError(
                f"{model} lacks a file with its weights",
                expected=f"a file {name} beside it",
                found="nothing",
                fix="copy that file, too, or give another model with --model-path",
            )
    return names


def require_unchanged(path: Path, model_format: str, graphs: Sequence[str], sha256: str, *, during: str) -> None:
    """Raise if a model is no longer the one that has a digest.

    Parameters
    ----------
    path, model_format, graphs
        See `model_content`.
    sha256
        The digest that it had.
    during
        What was done meanwhile: ``it was converted``.

    Raises
    ------
    ModelError
        It was changed.
    """
    if (found := model_content(path, model_format, graphs).sha256) != sha256:
        raise ModelError(
            f"{path} was changed while {during}",
            expected=f"SHA-256 {sha256}",
            found=f"SHA-256 {found}",
            fix="leave the model alone while a session runs, and run it again",
        )
