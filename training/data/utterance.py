"""Something said: its sound and when each phone was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

import numpy as np
from scipy.signal import resample_poly

from training.data.clips import SAMPLE_RATE_HZ, Floats
from training.data.phones import SILENCE, Phone


@dataclass(frozen=True, eq=False)
class Utterance:
    """audio   float32 [samples] at 16 kHz, -1..1
    phones  in the order of time, without silences; times in seconds from the first sample
    """

    audio: Floats
    phones: list[Phone]

    @property
    def seconds(self) -> float:
        return len(self.audio) / SAMPLE_RATE_HZ

    def shifted(self, by_s: float) -> list[Phone]:
        """The phones, `by_s` later."""
        return [replace(phone, start_s=phone.start_s + by_s, end_s=phone.end_s + by_s) for phone in self.phones]

    def trimmed(self, margin_s: float) -> Utterance:
        """Without the silence farther than `margin_s` from the first and the last phone."""
        if not self.phones:
            return self
        begin = max(0, round((self.phones[0].start_s - margin_s) * SAMPLE_RATE_HZ))
        end = min(len(self.audio), round((self.phones[-1].end_s + margin_s) * SAMPLE_RATE_HZ))
        return Utterance(self.audio[begin:end], Utterance(self.audio, self.phones).shifted(-begin / SAMPLE_RATE_HZ))

    def sped_up(self, factor: float) -> Utterance:
        """Played `factor` times as fast, pitch and voice going along: another, smaller (> 1) or larger speaker."""
        rate_hz = round(SAMPLE_RATE_HZ * factor / 100) * 100
        audio, ratio = at_16_khz(self.audio, rate_hz), SAMPLE_RATE_HZ / rate_hz
        phones = [replace(p, start_s=p.start_s * ratio, end_s=p.end_s * ratio) for p in self.phones]
        return Utterance(audio, phones)


def at_16_khz(audio: Floats, rate_hz: int) -> Floats:
    """`audio` [samples] of `rate_hz`, at 16 kHz."""
    if rate_hz == SAMPLE_RATE_HZ:
        return np.asarray(audio, np.float32)
    common = gcd(rate_hz, SAMPLE_RATE_HZ)
    return resample_poly(audio, SAMPLE_RATE_HZ // common, rate_hz // common).astype(np.float32)


def joined(utterances: Sequence[Utterance], pauses_s: Sequence[float], floor: Floats | None = None) -> Utterance:
    """One after the other; `pauses_s` are before the first, between them, and after the last: one more than there are.

    `floor` [samples] is what the pauses sound like (repeated as needed); digital silence by default.
    """
    if len(pauses_s) != len(utterances) + 1:
        raise ValueError(f"{len(utterances)} utterances have {len(utterances) + 1} pauses around; got {len(pauses_s)}")
    parts, phones, samples = [_pause(pauses_s[0], floor)], list[Phone](), 0
    for utterance, pause_s in zip(utterances, pauses_s[1:], strict=True):
        samples = sum(map(len, parts))
        phones += utterance.shifted(samples / SAMPLE_RATE_HZ)
        parts += [utterance.audio, _pause(pause_s, floor)]
    return Utterance(np.concatenate(parts), phones)


def spoken(phones: Sequence[Phone]) -> list[Phone]:
    """`phones` without silences."""
    return [phone for phone in phones if phone.symbol != SILENCE]


def with_silences(phones: Sequence[Phone], seconds: float) -> list[Phone]:
    """`phones` with a silence wherever there is none, from 0 to `seconds`."""
    filled, at_s = list[Phone](), 0.0
    for phone in phones:
        if phone.start_s > at_s + 1e-6:
            filled.append(Phone(SILENCE, at_s, phone.start_s))
        filled.append(phone)
        at_s = max(at_s, phone.end_s)
    return filled if at_s >= seconds else [*filled, Phone(SILENCE, at_s, seconds)]


def _pause(seconds: float, floor: Floats | None) -> Floats:
    samples = round(seconds * SAMPLE_RATE_HZ)
    return np.zeros(samples, np.float32) if floor is None else np.resize(floor, samples).astype(np.float32)
