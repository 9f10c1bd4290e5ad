"""How a voice may sound without saying anything else: rooms, microphones, noise, other voices, codecs, levels.

Milliseconds an excerpt, so that no excerpt is ever heard twice. Rooms and colours are drawn once and kept; what lasts
(noise, music, babble) comes from the stores themselves, from clips that may be learnt from.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft as _untyped_fft

from training.data.clips import HOP_SAMPLES, SAMPLE_RATE_HZ, Floats
from training.data.packed_clips import Clips, open_clips

Doubles = NDArray[np.float64]

# scipy's types say that a transform is a dispatcher's tuple.
fft: Any = _untyped_fft

_ROOMS, _COLOURS = 160, 80
_ROOM_S = 0.35
_MAY_LEARN_FROM = ("free", "weights")


class Augmenter:
    """`augmenter(audio, rng)` is `audio` [samples] as it might have been recorded elsewhere; its timing stays.

    folder   of the stores: `negatives` lends its noises, `synthetic` its voices as babble; each may be missing
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, audio: Floats, rng: np.random.Generator) -> Floats:
        sound = audio.astype(np.float32)
        if rng.random() < 0.45:
            sound = _filtered(sound, self._rooms[rng.integers(_ROOMS)])
        if rng.random() < 0.5:
            sound = _coloured(sound, self._colours[rng.integers(_COLOURS)])
        sound = _at_level(sound, float(rng.uniform(-42.0, -14.0)))
        if rng.random() < 0.6:
            sound = sound + self._noise(rng, len(sound), _level_db(sound) - float(rng.uniform(3.0, 35.0)))
        if rng.random() < 0.12:
            sound = np.clip(sound, -(limit := float(rng.uniform(0.3, 0.9)) * np.abs(sound).max(initial=1e-6)), limit)
        if rng.random() < 0.15:
            sound = _through_codec(sound, rng)
        return np.clip(sound, -1.0, 1.0).astype(np.float32)

    def _noise(self, rng: np.random.Generator, count: int, level_db: float) -> Floats:
        kind = rng.random()
        if kind < 0.35 and self._negatives is not None:
            noise = _piece(*self._negatives, rng, count)
        elif kind < 0.55 and self._voices is not None:
            noise = np.sum([_piece(*self._voices, rng, count) for _ in range(rng.integers(3, 7))], axis=0)
        else:
            noise = steady_noise(rng, count)
        return _at_level(noise, level_db)

    @cached_property
    def _rooms(self) -> list[Floats]:
        rng = np.random.default_rng(11)
        return [_room(rng) for _ in range(_ROOMS)]

    @cached_property
    def _colours(self) -> list[Doubles]:
        rng = np.random.default_rng(12)
        return [_colour(rng) for _ in range(_COLOURS)]

    @cached_property
    def _negatives(self) -> tuple[Clips, NDArray[np.int64]] | None:
        return _learnable(self._folder / "negatives")

    @cached_property
    def _voices(self) -> tuple[Clips, NDArray[np.int64]] | None:
        return _learnable(self._folder / "synthetic")


def silence_like(rng: np.random.Generator, count: int) -> Floats:
    """`count` samples of a microphone that nobody speaks into: nothing at all, its own noise, a room, a keyboard."""
    kind = rng.random()
    if kind < 0.15:
        return np.zeros(count, np.float32)
    level_db = float(rng.uniform(-85.0, -38.0))
    noise = _at_level(steady_noise(rng, count), level_db)
    if kind > 0.75:
        noise = noise + typing(rng, count, level_db=float(rng.uniform(-50.0, -25.0)))
    return noise.astype(np.float32)


def steady_noise(rng: np.random.Generator, count: int) -> Floats:
    """Noise of a random slope (white to brown), often with mains hum or a fan's tone; rms about 1."""
    spectrum = fft.rfft(rng.standard_normal(count).astype(np.float32), workers=1)
    frequency = np.linspace(0.0, SAMPLE_RATE_HZ / 2, len(spectrum))
    slope = float(rng.uniform(0.0, 2.0))
    noise = fft.irfft(spectrum * (np.maximum(frequency, 40.0) / 1000.0) ** (-slope / 2.0), count)
    noise = noise / (noise.std() + 1e-9)
    if rng.random() < 0.3:
        base_hz = float(rng.choice([50.0, 60.0, rng.uniform(90.0, 400.0)]))
        time_s = np.arange(count) / SAMPLE_RATE_HZ
        for harmonic in range(1, 6):
            strength = float(rng.uniform(0.0, 1.2)) / harmonic
            noise = noise + strength * np.sin(2 * np.pi * (harmonic * base_hz * time_s + rng.random()))
    return noise.astype(np.float32)


def typing(rng: np.random.Generator, count: int, level_db: float) -> Floats:
    """Key strokes, two to nine a second: short resonant clicks, press and release; the loudest at about `level_db`."""
    sound = np.zeros(count, np.float32)
    at = 0
    while True:
        at += int(SAMPLE_RATE_HZ / rng.uniform(2.0, 9.0) * rng.uniform(0.4, 1.8))
        if at + 1600 >= count:
            break
        for delay, strength in ((0, 1.0), (int(rng.integers(900, 1500)), 0.4)):
            length = int(rng.integers(60, 320))
            click = rng.standard_normal(length) * np.exp(-np.arange(length) / rng.uniform(12.0, 60.0))
            end = min(count, at + delay + length)
            sound[at + delay : end] += (strength * rng.uniform(0.3, 1.0) * click)[: end - at - delay]
    return (sound * 10 ** (level_db / 20.0) * 3.0).astype(np.float32)


def _learnable(folder: Path) -> tuple[Clips, NDArray[np.int64]] | None:
    if not (folder / "index.jsonl").exists():
        return None
    store = open_clips(folder)
    infos = store.infos
    chosen = [n for n in store.at_hand() if infos[n].split == "train" and infos[n].use in _MAY_LEARN_FROM]
    return (store, np.array(chosen)) if chosen else None


def _piece(store: Clips, clips: NDArray[np.int64], rng: np.random.Generator, count: int) -> Floats:
    """`count` samples from a random place of a random clip, from its start again as often as needed, at rms 1."""
    clip = int(rng.choice(clips))
    sound = np.asarray(store.stored(clip)["audio"], np.float32).reshape(-1)
    sound = np.resize(np.roll(sound, -int(rng.integers(store.hops[clip])) * HOP_SAMPLES), count)
    return sound / (sound.std() + 1e-6)


def _room(rng: np.random.Generator) -> Floats:
    """An impulse response: the direct sound first, a few echoes, and noise that decays as in a room of its size."""
    count = int(_ROOM_S * SAMPLE_RATE_HZ)
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    decay_s = float(np.exp(rng.uniform(np.log(0.08), np.log(0.7))))
    tail = rng.standard_normal(count) * 10 ** (-3.0 * time_s / decay_s)
    tail[: int(rng.integers(20, 200))] = 0.0
    tail *= 10 ** (rng.uniform(-22.0, -4.0) / 20.0) / (np.sqrt(np.sum(tail**2)) + 1e-9)
    for _ in range(int(rng.integers(0, 6))):
        tail[int(rng.integers(15, 500))] += rng.uniform(-0.5, 0.5)
    tail[0] = 1.0
    return tail.astype(np.float32)


def _colour(rng: np.random.Generator) -> Doubles:
    """Gains at 65 frequencies up to 8 kHz: tilts, bumps and band limits of small microphones and telephones."""
    frequency = np.linspace(0.0, 1.0, 65)
    gain_db = rng.uniform(-6.0, 6.0) * (frequency - 0.3)
    for _ in range(int(rng.integers(1, 5))):
        gain_db = gain_db + rng.uniform(-8.0, 8.0) * np.exp(
            -(((frequency - rng.random()) / rng.uniform(0.03, 0.2)) ** 2)
        )
    low, high = (0.0375, 0.425) if rng.random() < 0.2 else (rng.uniform(0.0, 0.02), rng.uniform(0.5, 1.1))
    gain_db = gain_db - 40.0 * ((frequency < low) + (frequency > high))
    return 10 ** (gain_db / 20.0)


def _filtered(sound: Floats, response: Floats) -> Floats:
    count = fft.next_fast_len(len(sound) + len(response), real=True)
    return fft.irfft(fft.rfft(sound, count) * fft.rfft(response, count), count)[: len(sound)].astype(np.float32)


def _coloured(sound: Floats, gains: Doubles) -> Floats:
    count = fft.next_fast_len(len(sound), real=True)
    spectrum = fft.rfft(sound, count)
    along = np.interp(np.linspace(0.0, 1.0, len(spectrum)), np.linspace(0.0, 1.0, len(gains)), gains)
    return fft.irfft(spectrum * along.astype(np.float32), count)[: len(sound)].astype(np.float32)


def _through_codec(sound: Floats, rng: np.random.Generator) -> Floats:
    """Logarithmic quantisation to few bits, as telephones do (mu-law)."""
    mu, levels = 255.0, float(2 ** rng.integers(5, 9))
    peak = np.abs(sound).max(initial=1e-6)
    squeezed = np.sign(sound) * np.log1p(mu * np.abs(sound) / peak) / np.log1p(mu)
    rounded = np.round(squeezed * levels / 2.0) / (levels / 2.0)
    return (np.sign(rounded) * peak * np.expm1(np.abs(rounded) * np.log1p(mu)) / mu).astype(np.float32)


def _level_db(sound: Floats) -> float:
    """Of the loud parts: rms over the hops within 25 dB of the loudest, dBFS."""
    hops = sound[: len(sound) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
    power = np.mean(np.square(hops), axis=1)
    loud = power[power > power.max(initial=0.0) * 10**-2.5]
    return float(10.0 * np.log10(loud.mean() + 1e-12)) if len(loud) else -120.0


def _at_level(sound: Floats, level_db: float) -> Floats:
    """`sound` with its loud parts at `level_db`; silence stays silence."""
    now_db = _level_db(sound)
    return sound if now_db < -100.0 else (sound * np.float32(10 ** ((level_db - now_db) / 20.0))).astype(np.float32)
