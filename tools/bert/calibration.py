"""Samples for the calibration of quantised activations: of the training split, so of no subject of the validation."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from bert.texts import squad, training
from pytest_mlperf.benchmarks.bert import LENGTHS as ANY_LENGTH
from pytest_mlperf.benchmarks.bert import TINY_99
from pytest_mlperf.datasets.squad_features import ask, features
from pytest_mlperf.datasets.squad_file import VOCABULARY, SquadFile
from pytest_mlperf.datasets.squad_lengths import TINY as LENGTHS
from pytest_mlperf.datasets.wordpiece import WordPieces
from pytest_mlperf.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

SAMPLES = 200
_SEED = 3


def calibration() -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Yield the name of the graph and the inputs of one sample, int64 ``[1, length]``, by the names in the file."""
    benchmark = replace(TINY_99, variant=ANY_LENGTH)
    pieces = WordPieces(shipped("bert-tiny") / VOCABULARY)
    content = msgspec.convert(squad(list(islice(training(_SEED), SAMPLES))), SquadFile)
    samples = (each for asked in ask(content, pieces, LENGTHS) for each in features(asked, pieces))
    for sample in islice(samples, 0, 4 * SAMPLES, 4):  # other paragraphs rather than other questions
        yield "", dict(benchmark.collate([sample]))
