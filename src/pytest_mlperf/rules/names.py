"""Which benchmark a directory of results means (get_mlperf_model of the official checkers)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_mlperf.rules.round import Round

#: What a part of a directory's name says, where nothing else does; the first that fits.
_GUESSES = (
    ("mobilenet", "resnet"),
    ("efficientnet", "resnet"),
    ("resnet50", "resnet"),
    ("bert-99.9", "bert-99.9"),
    ("bert-99", "bert-99"),
)


def benchmark_of(directory: str, round_: Round, mapping: Mapping[str, object]) -> str | None:
    """Return the official name of the benchmark that a directory means; None when the round has none.

    Parameters
    ----------
    directory
        The name below results/<system>.
    round_
        The round, with its own aliases.
    mapping
        What the submitter's model_mapping.json says; empty in closed division, which reads none.
    """
    known = {*round_.benchmarks, *round_.other_benchmarks}
    if directory in known:
        return directory
    guess = next((benchmark for part, benchmark in _GUESSES if part in directory), None)
    name = round_.aliases.get(directory) or mapping.get(directory) or guess
    return name if isinstance(name, str) and name in known else None
