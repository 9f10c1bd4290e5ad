"""Sounds that a detector of laughter takes for laughter, and that it has to learn not to: made, not recorded.

Each maker gives float32 [samples] of 16 kHz sound between -1 and 1, `length_s` long. Several keep the rhythm of a laugh
on purpose: claps at five a second, a hi-hat in eighths, panting, hammering, sobs that come in rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from training.data.clips import SAMPLE_RATE_HZ, Floats
from training.data.laugh_synthesis import glottal_source, in_a_room, resonate

Doubles = NDArray[np.float64]
Maker = Callable[[np.random.Generator, float], Floats]


def cough(rng: np.random.Generator, length_s: float) -> Floats:
    """Fits of coughs: an explosion of noise, a rough voiced or hissing tail; one to four in a fit, seldom regular."""
    sound, now_s = _silence(length_s), float(rng.uniform(0.1, 0.6))
    tract = float(rng.uniform(0.9, 1.35))
    while now_s < length_s - 0.5:
        for _ in range(int(rng.integers(1, 5))):
            count = _samples(rng.uniform(0.16, 0.38))
            share = np.arange(count) / count
            attack = np.exp(-share * rng.uniform(5.0, 9.0)) * np.minimum(share / 0.02, 1.0)
            tail = np.interp(share, [0.0, 0.25, 0.45, 1.0], [0.0, 0.1, 0.35, 0.0])
            source = attack * rng.normal(size=count) + 0.4 * tail * rng.normal(size=count)
            if rng.random() < 0.6:
                f0 = np.linspace(1.2, 0.8, count) * rng.uniform(90.0, 260.0) * (1.0 + 0.15 * rng.normal(size=count))
                source += 0.5 * tail * glottal_source(f0, rng, -10.0)
            formants = [(hz * tract, 260.0) for hz in (650.0, 1500.0, 2700.0, 3900.0)]
            _mix(sound, now_s, rng.uniform(0.5, 1.0) * resonate(source, formants))
            now_s += count / SAMPLE_RATE_HZ + float(rng.uniform(0.05, 0.35))
        now_s += float(rng.uniform(0.6, 2.5))
    return _finished(sound, rng)


def breath(rng: np.random.Generator, length_s: float) -> Floats:
    """Calm breathing to panting, 0.25 to 2.5 breaths a second; in and out differ in colour."""
    sound, now_s = _silence(length_s), 0.0
    rate_hz = float(np.exp(rng.uniform(np.log(0.25), np.log(2.5))))
    is_in, tract = True, float(rng.uniform(0.9, 1.3))
    while now_s < length_s - 0.1:
        count = _samples(0.5 / rate_hz * float(np.exp(rng.normal(0.0, 0.12))) * rng.uniform(0.6, 0.95))
        swell = np.hanning(count) ** rng.uniform(0.6, 1.4)
        centres = (900.0, 1900.0, 3200.0) if is_in else (500.0, 1300.0, 2400.0)
        _mix(sound, now_s, swell * resonate(rng.normal(size=count), [(hz * tract, 420.0) for hz in centres]))
        now_s += 0.5 / rate_hz
        is_in = not is_in
    return _finished(sound, rng, (-42.0, -22.0))


def crying(rng: np.random.Generator, length_s: float) -> Floats:
    """Sobs and wails: long voiced falls of pitch, one or two a second or slower, gasps between them."""
    sound, now_s = _silence(length_s), float(rng.uniform(0.1, 0.5))
    tract = float(rng.choice([1.0, 1.17, 1.4]))
    f0_hz = float(rng.uniform(170.0, 300.0) * tract**2.2)
    while now_s < length_s - 0.4:
        count = _samples(rng.uniform(0.35, 1.3))
        share = np.arange(count) / count
        tremor = 1.0 + 0.03 * np.sin(2.0 * np.pi * rng.uniform(5.0, 9.0) * share * count / SAMPLE_RATE_HZ)
        f0 = f0_hz * 2.0 ** np.interp(share, [0.0, 0.2, 1.0], [0.0, 0.25, -rng.uniform(0.3, 0.9)]) * tremor
        swell = np.interp(share, [0.0, 0.15, 0.7, 1.0], [0.0, 1.0, 0.6, 0.0])
        source = swell * (glottal_source(f0, rng, -9.0) + 0.15 * rng.normal(size=count))
        _mix(sound, now_s, resonate(source, [(hz * tract, 130.0) for hz in (620.0, 1350.0, 2600.0, 3500.0)]))
        now_s += count / SAMPLE_RATE_HZ + float(rng.uniform(0.05, 0.3))
        for _ in range(int(rng.integers(0, 4))):  # gasps
            gasp = np.hanning(_samples(rng.uniform(0.08, 0.2)))
            _mix(sound, now_s, 0.12 * gasp * resonate(rng.normal(size=len(gasp)), [(1500.0, 500.0), (2900.0, 600.0)]))
            now_s += len(gasp) / SAMPLE_RATE_HZ + float(rng.uniform(0.04, 0.15))
    return _finished(sound, rng)


def applause(rng: np.random.Generator, length_s: float) -> Floats:
    """One pair of hands at three to six claps a second, up to a hall of them."""
    hands = int(np.exp(rng.uniform(0.0, np.log(60.0))))
    room = rng.normal(size=_samples(0.25)) * np.exp(-np.arange(_samples(0.25)) / _samples(rng.uniform(0.03, 0.08)))
    sound = _silence(length_s)
    for _ in range(hands):
        rate_hz, centre_hz = rng.uniform(3.0, 6.0), rng.uniform(700.0, 2600.0)
        now_s, gain = float(rng.uniform(0.0, 0.4)), rng.uniform(0.3, 1.0)
        while now_s < length_s - 0.05:
            count = _samples(0.03)
            clap = rng.normal(size=count) * np.exp(-np.arange(count) / _samples(0.004))
            _mix(sound, now_s, gain * resonate(clap, [(centre_hz, centre_hz / 2.5), (2.1 * centre_hz, centre_hz)]))
            now_s += float(np.exp(rng.normal(0.0, 0.06))) / rate_hz
    return _finished(sound + 0.3 * fftconvolve(sound, room)[: len(sound)], rng)


def music(rng: np.random.Generator, length_s: float) -> Floats:
    """Chords, a melody and drums in a random tempo and key; any of the three may be missing."""
    sound = _silence(length_s)
    beat_s, root_hz = 60.0 / rng.uniform(70.0, 170.0), 110.0 * 2.0 ** (rng.integers(0, 12) / 12.0)
    parts = [part for part in ("chords", "melody", "drums") if rng.random() < 0.7] or ["melody"]
    scale = np.array([0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.5 else [0, 2, 3, 5, 7, 8, 10])
    tilt = rng.uniform(1.0, 2.5)
    if "chords" in parts:
        for bar in range(int(length_s / (4 * beat_s)) + 1):
            degree = int(rng.choice([0, 3, 4, 5]))
            for step in (0, 2, 4):
                semitone = scale[(degree + step) % 7] + 12 * ((degree + step) // 7)
                _mix(sound, 4 * beat_s * bar, 0.3 * _note(root_hz * 2.0 ** (semitone / 12.0), 4 * beat_s, tilt))
    if "melody" in parts:
        now_s, degree = 0.0, 7
        while now_s < length_s:
            degree = int(np.clip(degree + rng.integers(-2, 3), 0, 16))
            length = beat_s * float(rng.choice([0.25, 0.5, 0.5, 1.0]))
            semitone = scale[degree % 7] + 12 * (degree // 7)
            _mix(sound, now_s, 0.5 * _note(2.0 * root_hz * 2.0 ** (semitone / 12.0), length, tilt))
            now_s += length
    if "drums" in parts:
        for eighth in range(int(2 * length_s / beat_s)):
            now_s = 0.5 * beat_s * eighth
            share = np.arange(_samples(0.2)) / SAMPLE_RATE_HZ
            hat = lfilter([1.0, -0.95], [1.0], rng.normal(size=len(share))) * np.exp(-share / 0.02)
            _mix(sound, now_s, 0.15 * np.asarray(hat))
            if eighth % 4 == 0:
                _mix(
                    sound,
                    now_s,
                    np.sin(2.0 * np.pi * (50.0 * share - 8.0 * np.exp(-share / 0.03))) * np.exp(-share / 0.08),
                )
            if eighth % 4 == 2:
                _mix(sound, now_s, 0.5 * rng.normal(size=len(share)) * np.exp(-share / 0.05))
    return _finished(sound, rng)


def typing(rng: np.random.Generator, length_s: float) -> Floats:
    """Keys at two to ten strokes a second in runs, or a hammer at laugh's pace."""
    sound, now_s = _silence(length_s), float(rng.uniform(0.0, 0.4))
    rate_hz, body_hz = rng.uniform(2.0, 10.0), rng.uniform(250.0, 3500.0)
    while now_s < length_s - 0.1:
        for _ in range(int(rng.integers(3, 18))):
            count = _samples(0.06)
            click = rng.normal(size=count) * np.exp(-np.arange(count) / _samples(rng.uniform(0.001, 0.008)))
            _mix(
                sound,
                now_s,
                rng.uniform(0.4, 1.0) * resonate(click, [(body_hz, body_hz / 4.0), (2.7 * body_hz, body_hz)]),
            )
            now_s += float(np.exp(rng.normal(0.0, 0.25))) / rate_hz
        now_s += float(rng.uniform(0.1, 1.2))
    return _finished(sound, rng, (-45.0, -22.0))


def noise(rng: np.random.Generator, length_s: float) -> Floats:
    """Fans, hum, wind, traffic: coloured noise that swells slowly, with or without mains hum."""
    count = _samples(length_s)
    low_hz = float(np.exp(rng.uniform(np.log(40.0), np.log(800.0))))
    high_hz = min(low_hz * float(np.exp(rng.uniform(1.0, 4.0))), 7500.0)
    band = butter(2, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    sound = np.asarray(sosfilt(band, rng.normal(size=count)), np.float64)
    swell_hz = rng.uniform(0.05, 6.0)
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    sound *= 1.0 + rng.uniform(0.0, 0.8) * np.sin(2.0 * np.pi * swell_hz * time_s)
    if rng.random() < 0.4:
        hum_hz = float(rng.choice([50.0, 60.0]))
        sound += sum(
            rng.uniform(0.0, 0.6) * np.std(sound) * np.sin(2.0 * np.pi * k * hum_hz * time_s) for k in (1, 2, 3, 5)
        )
    return _finished(sound, rng, (-50.0, -20.0))


DECOYS: dict[str, Maker] = {
    "cough": cough,
    "breath": breath,
    "crying": crying,
    "applause": applause,
    "music": music,
    "typing": typing,
    "noise": noise,
}


def _note(f0_hz: float, length_s: float, tilt: float) -> Doubles:
    time_s = np.arange(_samples(length_s)) / SAMPLE_RATE_HZ
    harmonics = range(1, max(2, min(12, int(7500.0 / f0_hz))))
    tone = sum(k**-tilt * np.sin(2.0 * np.pi * k * f0_hz * time_s) for k in harmonics)
    return np.asarray(tone * np.exp(-time_s / (0.7 * length_s)) * np.minimum(time_s / 0.008, 1.0), np.float64)


def _samples(length_s: float) -> int:
    return max(8, round(length_s * SAMPLE_RATE_HZ))


def _silence(length_s: float) -> Doubles:
    return np.zeros(_samples(length_s))


def _mix(sound: Doubles, start_s: float, piece: Doubles) -> None:
    """Add `piece` at `start_s`; what does not fit is cut off."""
    begin = round(start_s * SAMPLE_RATE_HZ)
    end = min(begin + len(piece), len(sound))
    if end > begin:
        sound[begin:end] += piece[: end - begin]


def _finished(sound: Doubles, rng: np.random.Generator, level_db: tuple[float, float] = (-34.0, -14.0)) -> Floats:
    """In a room, mostly, at a random level (peak re full scale), over a little noise."""
    if rng.random() < 0.7:
        sound = in_a_room(sound, rng)
    peak = 10.0 ** (float(rng.uniform(*level_db)) / 20.0) * 2.0
    noise_floor = 10.0 ** (float(rng.uniform(-75.0, -55.0)) / 20.0)
    sound = sound / max(float(np.abs(sound).max()), 1e-9) * peak + noise_floor * rng.normal(size=len(sound))
    return np.clip(sound, -1.0, 1.0).astype(np.float32)
