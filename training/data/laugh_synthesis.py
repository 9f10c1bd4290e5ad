"""Synthesised laughs: more voices than any recording has, and their bursts are known exactly.

Source and filter. A bout is bursts ("ha", "he", "ho", "hi") at 4 to 6 a second, slowing down; each is a breath of
aspiration, then, in voiced laughs, glottal pulses whose pitch arches and falls from burst to burst, as their level does
(Bachorowski, Smoski & Owren 2001, "The acoustic features of human laughter": mean f0 of laughs 284 Hz for men, 421 Hz
for women, ranges wide, central vowels). Unvoiced laughs are the breath alone, through the mouth (panted) or the nose
(snorted). A room is part of the sound: YAMNet hears a laugh in 4 of 5 of them in a room and in hardly any without.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter, sosfilt

from training.data.clips import SAMPLE_RATE_HZ, Floats

Doubles = NDArray[np.float64]
VOICINGS = ("voiced", "mixed", "panted", "snorted")

# Formants of a man's vowels in Hz, as laughs have them: nearer to the middle than in speech.
_VOWELS = {
    "a": (720.0, 1250.0, 2550.0, 3500.0),
    "ə": (560.0, 1400.0, 2500.0, 3500.0),
    "e": (520.0, 1700.0, 2500.0, 3550.0),
    "o": (530.0, 980.0, 2450.0, 3400.0),
    "i": (360.0, 2050.0, 2750.0, 3600.0),
}
_BANDWIDTHS_HZ = (90.0, 110.0, 160.0, 240.0)
_NOSE = ((300.0, 90.0), (1050.0, 250.0), (2300.0, 400.0))


@dataclass(frozen=True)
class LaughVoice:
    """Who laughs, and how.

    f0_hz     pitch of the first burst            tract   1 a man's vocal tract .. 1.4 a child's: formants times this
    vowel     key of the vowels above             voicing one of VOICINGS
    rate_hz   bursts a second at the beginning    bursts  how many each bout has, one entry a bout
    breath    0..1 noise beside the voice         effort  0..1: soft and dull .. loud and bright
    """

    f0_hz: float
    tract: float
    vowel: str
    voicing: str
    rate_hz: float
    bursts: tuple[int, ...]
    breath: float
    effort: float

    def __post_init__(self) -> None:
        if self.vowel not in _VOWELS or self.voicing not in VOICINGS:
            raise ValueError(
                f"vowel {self.vowel!r} or voicing {self.voicing!r}: take one of {list(_VOWELS)}, {VOICINGS}"
            )


@dataclass(frozen=True, eq=False)
class SynthesisedLaugh:
    """audio float32 [samples] 16 kHz, peak below 1; bursts (start_s, end_s), and breaths drawn between bouts."""

    audio: Floats
    bursts: tuple[tuple[float, float], ...]


def draw_laugh_voice(rng: np.random.Generator) -> LaughVoice:
    """A random person's random laugh."""
    tract = float(rng.choice([1.0, 1.16, 1.34], p=[0.42, 0.42, 0.16]) * rng.uniform(0.94, 1.07))
    middle_hz = 240.0 if tract < 1.08 else 380.0 if tract < 1.25 else 470.0
    bout_count = int(rng.choice([1, 2, 3], p=[0.55, 0.33, 0.12]))
    return LaughVoice(
        f0_hz=float(np.clip(middle_hz * np.exp(rng.normal(0.0, 0.28)), 110.0, 800.0)),
        tract=tract,
        vowel=str(rng.choice(list(_VOWELS), p=[0.34, 0.28, 0.18, 0.10, 0.10])),
        voicing=str(rng.choice(VOICINGS, p=[0.58, 0.18, 0.16, 0.08])),
        rate_hz=float(np.clip(rng.normal(4.9, 0.6), 3.6, 6.6)),
        bursts=tuple(int(n) for n in rng.integers(3, 13, bout_count)),
        breath=float(rng.uniform(0.1, 0.7)),
        effort=float(rng.uniform(0.1, 1.0)),
    )


def synthesise_laugh(voice: LaughVoice, rng: np.random.Generator) -> SynthesisedLaugh:
    """The laugh of `voice` in a room; begins with 0.15..0.5 s of the room alone."""
    now_s = float(rng.uniform(0.15, 0.5))
    pieces: list[tuple[float, Doubles]] = []
    bursts: list[tuple[float, float]] = []
    for number, count in enumerate(voice.bursts):
        if number > 0:
            inhaled = _inhalation(rng, voice)
            pieces.append((now_s, inhaled))
            bursts.append((now_s, now_s + len(inhaled) / SAMPLE_RATE_HZ))
            now_s += len(inhaled) / SAMPLE_RATE_HZ + float(rng.uniform(0.02, 0.25))
        pitch_fall = float(rng.uniform(1.0, 6.0)) / 12.0  # octaves over the bout
        level_fall_db = float(rng.uniform(4.0, 14.0))
        for index in range(count):
            share = index / max(count - 1, 1)
            period_s = (1.0 + 0.22 * share) / voice.rate_hz * float(np.exp(rng.normal(0.0, 0.06)))
            is_first = index == 0 and rng.random() < 0.35
            length_s = period_s * float(rng.uniform(0.5, 0.68)) * (1.9 if is_first else 1.0)
            f0_hz = voice.f0_hz * 2.0 ** (-pitch_fall * share + rng.normal(0.0, 0.05))
            gain = 10.0 ** ((-level_fall_db * share + rng.normal(0.0, 1.2)) / 20.0)
            pieces.append((now_s, gain * _burst(voice, rng, length_s, f0_hz, index)))
            bursts.append((now_s, now_s + length_s))
            now_s += period_s + (length_s * 0.47 if is_first else 0.0)
    audio = np.zeros(round((now_s + 0.6) * SAMPLE_RATE_HZ))
    for start_s, piece in pieces:
        begin = round(start_s * SAMPLE_RATE_HZ)
        end = min(begin + len(piece), len(audio))
        audio[begin:end] += piece[: end - begin]
    audio = in_a_room(audio, rng)
    audio *= (0.15 + 0.55 * voice.effort) / max(float(np.abs(audio).max()), 1e-9)
    audio += 10.0 ** (rng.uniform(-74.0, -56.0) / 20.0) * rng.normal(size=len(audio))
    return SynthesisedLaugh(audio.astype(np.float32), tuple(bursts))


def _burst(voice: LaughVoice, rng: np.random.Generator, length_s: float, f0_hz: float, index: int) -> Doubles:
    count = round(length_s * SAMPLE_RATE_HZ)
    share = np.arange(count) / count
    is_voiced = voice.voicing == "voiced" or (voice.voicing == "mixed" and index % 3 != 2)
    noise = _tilted_noise(count, rng, 0.3)
    h_share = float(rng.uniform(0.3, 0.5))
    breath = np.interp(share, [0.0, 0.4 * h_share, h_share, 0.8, 1.0], [0.0, 1.0, 0.7, 0.35, 0.0]) * noise
    if is_voiced:
        arch = np.interp(share, [0.0, h_share, 0.5, 1.0], [0.0, 0.0, 1.0, -0.4])
        f0 = f0_hz * 2.0 ** (float(rng.uniform(0.06, 0.2)) * arch)
        swell = np.interp(share, [0.0, 0.7 * h_share, h_share + 0.15, 0.78, 1.0], [0.0, 0.0, 1.0, 0.6, 0.0])
        source = glottal_source(f0, rng, tilt_db=-18.0 + 8.0 * voice.effort) * swell + 0.8 * voice.breath * breath
    else:
        source = 1.2 * breath * np.interp(share, [0.0, 0.12, 0.5, 1.0], [0.0, 1.0, 0.8, 0.0])
    tail = np.zeros(round(0.03 * SAMPLE_RATE_HZ))
    source = np.concatenate([source, tail])
    if voice.voicing == "snorted":
        return 1.5 * resonate(source, [(hz * voice.tract, width) for hz, width in _NOSE])
    jaw = 1.0 + 0.06 * rng.normal()
    formants = [
        (hz * voice.tract * (jaw if number == 0 else 1.0), width)
        for number, (hz, width) in enumerate(zip(_VOWELS[voice.vowel], _BANDWIDTHS_HZ, strict=True))
    ]
    return resonate(source, formants)


def _inhalation(rng: np.random.Generator, voice: LaughVoice) -> Doubles:
    """A breath drawn in between two bouts, sometimes with a voice in it."""
    count = round(float(rng.uniform(0.25, 0.55)) * SAMPLE_RATE_HZ)
    swell = np.interp(np.arange(count) / count, [0.0, 0.6, 0.9, 1.0], [0.0, 1.0, 0.7, 0.0])
    source = _tilted_noise(count, rng, 0.1) * swell
    if rng.random() < 0.25:
        source += 0.3 * swell * glottal_source(np.linspace(0.9, 1.35, count) * voice.f0_hz, rng, -18.0)
    return 0.22 * resonate(source, [(hz * voice.tract, 220.0) for hz in (900.0, 1700.0, 2900.0)])


def glottal_source(f0_hz: Doubles, rng: np.random.Generator, tilt_db: float) -> Doubles:
    """Pulses of pitch f0_hz [samples]: harmonics below 7.4 kHz falling `tilt_db` an octave, jitter, shimmer; rms 1."""
    wander = np.repeat(rng.normal(0.0, 0.012, len(f0_hz) // 80 + 1), 80)[: len(f0_hz)]
    phase = 2.0 * np.pi * np.cumsum(f0_hz * (1.0 + wander)) / SAMPLE_RATE_HZ
    source = np.zeros(len(f0_hz))
    highest_hz = float(np.max(f0_hz))
    for harmonic in range(1, max(2, int(7400.0 / highest_hz)) + 1):
        source += harmonic ** (tilt_db / 6.02) * np.sin(harmonic * phase + 0.3 * harmonic)
    shimmer = 1.0 + 0.08 * np.repeat(rng.normal(size=len(f0_hz) // 160 + 1), 160)[: len(f0_hz)]
    source *= shimmer
    return source / max(float(np.sqrt(np.mean(source**2))), 1e-9)


def resonate(source: Doubles, formants: list[tuple[float, float]]) -> Doubles:
    """`source` through resonances (centre Hz, bandwidth Hz) in a row, each of gain 1 at 0 Hz; none above 7.6 kHz."""
    sections: list[list[float]] = []
    for centre_hz, width_hz in formants:
        if centre_hz < 7600.0:
            radius = np.exp(-np.pi * width_hz / SAMPLE_RATE_HZ)
            b, c = 2.0 * radius * np.cos(2.0 * np.pi * centre_hz / SAMPLE_RATE_HZ), -(radius**2)
            sections.append([1.0 - b - c, 0.0, 0.0, 1.0, -b, -c])
    sound = sosfilt(np.array(sections), source)
    # What leaves the lips is the flow's slope.
    return np.asarray(lfilter([1.0, -0.9], [1.0], sound), np.float64)


def in_a_room(audio: Doubles, rng: np.random.Generator) -> Doubles:
    """`audio` with the diffuse sound of a small room, decaying by 60 dB in 0.3..0.8 s."""
    decay_s = float(rng.uniform(0.045, 0.12))
    count = round(5.0 * decay_s * SAMPLE_RATE_HZ)
    response = rng.normal(size=count) * np.exp(-np.arange(count) / (decay_s * SAMPLE_RATE_HZ))
    response *= float(rng.uniform(0.25, 0.5)) / np.sqrt(np.sum(response**2))
    response[0] = 1.0
    return np.asarray(fftconvolve(audio, response)[: len(audio)], np.float64)


def _tilted_noise(count: int, rng: np.random.Generator, pole: float) -> Doubles:
    noise = np.asarray(lfilter([1.0], [1.0, -pole], rng.normal(size=count)), np.float64)
    return noise / max(float(np.std(noise)), 1e-9)
