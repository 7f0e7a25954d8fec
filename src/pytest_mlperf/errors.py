"""Errors that are shown to the user without a traceback, one class for each kind."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_mlperf.printable import fit, printable, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class MLPerfError(Exception):
    """An error that the user can fix; its message is shown without a traceback.

    Whatever its parts quote, it can be shown and written: they are cut, encodable and without the secrets of addresses,
    and the message has no control characters.

    Parameters
    ----------
    what
        What failed, with the file or the value concerned.
    expected, found
        What should have been there, and what was there instead. Either may be empty.
    fix
        What the user can do.
    """

    def __init__(self, what: str, *, expected: str = "", found: str = "", fix: str = "") -> None:
        self.what, self.expected, self.found, self.fix = map(fit, (what, expected, found, fix))
        lines = (self.what, comparison(self.expected, self.found), self.fix)
        super().__init__("\n".join(filter(None, lines)))

    def __str__(self) -> str:
        return printable(super().__str__())

    def __reduce__(self) -> tuple[Callable[..., MLPerfError], tuple[type[MLPerfError], str, str, str, str]]:
        return _rebuild, (type(self), self.what, self.expected, self.found, self.fix)


def comparison(expected: str, found: str) -> str:
    """Return the line ``expected: …; found: …`` of a message; an empty part is left out."""
    parts = (f"expected: {expected}" if expected else "", f"found: {found}" if found else "")
    return "; ".join(filter(None, parts))


def _rebuild(kind: type[MLPerfError], what: str, expected: str, found: str, fix: str) -> MLPerfError:
    return kind(what, expected=expected, found=found, fix=fix)


class OptionError(MLPerfError):
    """An option's value that does not exist or conflicts with another option."""


class UserConfError(MLPerfError):
    """A user.conf that is missing or that LoadGen would misread: an unknown key, a bad value."""


class ModelError(MLPerfError):
    """A model file that is missing, unreadable, or does not have the benchmark's inputs and outputs."""


class DatasetError(MLPerfError):
    """A data set with a missing or broken image, or an invalid annotation file."""


class CacheError(MLPerfError):
    """A cache directory that cannot be read or written, or an artifact that cannot be made."""


class OutputError(MLPerfError):
    """A file or directory for results that cannot be written."""


class FetchError(MLPerfError):
    """A download that failed: unreachable, cut off, changed, or with a wrong checksum."""


class OfflineError(FetchError):
    """Something that must be downloaded, while the network must not be used."""


class ArchiveError(MLPerfError):
    """An archive that is damaged, or that would write outside its directory or fill the disk."""


class RequirementError(MLPerfError):
    """A package, a Python or a device that a case needs and this machine does not have."""


class RunError(MLPerfError):
    """A run that ended without a result: a crash, a hang, a failed inference, an interrupt."""


class AccuracyLogError(MLPerfError):
    """An mlperf_log_accuracy.json that cannot be scored: cut off, or not what the metric expects."""


class SubmissionError(MLPerfError):
    """Something that cannot be submitted, or a submission that cannot be read or written."""


class BaselineError(MLPerfError):
    """A baseline that is not there, cut off, damaged, or from a newer version."""


class StoredResultsError(MLPerfError):
    """Results of a past session that are not there, cut off, damaged, or from a newer version."""


class HistoryError(MLPerfError):
    """A history that cannot be read or written: locked, damaged, or from a newer version."""


class PublishError(MLPerfError):
    """A dashboard that the results could not be published to: down, slow, or it refuses the key."""


class EntryPointError(RequirementError):
    """A benchmark, backend, implementation or dashboard from another package that cannot be loaded."""


@contextmanager
def raised_elsewhere(what: str) -> Iterator[None]:
    """Turn whatever another package's code raises in the block, but an MLPerfError, into an EntryPointError.

    Parameters
    ----------
    what
        What failed because of it.
    """
    try:
        yield
    except MLPerfError:
        raise
    except Exception as error:
        from traceback import extract_tb

        where = extract_tb(error.__traceback__)[-1]
        raise EntryPointError(
            what,
            found=f"{said(error)} at {where.filename}:{where.lineno}",
            fix="update or uninstall the package of that file, or report it to its authors",
        ) from error
