"""Damages a real submission byte by byte and checks it each time: there must be a verdict, and never a traceback.

Run it with ``python tools/fuzz_checker.py --cases 100000``. A case that raises is printed with its seed and its file;
``--seed`` and ``--cases 1`` repeat it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from pytest_mlperf.report.submission import lines
from pytest_mlperf.rules.check import check
from pytest_mlperf.rules.reading.read import read_submission
from pytest_mlperf.rules.round import find_round
from tests.rules.submissions import BASES, EDGE, unpack_base

_WORDS = {"OK", "errors", "short", "not judged"}
_TOKENS = [
    token.encode()
    for token in (
        "null",
        "true",
        "NaN",
        "-Infinity",
        "1e999",
        "-1",
        "[]",
        "{}",
        '""',
        "9" * 400,
        "[" * 3000,
        '"\\ud800"',
        "\ufeff",
        "\r",
        "\n",
        "\0",
        ":::MLLOG ",
    )
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first case; each has its own")
    parser.add_argument("--base", choices=BASES, default="v6.1_open")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        root = unpack_base(arguments.base, Path(directory) / "submission")
        for scenario in ("SingleStream", "MultiStream"):  # one result of a system is as good as three, and faster
            for folder in list(root.glob(f"*/*/*/{EDGE}/*/{scenario}")):
                shutil.rmtree(folder)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        # The logs are what most of the reading is about.
        weights = [8 if path.name.startswith("mlperf_log_detail") else 1 for path in files]
        start, words, failed = time.perf_counter(), Counter[str](), 0
        for seed in range(arguments.seed, arguments.seed + arguments.cases):
            chance = random.Random(seed)  # noqa: S311 - it damages, it hides nothing
            path = chance.choices(files, weights)[0]
            original = path.read_bytes()
            path.write_bytes(damaged(original, chance))
            try:
                words.update(judge(root, arguments.base.partition("_")[0]))
            except Exception:
                failed += 1
                print(f"seed {seed}: {path.relative_to(root)}\n{traceback.format_exc()}")
            finally:
                path.write_bytes(original)
        seconds = time.perf_counter() - start
    print(f"{arguments.cases:,} cases in {seconds:.0f} s, {failed} raised; verdicts: {dict(words.most_common())}")
    return 1 if failed else 0


def judge(root: Path, name: str) -> list[str]:
    """Return the words at both levels, having looked at all that a user could be shown."""
    round_ = find_round(name)
    submission = read_submission(root, round_.layout)
    reports = [check(submission, round_, "official"), check(submission, round_, "strict")]
    for report in reports:
        require(report.verdict in _WORDS, "a verdict")
        require(all(finding.fix and finding.what for finding in report.all_findings()), "a fix in every finding")
        msgspec.json.encode(report)
        shown = "\n".join(lines(report, 80)).split("\n")
        require(all(line.isprintable() for line in shown), "text that does not move the cursor")
    return [f"{report.level} {report.verdict}" for report in reports]


def require(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(f"expected {what}")


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to six changes: flipped, cut out, doubled, moved, or with a token put in."""
    result = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(result))
        length = min(chance.choice((1, 2, 8, 64, 1024)), len(result) - at)
        kind = chance.randrange(6)
        if kind == 0 and length:
            result[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del result[at : at + length]
        elif kind == 2:
            result[at:at] = result[at : at + length]
        elif kind == 3:
            result[at : at + length] = chance.randbytes(length)
        elif kind == 4:
            result[at : at + length] = chance.choice(_TOKENS)
        else:
            del result[at:]
        if kind == 5 and chance.random() < 0.5:
            break
    return bytes(result)


if __name__ == "__main__":
    sys.exit(main())
