"""Which benchmarks' answers the C++ program can encode, and how it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mlperf.benchmarks.base import Benchmark
    from pytest_mlperf.benchmarks.retinanet_decoder import Decoder


def answers_of(benchmark: Benchmark) -> tuple[str, ...] | None:
    """Return the encoding and its arguments (``source/answers.cc``); None if the program does not have it.

    A subclass that makes inputs or answers in its own way is another benchmark.
    """
    from pytest_mlperf.benchmarks.base import Benchmark as Base
    from pytest_mlperf.benchmarks.bert import Bert
    from pytest_mlperf.benchmarks.resnet50 import ANSWERS, ResNet50
    from pytest_mlperf.benchmarks.retinanet import BATCHED_HEADS, HEADS, RetinaNet

    kind = type(benchmark)
    if kind.answer is not Base.answer:
        return None
    made = kind.encode, kind.collate
    if isinstance(benchmark, ResNet50) and made == (ResNet50.encode, Base.collate):
        answer = ANSWERS.get(benchmark.variant)
        return None if answer is None else ("scores" if answer.scores else "label", str(answer.offset))
    if isinstance(benchmark, RetinaNet) and made == (RetinaNet.encode, Base.collate):
        if benchmark.variant not in (HEADS, BATCHED_HEADS):
            return ("detections", str(benchmark.size))
        from pytest_mlperf.benchmarks.retinanet_decoder import decoder_for

        return ("heads", *heads_words(decoder_for(benchmark.size)))
    if isinstance(benchmark, Bert) and made == (Bert.encode, Bert.collate):
        return ("logits",)
    return None


def heads_words(decoder: Decoder) -> Iterator[str]:
    """Yield a decoder's parameters, as ``source/retinanet.cc`` reads them."""
    yield from (str(decoder.input_size), repr(float(decoder.floor)), repr(decoder.score_threshold), decoder.ranked_by)
    yield from (str(decoder.candidates), repr(decoder.iou_threshold), str(decoder.detections))
    yield repr(decoder.largest_growth)
    yield "" if decoder.class_gap is None else repr(decoder.class_gap)
    yield str(len(decoder.anchor_ratios))
    yield from map(repr, decoder.anchor_ratios)
    yield str(len(decoder.grids))
    for grid, sides in zip(decoder.grids, decoder.sides, strict=True):
        yield from map(str, (grid, len(sides), *sides))
