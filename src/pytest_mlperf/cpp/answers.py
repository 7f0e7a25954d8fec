"""Which benchmarks' answers the C++ program can encode, and how it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlperf.benchmarks.base import Benchmark


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
        return None if answer is None or answer.scores else ("label", str(answer.offset))
    if isinstance(benchmark, RetinaNet) and made == (RetinaNet.encode, Base.collate):
        return None if benchmark.variant in (HEADS, BATCHED_HEADS) else ("detections", str(benchmark.size))
    if isinstance(benchmark, Bert) and made == (Bert.encode, Bert.collate):
        return ("logits",)
    return None
