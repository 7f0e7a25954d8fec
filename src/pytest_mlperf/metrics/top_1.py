"""Top-1 accuracy of classes, as mlcommons/inference computes it for ImageNet."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_mlperf.errors import AccuracyLogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_mlperf.metrics.accuracy_log import Record
    from pytest_mlperf.metrics.curves import Classified
    from pytest_mlperf.metrics.outcomes import Right

LabelType = Literal["float32", "int32", "int64"]
_LAYOUTS: Mapping[str, struct.Struct] = {
    "float32": struct.Struct("<f"),
    "int32": struct.Struct("<i"),
    "int64": struct.Struct("<q"),
}


@dataclass(frozen=True)
class Top1:
    """The part of images whose class is their label, in percent.

    Attributes
    ----------
    label_type
        How a log has the classes, little-endian: the reference's ``--dtype``.
    """

    label_type: LabelType = "float32"
    name: str = "acc"
    unit: str = "%"
    requirements: tuple[str, ...] = ()

    def score(self, answers: Iterable[Record], dataset: Path) -> Mapping[str, float]:
        """Score answers as ``tools/accuracy-imagenet.py`` of mlcommons/inference does.

        A sample index is a line of ``val_map.txt``. All answered images count. A class that is no whole number is cut
        off towards zero, as there. Where the reference ends with a traceback or reads a part of an answer, it is an
        error here: an answer that is not of one class or not finite, an index that no image has, no answer at all.

        Parameters
        ----------
        answers
            One record for each sample: the class as `label_type`.
        dataset
            The data set's directory.

        Returns
        -------
        mapping of str to float
            ``acc`` in percent; ``good``, the number of images classified correctly; and ``total``, that of all.

        Raises
        ------
        AccuracyLogError
            An answer is not what is said above.
        DatasetError
            ``val_map.txt`` or the class folders are invalid.
        """
        from pytest_mlperf.datasets.imagenet import read_labels

        return score_labels(answers, read_labels(dataset), self.label_type)

    def outcomes(self, answers: Iterable[Record], dataset: Path) -> Right:
        """Return which images are classified correctly; see `score`."""
        import numpy as np

        from pytest_mlperf.datasets.imagenet import read_labels
        from pytest_mlperf.metrics.outcomes import Right

        found = list(_judged(answers, read_labels(dataset), self.label_type))
        return Right(
            np.array([index for index, _ in found], np.int64), np.array([right for _, right in found], np.bool_)
        )

    def classified(self, answers: Iterable[Record], dataset: Path) -> Classified:
        """Return the labels and the classes of the answered images; see `score`."""
        import numpy as np

        from pytest_mlperf.datasets.imagenet import read_labels
        from pytest_mlperf.metrics.curves import Classified

        labels = read_labels(dataset)
        found = list(read_classes(answers, len(labels), self.label_type))
        label = np.array([labels[index] for index, _ in found], np.int64)
        return Classified(label, np.array([answer for _, answer in found], np.int64))

    def text(self, values: Mapping[str, float]) -> str:
        """Return the line that ``tools/accuracy-imagenet.py`` prints."""
        return f"accuracy={values[self.name]:.3f}%, good={values['good']:.0f}, total={values['total']:.0f}\n"


def score_labels(
    answers: Iterable[Record], labels: list[int], label_type: LabelType = "float32"
) -> Mapping[str, float]:
    """Score answers against labels by sample index; see `Top1.score`."""
    good = total = 0
    for _, right in _judged(answers, labels, label_type):
        good += right
        total += 1
    if not total:
        raise AccuracyLogError(
            "there are no answers to score",
            expected="at least one answered sample",
            found="none",
            fix="run the benchmark in accuracy mode again",
        )
    return {"acc": 100.0 * good / total, "good": good, "total": total}


def _judged(answers: Iterable[Record], labels: list[int], label_type: LabelType) -> Iterator[tuple[int, bool]]:
    """Yield each answered image, and whether its class is its label."""
    for qsl_idx, answer in read_classes(answers, len(labels), label_type):
        yield qsl_idx, answer == labels[qsl_idx]


def read_classes(answers: Iterable[Record], count: int, label_type: LabelType) -> Iterator[tuple[int, int]]:
    """Yield each answered image, of so many, and its class; see `Top1.score` for errors."""
    layout = _LAYOUTS[label_type]
    for qsl_idx, data in answers:
        if qsl_idx >= count:
            raise AccuracyLogError(
                f"sample {qsl_idx} is answered, which the data set does not have",
                expected=f"an index below {count:,}",
                found=f"{qsl_idx:,}",
                fix="give the data set of the run, with --dataset-path or as its val_map.txt was",
            )
        yield qsl_idx, _class(qsl_idx, data, layout)


def _class(qsl_idx: int, data: bytes, layout: struct.Struct) -> int:
    """Return an answer's class."""
    if len(data) != layout.size:
        raise AccuracyLogError(
            f"sample {qsl_idx} is answered with {len(data)} bytes",
            expected=f"{layout.size} bytes: the number of a class",
            found=f"{len(data)} bytes",
            fix="check that the log is from this benchmark, and that its outputs are encoded correctly",
        )
    (value,) = layout.unpack(data)
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise AccuracyLogError(
            f"sample {qsl_idx} is answered with {value}",
            expected="the number of a class",
            found=f"{value}",
            fix="check the model: its outputs are not finite",
        ) from None
