"""The samples of speech recognition: the waveform of each utterance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import soundfile

from pytest_mlperf.datasets.utterances import utterances
from pytest_mlperf.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class Waveforms:
    """The waveforms of a directory's first utterances; see `pytest_mlperf.datasets.utterances.utterances` for errors.

    Loading one raises `DatasetError` if it cannot be decoded to its end.
    """

    def __init__(self, directory: Path, count: int) -> None:
        self._utterances = utterances(directory, count)

    def __len__(self) -> int:
        return len(self._utterances)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Decode one utterance: float32 ``[samples]``, 16 kHz, -1 to 1."""
        utterance = self._utterances[index]
        try:
            samples, _ = soundfile.read(str(utterance.path), dtype="float32")
            found = f"{len(samples):,} samples"
        except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
            samples, found = None, f"{error}"[:200]
        if samples is None or len(samples) != utterance.samples:
            raise DatasetError(
                f"{utterance.path} cannot be decoded to its end",
                expected=f"{utterance.samples:,} samples, as its header states",
                found=found,
                fix="fetch or copy the file again",
            )
        waveform: NDArray[np.float32] = samples
        return waveform
