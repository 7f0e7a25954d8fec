"""What an artifact is made of and what it is called; changes when an artifact's identity does."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Protocol, Union, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_mlperf.artifacts.fetching import Downloads, Provenance

#: The layout of an entry and of its manifest. Part of an entry's name, so that two versions of the package
#: that share a cache build beside each other, and neither takes the other's entries for damaged.
FORMAT = 1

#: A value of a recipe's key; a list holds such values again.
KeyValue = Union[str, int, float, bool, None, list[Any]]  # noqa: UP007 - evaluated on Python 3.10

_KIND = re.compile(r"[a-z0-9][a-z0-9-]*")
_SLUG_LENGTH = 48
_DIGEST_LENGTH = 16
_INT64 = 2**63


class Identity(Protocol):
    """What names one artifact.

    Attributes
    ----------
    kind
        Groups the entries of the cache: ``dataset``, ``model``; lower-case letters, digits, hyphens.
    name
        What a person calls it: ``retinanet-tiny scenes 500``.
    source
        Where its content comes from: a URL, a path, or the words for a generator.
    """

    @property
    def kind(self) -> str: ...  # noqa: D102 - see the class
    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def source(self) -> str: ...  # noqa: D102 - see the class

    def key(self) -> Mapping[str, KeyValue]:
        """Return everything that determines the content: sizes, seeds, checksums, the maker's version."""
        ...


class LocalRecipe(Identity, Protocol):
    """How to make one artifact from what this machine has."""

    def build(self, directory: Path) -> None:
        """Fill the empty `directory`.

        It is renamed when it is whole, so nothing in it may depend on its path. Files and relative symbolic
        links between them are kept, empty directories are not promised. Raise to give up: what is there by
        then is removed.
        """
        ...


@runtime_checkable
class RemoteRecipe(Identity, Protocol):
    """How to make one artifact from what is fetched."""

    def fetch(self, directory: Path, downloads: Downloads) -> Provenance:
        """Fill the empty `directory` with what `downloads` fetches; see `LocalRecipe.build`.

        What has been fetched outlives a failed or killed build, and the next one goes on with it: hand a file
        without a known checksum that turns out to be of no use to `Downloads.reject`.
        """
        ...


@runtime_checkable
class PartRecipe(Identity, Protocol):
    """A recipe whose content other artifacts hold, too, such as more of the same data set."""

    def served_by(self, key: Mapping[str, KeyValue]) -> bool:
        """Say whether the artifact with this key serves as well."""
        ...


@runtime_checkable
class KnownContent(Protocol):
    """A recipe of which some content is known before it is made.

    A bundle brings its own manifest, which only what is known here can contradict.
    """

    def fault(self, directory: Path, files: Mapping[str, str]) -> str | None:
        """Say why a directory with `files`, SHA-256 by name, cannot be the recipe's content; None where it may be."""
        ...


#: How to make one artifact.
Recipe = Union[LocalRecipe, RemoteRecipe]  # noqa: UP007 - evaluated on Python 3.10


def canonical_key(key: Mapping[str, KeyValue]) -> str:
    """Return the one JSON text of `key`: sorted, without spaces; the same for every order of its items.

    Values of different types are different keys: ``1``, ``1.0`` and ``True`` name three artifacts. Raises TypeError for
    a name that is no string, or a value outside `KeyValue`; ValueError for a NaN or an infinity, an integer beyond 64
    bits, or a string that is not valid Unicode.
    """
    for name, value in key.items():
        if not isinstance(name, str):
            raise TypeError(f"a key's names are strings, not {name!r}")
        _check_value(name, value)
    text = json.dumps(dict(key), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode()  # a lone surrogate has no UTF-8; UnicodeEncodeError is a ValueError
    return text


def entry_name(kind: str, name: str, key: Mapping[str, KeyValue]) -> str:
    """Return the file name of the entry: a readable slug of `name`, then a digest of the rest.

    Raises as `canonical_key`; also ValueError for a `kind` that is not made of lower-case letters, digits and hyphens.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"a kind is made of lower-case letters, digits and hyphens, not {kind!r}")
    digest = hashlib.sha256(f"{FORMAT}\n{kind}\n{canonical_key(key)}".encode()).hexdigest()[:_DIGEST_LENGTH]
    slug = re.sub(r"[^a-z0-9.]+", "-", name.lower())[:_SLUG_LENGTH].strip("-.")
    return f"{slug}-{digest}" if slug else digest


def _check_value(name: str, value: object) -> None:
    if isinstance(value, (list, tuple)):
        for item in value:
            _check_value(name, item)
    elif not isinstance(value, (str, int, float, type(None))):
        raise TypeError(f"the key's {name!r} is {value!r}: not a string, number, boolean, None or list")
    elif isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise ValueError(f"the key's {name!r} is {value}: not an integer of 64 bits")
