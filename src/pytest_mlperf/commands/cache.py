"""``pytest-mlperf cache``: lists, searches, verifies, removes, exports and imports artifacts."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlperf import __version__
from pytest_mlperf.commands.exit_codes import DONE, FAILED
from pytest_mlperf.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_mlperf.artifacts.inventory import Entry
    from pytest_mlperf.artifacts.locks import Holder
    from pytest_mlperf.artifacts.removal import Removal
    from pytest_mlperf.artifacts.store import Artifact, Store

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGTP]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def add(tools: Any) -> None:
    """Add the tool and its commands to the command's parser."""
    cache = tools.add_parser("cache", help="list, search, verify, remove, export and import what was fetched or built")
    commands = cache.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "show", _show, "list everything")
    _add(commands, "find", _find, "list artifacts with all of these words in kind, name or source", "+")
    _add(commands, "path", _path, "print the directory of the artifact with all of these words, as last used", "+")
    _add(commands, "verify", _verify, "hash the content again and compare", "*")
    remove = _add(commands, "rm", _rm, "remove artifacts with all of these words", "+")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    collect = _add(commands, "gc", _gc, "remove artifacts that were not used for a long time; never one in use")
    collect.add_argument("--keep-days", metavar="N", type=_days, help="keep artifacts used within N days")
    collect.add_argument(
        "--keep-size", metavar="SIZE", type=_size, help="keep the most recently used SIZE bytes, such as 50G"
    )
    collect.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    _add(commands, "export", _export, "write artifacts to one file", "*", file=True)
    _add(commands, "import", _import, "add the artifacts of such a file to the cache, after verification", file=True)


def _add(
    commands: Any, name: str, run: Callable[[Any], int], text: str, words: str = "", *, file: bool = False
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
    if file:
        parser.add_argument("file", metavar="FILE", type=Path, help="the bundle")
    if words:
        parser.add_argument("words", metavar="WORD", nargs=words, help="in any order; upper or lower case")
    parser.add_argument(
        "--cache", metavar="DIR", type=Path, help="default: $PYTEST_MLPERF_CACHE, else the user's cache directory"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run, error=parser.error)
    return parser


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days <= 1e6:
        raise ValueError(text)
    return days


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a size such as 50G, 800M or 1.5T, not {text!r}")
    return int(float(match[1]) * 1024 ** _UNITS[match[2].upper()])


def _show(options: Any) -> int:
    _print_entries(_entries(options), options)
    return DONE


def _find(options: Any) -> int:
    found = _entries(options)
    _print_entries(found, options)
    return DONE if found else FAILED


def _path(options: Any) -> int:
    found = [entry for entry in _entries(options) if entry.state == "ready"]
    if len({(entry.kind, entry.name) for entry in found}) != 1:
        names = [f"{entry.kind} {Path(entry.directory).name}" for entry in found]
        raise CacheError(
            f"no single artifact in {_root(options)} has the words: {' '.join(options.words)}",
            expected="one",
            found=f"{', '.join(names) if names else 'none'}",
            fix="add words, such as the kind or a part of the name"
            if names
            else "list the artifacts with pytest-mlperf cache show",
        )
    last, *others = sorted(found, key=_last_use, reverse=True)
    for other in others:
        print(f"also there, not used since {other.used}: {other.path}", file=sys.stderr)
    if options.json:
        _print_json(_builtins(last))
    else:  # as it is: a path need not be text
        sys.stdout.buffer.write(os.fsencode(f"{last.path}\n"))
    return DONE


def _last_use(entry: Entry) -> tuple[int, str]:
    return Path(entry.directory).stat().st_mtime_ns, entry.directory


def _verify(options: Any) -> int:
    store = _store(options)
    checked = [(entry, _fault(store, entry)) for entry in _entries(options) if entry.is_artifact]
    if options.json:
        _print_json([{**_builtins(entry), "fault": fault} for entry, fault in checked])
    else:
        for entry, fault in checked:
            print(f"{'damaged' if fault else 'whole':<8} {entry.kind} {entry.name}{f': {fault}' if fault else ''}")
    return FAILED if any(fault for _, fault in checked) or (options.words and not checked) else DONE


def _fault(store: Store, entry: Entry) -> str | None:
    from pytest_mlperf.artifacts.entries import find_artifact

    artifact = find_artifact(Path(entry.directory))
    if artifact is None:
        return "its files differ from its manifest"
    with store.use(artifact):
        return artifact.fault()


def _rm(options: Any) -> int:
    from pytest_mlperf.artifacts.removal import Removal, remove

    found = _entries(options)
    if found and not options.yes and not _agreed(found, options):
        print("nothing was removed", file=sys.stderr)
        return FAILED
    removal = remove(_root(options), found) if found else Removal((), ())
    _print_removal(removal, "removed", options)
    return FAILED if removal.in_use or not found else DONE


def _agreed(found: Sequence[Entry], options: Any) -> bool:
    from pytest_mlperf.report.cache_table import table, total

    if not sys.stdin.isatty():
        options.error("cannot ask for confirmation without a terminal: add --yes to remove " + total(found))
    print(*table(found, _now(), shutil.get_terminal_size().columns), sep="\n", file=sys.stderr)
    print(f"Remove {total(found)}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _gc(options: Any) -> int:
    from pytest_mlperf.artifacts.removal import Keep, collect

    if options.keep_days is None and options.keep_size is None:
        options.error("give --keep-days N, --keep-size SIZE, or both")
    keep = Keep(options.keep_days, options.keep_size)
    removal = collect(_root(options), _entries(options), keep, _now(), dry_run=options.dry_run)
    _print_removal(removal, "would remove" if options.dry_run else "removed", options)
    return DONE


def _export(options: Any) -> int:
    from pytest_mlperf.artifacts.bundle import export_bundle

    store = _store(options)
    found = [entry for entry in _entries(options) if entry.state == "ready"]
    artifacts = [_whole(entry) for entry in found]
    if not artifacts:
        raise CacheError(
            f"nothing to export from {_root(options)}",
            expected=f"artifacts with the words: {' '.join(options.words) or '(any)'}",
            found="none",
            fix="list the artifacts with pytest-mlperf cache show",
        )
    export_bundle(store, artifacts, options.file)
    if options.json:
        size = options.file.stat().st_size
        _print_json({"file": str(options.file), "size": size, "artifacts": [_builtins(entry) for entry in found]})
    else:
        _print_each("exported", [(entry.kind, entry.name) for entry in found])
    return DONE


def _import(options: Any) -> int:
    from pytest_mlperf.artifacts.bundle import import_bundle

    imported = import_bundle(_store(options), options.file, _tell)
    if options.json:
        _print_json({"new": _names(imported.new), "there": _names(imported.there)})
    else:
        _print_each("imported", [(artifact.manifest.kind, artifact.manifest.name) for artifact in imported.new])
        _print_each("already there", [(artifact.manifest.kind, artifact.manifest.name) for artifact in imported.there])
    return DONE


def _tell(holder: Holder | None) -> None:
    print(f"waiting for {holder or 'another process'}", file=sys.stderr)


def _whole(entry: Entry) -> Artifact:
    from pytest_mlperf.artifacts.entries import find_artifact

    artifact = find_artifact(Path(entry.directory))
    if artifact is None:
        raise CacheError(
            f"the artifact {entry.name} is damaged",
            expected="the files that its manifest lists",
            found="other files",
            fix=f"delete {entry.directory}; it is made again when needed",
        )
    return artifact


def _root(options: Any) -> Path:
    from pytest_mlperf.artifacts.layout import default_cache_dir

    root: Path = options.cache or default_cache_dir(os.environ)
    return root.absolute()


def _store(options: Any) -> Store:
    import logging

    from pytest_mlperf.artifacts.store import Store

    # The command reports itself what the store warns about.
    logging.getLogger("pytest_mlperf").addHandler(logging.NullHandler())
    return Store(_root(options), __version__)


def _entries(options: Any) -> list[Entry]:
    """Return the entries of the cache with the given words, if any."""
    from pytest_mlperf.artifacts.inventory import find, listing

    return find(listing(_root(options)), getattr(options, "words", ()))


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _print_entries(entries: Sequence[Entry], options: Any) -> None:
    if options.json:
        _print_json([_builtins(entry) for entry in entries])
        return
    from pytest_mlperf.report.cache_table import table, total

    # In a pipe names are not shortened.
    fits = sys.stdout.isatty() or "COLUMNS" in os.environ
    if entries:
        print(*table(entries, _now(), shutil.get_terminal_size().columns if fits else None), sep="\n")
    print(f"{total(entries)} in {_root(options)}")


def _print_removal(removal: Removal, verb: str, options: Any) -> None:
    if options.json:
        removed, in_use = ([_builtins(entry) for entry in entries] for entries in (removal.removed, removal.in_use))
        _print_json({"removed": removed, "in_use": in_use, "bytes": sum(entry.size for entry in removal.removed)})
        return
    from pytest_mlperf.report.cache_table import total

    _print_each(verb, [(entry.kind, entry.name) for entry in removal.removed])
    _print_each("in use, left", [(entry.kind, entry.name) for entry in removal.in_use])
    print(f"{verb} {total(removal.removed)}")


def _print_each(verb: str, names: Sequence[tuple[str, str]]) -> None:
    for kind, name in names:
        print(f"{verb}: {kind} {name}")


def _names(artifacts: Sequence[Artifact]) -> list[dict[str, str]]:
    return [{"kind": item.manifest.kind, "name": item.manifest.name, "path": str(item.path)} for item in artifacts]


def _builtins(entry: Entry) -> dict[str, Any]:
    from msgspec import to_builtins

    record: dict[str, Any] = to_builtins(entry)
    return record


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=1))
