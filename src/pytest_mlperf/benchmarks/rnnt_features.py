"""The features of RNN-T: from a waveform to normalised, spliced log-mel frames. They are part of the timed work."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy.fft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RATE: Final = 16_000
FFT: Final = 512
WINDOW: Final = 320
HOP: Final = 160
BANDS: Final = 80
SPLICED: Final = 3
FEATURES: Final = SPLICED * BANDS

_PREEMPHASIS: Final = np.float32(0.97)
_DITHER_POWER: Final = np.float32(1e-10)  # added to the power, in place of random noise
_LOG_FLOOR: Final = np.float32(1e-20)
_DEVIATION_FLOOR: Final = np.float32(1e-5)
# Frames of the short-time Fourier transform that are computed at once: their spectra stay in the processor's cache.
_AT_ONCE: Final = 256


def frame_count(samples: int) -> int:
    """Return the number of feature frames of a waveform: one for each 30 ms, a part counts as a whole."""
    return -(-samples // (HOP * SPLICED))


def batch_features(waveforms: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the features of several waveforms, with zeros behind the shorter ones.

    Each waveform is computed alone, so its features do not depend on the others.

    Returns
    -------
    tuple
        float32 ``[n, most frames, 240]``, and the number of frames of each, int64 ``[n]``.
    """
    lengths = np.array([frame_count(len(waveform)) for waveform in waveforms], np.int64)
    padded = np.zeros((len(waveforms), int(lengths.max(initial=0)), FEATURES), np.float32)
    for row, waveform in enumerate(waveforms):
        padded[row, : lengths[row]] = features(waveform)
    return padded, lengths


def features(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the features of a waveform, as the reference computes them for one sample.

    A feature that is the same in all frames but for rounding, as in digital silence, is 0; so are all of a waveform of
    one frame (480 samples or fewer). The reference returns rounding noise for the first, and NaN for the second.

    Parameters
    ----------
    waveform
        float32 ``[samples]``, 16 kHz, -1 to 1.

    Returns
    -------
    numpy.ndarray
        float32 ``[frames, 240]``: bands of three successive frames of 10 ms; each column has mean 0 and deviation 1.
    """
    spliced = _spliced(log_mel(waveform))[: frame_count(len(waveform))]
    if len(spliced) < 2:
        return np.zeros_like(spliced)
    centred = (spliced - spliced.mean(0, np.float64)).astype(np.float32)
    deviation = np.sqrt(np.square(centred).sum(0, np.float64) / (len(centred) - 1)).astype(np.float32)
    centred *= deviation > _DEVIATION_FLOOR
    normalised: NDArray[np.float32] = centred / (deviation + _DEVIATION_FLOOR)
    return normalised


def log_mel(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the natural logarithm of the energy in 80 mel bands, float32 ``[samples // 160 + 1, 80]``."""
    emphasised = waveform.astype(np.float32)
    emphasised[1:] -= _PREEMPHASIS * waveform[:-1]
    # The window is in the middle of 512 samples; without the zeros around it the power is the same.
    padded = np.pad(emphasised, WINDOW // 2, "reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    mel = np.empty((len(frames), BANDS), np.float32)
    for start in range(0, len(frames), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        spectrum = scipy.fft.rfft(frames[part] * hann(), FFT, axis=1)
        power = np.square(spectrum.real) + np.square(spectrum.imag) + _DITHER_POWER
        mel[part] = power @ mel_matrix().T
    logarithm: NDArray[np.float32] = np.log(mel + _LOG_FLOOR)
    return logarithm


def _spliced(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each third frame with its two successors, ``[ceil(n / 3), 240]``; zeros follow the last frame."""
    missing = -len(frames) % SPLICED
    return np.pad(frames, ((0, missing), (0, 0))).reshape(-1, FEATURES)


@cache
def hann() -> NDArray[np.float32]:
    """Return the window: a symmetric Hann window, float32 ``[320]``."""
    turns = 2 * np.pi * np.arange(WINDOW) / (WINDOW - 1)
    return (0.5 - 0.5 * np.cos(turns)).astype(np.float32)


@cache
def mel_matrix() -> NDArray[np.float32]:
    """Return the mel filters, float32 ``[80, 257]``: triangles on Slaney's scale from 0 to 8000 Hz, of equal area."""
    edges = _hertz(np.linspace(0.0, _mel(RATE / 2), BANDS + 2))
    bins = np.linspace(0.0, RATE / 2, FFT // 2 + 1)
    slopes = (edges[:, None] - bins) / np.diff(edges, append=np.inf)[:, None]
    rising = -slopes[:-2]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


# Slaney's scale is linear below 1000 Hz, which is 15 mel, and logarithmic above: 27 mel for a factor of 6.4.
_LINEAR: Final = 200 / 3
_BEND_HERTZ: Final = 1000.0
_BEND: Final = _BEND_HERTZ / _LINEAR
_LOG_STEP: Final = float(np.log(6.4)) / 27


def _mel(hertz: float) -> float:
    return _BEND + float(np.log(hertz / _BEND_HERTZ)) / _LOG_STEP if hertz >= _BEND_HERTZ else hertz / _LINEAR


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic: NDArray[np.float64] = _BEND_HERTZ * np.exp(_LOG_STEP * (mel - _BEND))
    return np.where(mel >= _BEND, logarithmic, _LINEAR * mel)
