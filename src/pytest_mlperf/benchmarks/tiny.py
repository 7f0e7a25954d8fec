"""What the training script recorded of a tiny edition's model: its reference on the whole data set and on each part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pytest_mlperf.metrics.limit import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TinyReference:
    """The reference of a tiny edition, measured with the training framework in float32.

    Attributes
    ----------
    name
        The record is ``data/<name>.json``, the digests of the data set are in ``data/<name>.sha256``.
    value
        The metric's value that must be reached.
    share
        The part of the reference that must be reached, as in the round.
    common
        The number of files at the start of the digests that every sample needs; None where all files are common.
    per_sample
        The number of files of a sample; they follow each other.
    """

    name: str
    value: str
    share: float = 0.99
    common: int | None = 1
    per_sample: int = 1

    def limit(self, samples: int) -> Limit:
        """Return the limit for the first `samples` samples.

        It is known for each number of samples up to the whole: accuracy on 50 samples is held against the reference on
        these 50.
        """
        by_count: list[float | None] = tiny_record(self.name)["reference_by_count"]
        count = min(samples, len(by_count))
        if by_count[count - 1] is None:  # nothing can be scored in these samples
            count = len(by_count)
        reference = by_count[count - 1]
        assert reference is not None  # noqa: S101 - the whole data set can be scored
        return Limit(self.value, minimum=self.share * reference, reference=reference, samples=count)

    def data(self, samples: int) -> str:
        """Return the digest of the first samples' files; empty for more samples than the reference is known for."""
        from pytest_mlperf.artifacts.content import listing_sha256
        from pytest_mlperf.datasets.known_files import known_files

        if samples > len(tiny_record(self.name)["reference_by_count"]):
            return ""
        known = known_files(self.name)
        return listing_sha256(known if self.common is None else known[: self.common + self.per_sample * samples])


@cache
def tiny_record(name: str) -> Mapping[str, Any]:
    """Return ``data/<name>.json``, which the training script wrote beside the tiny model."""
    text = files("pytest_mlperf").joinpath("data", f"{name}.json").read_text("utf-8")
    record: dict[str, Any] = json.loads(text)
    return record
