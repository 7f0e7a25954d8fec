"""The synthesis of one spoken number; changes when what is said, or how it sounds, changes.

A formant synthesiser: each pitch period, and each grain of a hiss, excites a few decaying sinusoids at the resonances
of a vocal tract. Six voices say two to four English digits, before noise. Everything behind two tables
is integer arithmetic, so that the samples are the same on every machine.

A spoken number is a function of its split and index alone; no two splits share a random number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Split = Literal["train", "validation", "calibration"]

RATE: Final = 16_000
"""Samples in a second."""

_SEED: Final = 20_240_403
_SPLITS: Final = ("train", "validation", "calibration")
_GRAIN: Final = 256  # samples until a resonance has died away
_HISS: Final = 8  # samples between the grains of a hiss
_TURN: Final = 4096  # entries of the sine's table
_ONE: Final = 4096  # 1.0 in the tables
_BANDWIDTHS: Final = (80, 120, 200, 900)  # Hz, of the envelopes 0..3
_HISSES: Final = 3  # the envelope of a hiss, which has died away after a quarter of a grain
_STEP: Final = (_TURN << 10) // RATE  # of the phase, for a sample and a hertz, in 1/1024 entries
_GLIDE: Final = 480  # samples in which the resonances move from one sound to the next
_PEAK: Final = 9_000


class Sound(NamedTuple):
    """A speech sound.

    ``formants`` in Hz, ``voice`` and ``hiss`` are amplitudes in 1/256, ``centre`` is the hiss' frequency in Hz.
    """

    milliseconds: int
    formants: tuple[int, int, int]
    voice: int
    hiss: int = 0
    centre: int = 0


SOUNDS: Final = {
    "IY": Sound(110, (280, 2250, 2900), 230),
    "IH": Sound(90, (400, 1950, 2550), 240),
    "EH": Sound(95, (550, 1800, 2500), 256),
    "AH": Sound(90, (630, 1200, 2400), 256),
    "AA": Sound(90, (730, 1100, 2450), 256),
    "AO": Sound(110, (560, 850, 2400), 256),
    "OW": Sound(70, (480, 880, 2300), 250),
    "UW": Sound(110, (310, 900, 2250), 230),
    "EY": Sound(70, (470, 2000, 2600), 250),
    "R": Sound(60, (330, 1100, 1550), 180),
    "W": Sound(60, (300, 620, 2200), 170),
    "N": Sound(70, (260, 1350, 2300), 110),
    "V": Sound(55, (280, 1150, 2300), 90, 20, 3500),
    "Z": Sound(80, (280, 1600, 2500), 70, 50, 5200),
    "S": Sound(105, (300, 1600, 2500), 0, 90, 5400),
    "F": Sound(95, (300, 1100, 2300), 0, 40, 3600),
    "TH": Sound(85, (300, 1300, 2500), 0, 28, 4600),
    "pause": Sound(45, (400, 1600, 2500), 0),
    "K": Sound(30, (350, 1900, 2500), 0, 70, 2200),
    "T": Sound(30, (350, 1750, 2600), 0, 80, 4200),
}

WORDS: Final = {
    "zero": "Z IH R OW UW",
    "one": "W AH N",
    "two": "pause T UW",
    "three": "TH R IY",
    "four": "F AO R",
    "five": "F AA IY V",
    "six": "S IH pause K S",
    "seven": "S EH V AH N",
    "eight": "EY IY pause T",
    "nine": "N AA IY N",
}


class Voice(NamedTuple):
    """A speaker: pitch in Hz, and resonances, length and breath in percent of the ordinary."""

    pitch: int
    formants: int
    length: int
    breath: int


VOICES: Final = (
    Voice(95, 92, 108, 100),
    Voice(118, 97, 96, 130),
    Voice(140, 103, 104, 80),
    Voice(178, 109, 92, 120),
    Voice(205, 114, 100, 150),
    Voice(232, 119, 110, 100),
)


@dataclass(frozen=True)
class SpokenNumber:
    """What is heard, int16 ``[n]`` at 16 kHz, and what was said: ``seven one four``."""

    samples: NDArray[np.int16]
    words: str


class _Draws:
    """Random integers from PCG64's raw output, which no version of numpy changes."""

    def __init__(self, split: Split, index: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([_SEED, _SPLITS.index(split), index]))

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def noise(self, count: int) -> NDArray[np.int64]:
        """Return sums of four 16-bit numbers around 0: bell-shaped, with a standard deviation of 37,837."""
        raw = self._bits.random_raw(count)
        parts = [(raw >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)]
        total: NDArray[np.int64] = np.stack(parts).astype(np.int64).sum(0)
        return total - 2 * 0xFFFF


class _Grain(NamedTuple):
    """A decaying sinusoid: first sample, Hz, envelope, amplitude in 1/256."""

    start: int
    hertz: int
    envelope: int
    amplitude: int


def speak(split: Split, index: int) -> SpokenNumber:
    """Synthesise one spoken number."""
    draws = _Draws(split, index)
    digits = [draws.between(0, 9) for _ in range(draws.between(2, 4))]
    words = [tuple(WORDS)[digit] for digit in digits]
    voice = _tonight(VOICES[draws.between(0, len(VOICES) - 1)], draws)
    grains, length = _grains(words, voice, draws)
    speech = _sum(grains, length)
    return SpokenNumber(_before_noise(speech, draws), " ".join(words))


def _tonight(voice: Voice, draws: _Draws) -> Voice:
    """Return a voice as it is on one occasion."""
    return Voice(
        voice.pitch * draws.between(90, 110) // 100,
        voice.formants * draws.between(96, 104) // 100,
        voice.length * draws.between(82, 115) // 100,
        voice.breath,
    )


def _grains(words: Sequence[str], voice: Voice, draws: _Draws) -> tuple[list[_Grain], int]:
    """Return the grains of some words, and how many samples they take with silence around them."""
    grains: list[_Grain] = []
    time = RATE * draws.between(40, 160) // 1000
    before = SOUNDS["pause"].formants
    for word in words:
        for name in WORDS[word].split():
            sound = SOUNDS[name]
            length = RATE * sound.milliseconds * voice.length * draws.between(85, 115) // 10_000_000
            grains += _voiced(sound, before, time, length, voice, draws)
            grains += _hissed(sound, time, length, voice, draws)
            before, time = sound.formants, time + length
        time += RATE * draws.between(20, 130) // 1000
    return grains, time + RATE * draws.between(40, 160) // 1000


def _voiced(
    sound: Sound, before: tuple[int, int, int], time: int, length: int, voice: Voice, draws: _Draws
) -> Iterator[_Grain]:
    """Yield the resonances of each pitch period; they glide from the sound before."""
    if not sound.voice:
        return
    at = 0
    while at < length:
        part = min(at + 64, _GLIDE)
        swell = min(256, 96 + at, 96 + length - at)
        loud = sound.voice * swell // 256 * draws.between(88, 112) // 100
        for number, share in enumerate((256, 150, 80)):
            hertz = before[number] + (sound.formants[number] - before[number]) * part // _GLIDE
            yield _Grain(time + at, hertz * voice.formants // 100, number, loud * share // 256)
        fall = 108 - 16 * at // max(length, 1) // 2
        at += RATE * 100 // (voice.pitch * fall * draws.between(97, 103) // 100)


def _hissed(sound: Sound, time: int, length: int, voice: Voice, draws: _Draws) -> Iterator[_Grain]:
    """Yield the grains of a hiss, of both signs."""
    if not sound.hiss:
        return
    for at in range(0, length, _HISS):
        swell = min(256, 64 + at // 2, 64 + (length - at) // 2)
        loud = sound.hiss * voice.breath // 100 * swell // 256
        yield _Grain(time + at, sound.centre * voice.formants // 100, _HISSES, loud * draws.between(-100, 100) // 100)


@cache
def _tables() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return a turn of the sine ``[4096]``, and the envelopes ``[4, 256]``; 1.0 is 4096."""
    sine = [round(_ONE * math.sin(2 * math.pi * step / _TURN)) for step in range(_TURN)]
    envelopes = [
        [round(_ONE * math.exp(-math.pi * hertz * step / RATE) * (1 - step / _GRAIN)) for step in range(_GRAIN)]
        for hertz in _BANDWIDTHS
    ]
    return np.array(sine, np.int32), np.array(envelopes, np.int32)


def _sum(grains: Sequence[_Grain], length: int) -> NDArray[np.int64]:
    """Return the sum of all grains, ``[length]``; a double holds such sums of integers exactly."""
    sine, envelopes = _tables()
    total = np.zeros(length + _GRAIN)
    values = np.array(grains, np.int32)
    hiss = values[:, 2] == _HISSES
    for part, steps in ((values[~hiss], _GRAIN), (values[hiss], _GRAIN // 4)):
        start, hertz, envelope, amplitude = part.T
        step = np.arange(steps, dtype=np.int32)
        phase = (hertz[:, None] * step * _STEP >> 10) & (_TURN - 1)
        waves = (sine[phase] * envelopes[envelope, :steps] >> 12) * amplitude[:, None]
        total += np.bincount((start[:, None] + step).ravel(), waves.ravel(), len(total))
    return total[:length].astype(np.int64)


def _before_noise(speech: NDArray[np.int64], draws: _Draws) -> NDArray[np.int16]:
    """Return speech of some loudness before a noise of some loudness, half of it low."""
    loud = _PEAK * draws.between(40, 100) // 100
    level = loud * draws.between(*NOISE) // 1000
    white = draws.noise(len(speech)) * level // 37_837
    low = draws.noise(len(speech) + 15) * level // 37_837
    smooth = np.cumsum(low)
    smooth = (smooth[15:] - np.concatenate([[0], smooth[:-16]])) // 4
    mixed = speech * loud // max(int(np.abs(speech).max()), 1) + (white + smooth) * 3 // 4
    heard: NDArray[np.int16] = np.clip(mixed, -32_768, 32_767).astype(np.int16)
    return heard


NOISE: Final = (30, 420)
"""The least and the most noise: its standard deviation, in 1/1000 of the speech's peak."""
