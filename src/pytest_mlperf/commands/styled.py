"""What rich renders, on the standard output of the commands: in colour on a terminal, plain in a pipe."""

from __future__ import annotations

import shutil
import sys
from io import StringIO
from typing import TYPE_CHECKING

from pytest_mlperf.commands.output import control_stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

#: The columns of a pipe: nothing is wrapped there.
_PIPE = 1000


def output_width() -> int:
    """Return the columns of the output."""
    return shutil.get_terminal_size((_PIPE, 24)).columns


def print_styled(parts: Iterable[RenderableType]) -> None:
    """Print what rich renders. Text from elsewhere must have no control characters: see `one_line`."""
    from rich.console import Console

    parts = list(parts)
    if not parts:  # rich would print an empty line
        return
    stream = control_stream(sys.stdout)
    coloured = Console(file=stream).color_system  # it heeds NO_COLOR, TERM, and whether the output is a terminal
    written = StringIO()
    console = Console(
        file=written,
        width=output_width(),
        color_system="standard" if coloured else None,
        force_terminal=coloured is not None,
        no_color=coloured is None,
    )
    console.print(*parts, sep="\n", highlight=False, markup=False, emoji=False)
    stream.write("".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines()))


def encodes(text: str) -> bool:
    """Return whether the output's encoding has these characters."""
    try:
        text.encode(control_stream(sys.stdout).encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
