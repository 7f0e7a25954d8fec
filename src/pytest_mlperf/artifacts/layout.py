"""Where things lie in the cache; changes when its layout does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of an entry, ``<root>/<kind>/<slug>-<digest>``: what it holds, and the record of that.
CONTENT, MANIFEST = "content", "manifest.json"
LOCKS = ".locks"
#: Kinds whose content is run. Where everybody may write to the cache, each user has their own of these.
PROGRAMS = {"environment", "loadgen", "program", "checker", "compiled"}
#: What was fetched of artifacts that are not finished, which content was trusted before, and what had a wrong checksum.
PARTIAL, PINS, EVIDENCE = ".partial", ".pins", ".evidence"
#: Bundles that are being unpacked, and the lock of whoever does.
IMPORTS, IMPORT_LOCK = ".import", f"{LOCKS}/import.lock"


def user_directory(root: Path) -> Path:
    """Return the directory of what this user shares with nobody, in a cache that everybody may write to."""
    return root / f".user-{os.geteuid()}"


def build_lock(entry: Path) -> Path:
    """Return the lock file of whoever makes an entry."""
    return entry.parent.parent / LOCKS / f"{entry.parent.name}-{entry.name}.lock"


def use_lock(entry: Path) -> Path:
    """Return the lock file that the users of an entry share, and that its removal takes alone."""
    return entry.parent.parent / LOCKS / f"{entry.parent.name}-{entry.name}.use"


def default_cache_dir(environ: Mapping[str, str]) -> Path:
    """Return the cache's directory: PYTEST_MLPERF_CACHE of `environ`, or the platform's place for caches."""
    if named := environ.get("PYTEST_MLPERF_CACHE"):
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("pytest-mlperf", appauthor=False)
