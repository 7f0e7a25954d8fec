"""The command ``pytest-mlperf``: its tools and its error handling."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from pytest_mlperf import __version__
from pytest_mlperf.commands import cache, check, compare, compare_rounds, diff, history, pack, preprocess, report
from pytest_mlperf.commands.exit_codes import DONE, FAILED, INTERRUPTED
from pytest_mlperf.commands.output import printable_output
from pytest_mlperf.errors import CacheError, MLPerfError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    # Names may have characters that the terminal's encoding does not.
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    with printable_output():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe; Python's flush at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except MLPerfError as error:
        return _fail(error)
    except OSError as error:
        return _fail(_unexpected(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command with all of its tools; the documentation is made from it, too."""
    command = argparse.ArgumentParser(prog="pytest-mlperf", description="MLPerf Inference benchmarks as pytest tests.")
    command.add_argument("--version", action="version", version=f"pytest-mlperf {__version__}")
    tools = command.add_subparsers(required=True, metavar="COMMAND")
    for tool in (check, pack, diff, compare, compare_rounds, history, report, preprocess, cache):
        tool.add(tools)
    return command


def _fail(error: MLPerfError) -> int:
    print(error, file=sys.stderr)
    return FAILED


def _unexpected(error: OSError) -> CacheError:
    from pytest_mlperf.artifacts.disk import remedy

    return CacheError(
        f"cannot read or write {error.filename or 'the output'}",
        expected="a file or a directory that can be read and written",
        found=error.strerror or str(error),
        fix=remedy(error, "check its permission bits and the free space there, or name another cache with --cache DIR"),
    )
