"""Laughs as clips for the training: labels, the motion of the face, pieces of 2 to 12 s; laughs within and after
speech.

`face_motion` depends on what can be heard alone (effort, length, rhythm), so that it can be learnt from the sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import resample_poly

from protocol.frame import ARKIT_SHAPES
from training.data.bursts import bouts, burst_peaks, loudness_db, rows_of_bouts
from training.data.clips import HOP_S, HOP_SAMPLES, SAMPLE_RATE_HZ, Clip, ClipInfo, Floats, whole_hops
from training.data.coarticulation import motion_of_faces
from training.data.laugh_motion import LaughStyle, draw_laugh_style, laugh_face, presence
from training.data.laughter import effort
from training.data.phones import BILABIALS, INDEX_OF_PHONE, LABIODENTALS, SILENCE

SHORTEST_S, LONGEST_S = 2.0, 12.0
PHRASE_S = (2.0, 6.5)
LAUGH_VALENCE = 0.8
LONGEST_LINGER_S = 1.35

_LEAD_S, _TAIL_S = (0.4, 1.2), (1.0, 1.6)  # of room tone around a laugh that is cut out closely
_TRIM_S = 0.6
_GIGGLE_HZ = 5.4
_POLITE = 0.56
_LIPS = [INDEX_OF_PHONE[symbol] for symbol in sorted(BILABIALS | LABIODENTALS)]
_OPENERS = [
    ARKIT_SHAPES.index(name)
    for name in ("jawOpen", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight")
]
_SPEECH_LEFT = 0.75  # of the articulation beside a full laugh
_CLIP_PEAK = 0.98


@dataclass(frozen=True, eq=False)
class Laugh:
    """Sound with rows [hops] of labels, 0..1, NaN where unknown."""

    name: str
    voice: str
    source: str
    use: str
    split: str
    audio: Floats
    laughter: Floats
    speech: Floats


def strength_of(laugh: Laugh) -> float:
    """0.2..1 how strongly a face laughs this: by its effort and by the longest bout, not by its gain."""
    runs = bouts(np.nan_to_num(laugh.laughter) > 0.5)
    longest_s = max((end - begin for begin, end in runs), default=0) * HOP_S
    return float(np.clip(0.2 + 0.5 * effort(laugh.audio) + 0.3 * min(longest_s / 2.0, 1.0), 0.2, 1.0))


def style_of(laugh: Laugh, strength: float) -> str:
    """polite for weak laughs, giggle for fast ones, hearty for the rest."""
    peaks = burst_peaks(loudness_db(laugh.audio))
    intervals = np.diff(peaks[np.nan_to_num(laugh.laughter)[peaks] > 0.5]) * HOP_S
    intervals = intervals[intervals < 0.5]
    if len(intervals) >= 3 and 1.0 / float(np.median(intervals)) > _GIGGLE_HZ:
        return "giggle"
    return "polite" if strength < _POLITE else "hearty"


def in_room_tone(laugh: Laugh, rng: np.random.Generator) -> Laugh:
    """`laugh` with its own room's noise before and behind it, so that the smile has the time to come and go."""
    lead, tail = (round(float(rng.uniform(*span)) / HOP_S) for span in (_LEAD_S, _TAIL_S))
    level_db = min(float(np.percentile(loudness_db(laugh.audio), 3.0)), -56.0)
    pads = [10.0 ** (level_db / 20.0) * rng.normal(size=hops * HOP_SAMPLES) for hops in (lead, tail)]
    silent = [np.zeros(hops, np.float32) for hops in (lead, tail)]
    return replace(
        laugh,
        audio=np.concatenate([pads[0], laugh.audio, pads[1]]).astype(np.float32),
        laughter=np.concatenate([silent[0], laugh.laughter, silent[1]]),
        speech=np.concatenate([silent[0], laugh.speech, silent[1]]),
    )


def sped(audio: Floats, speed: float) -> Floats:
    """`audio` played at `speed` (to the hundredth), in whole hops."""
    return np.clip(whole_hops(resample_poly(audio, 100, round(100 * speed))), -1.0, 1.0)


def at_speed(laugh: Laugh, speed: float) -> Laugh:
    """Another voice of the same laugh: pitch, formants and rhythm times `speed`, labels along."""
    audio = sped(laugh.audio, speed)
    at = np.minimum((np.arange(len(audio) // HOP_SAMPLES) * speed).astype(int), len(laugh.laughter) - 1)
    percent = round(100 * speed)
    return replace(
        laugh,
        name=f"{laugh.name}@{percent}",
        voice=f"{laugh.voice}@{percent}",
        audio=audio,
        laughter=laugh.laughter[at],
        speech=laugh.speech[at],
    )


def clips_of(laugh: Laugh, rng: np.random.Generator, seed: int) -> Iterator[Clip]:
    """`laugh` with the motion of its face, in pieces."""
    ends_close = loudness_db(laugh.audio)[-round(_TRIM_S / HOP_S) :].max() > -45.0
    if ends_close or len(laugh.audio) < SHORTEST_S * SAMPLE_RATE_HZ:
        laugh = in_room_tone(laugh, rng)
    strength = strength_of(laugh)
    name = style_of(laugh, strength)
    motion, shown = face_motion(laugh, draw_laugh_style(rng, name), strength, seed)
    # Unknown rows, and speech whose articulation nobody knows, teach nothing about motion.
    known = ~_followed(~np.isfinite(laugh.laughter) | (laugh.speech > 0.5), LONGEST_LINGER_S)
    weight = np.where(known, np.where(np.isfinite(laugh.speech), 1.0, 0.6), 0.0).astype(np.float32)
    whole = Clip(
        info=ClipInfo(laugh.name, laugh.voice, laugh.source, "laughter", laugh.use, laugh.split, name),
        audio=laugh.audio,
        motion=motion,
        motion_weight=weight,
        speech=laugh.speech,
        laughter=laugh.laughter,
        valence=(LAUGH_VALENCE * shown).astype(np.float32),
        arousal=np.where(np.isfinite(laugh.laughter), laugh.laughter * (0.3 + 0.6 * strength), np.nan).astype(
            np.float32
        ),
    )
    yield from pieces(whole)


def face_motion(
    laugh: Laugh, style: LaughStyle, strength: float, seed: int, contact: Floats | None = None
) -> tuple[Floats, Floats]:
    """(motion [hops, 53], presence of the smile [hops]) of a laugh; lips that have `contact` 0..1 stay together."""
    laughter = np.nan_to_num(laugh.laughter).astype(np.float32)
    face = laugh_face(loudness_db(laugh.audio), laughter, style, strength, seed)
    if contact is not None:
        face[:, _OPENERS] *= 1.0 - contact[:, None]
    return motion_of_faces(face), presence(laughter, style.linger_s).astype(np.float32)


def pieces(clip: Clip) -> Iterator[Clip]:
    """`clip` in pieces of at most 12 s, cut where it is quietest; nothing shorter than 2 s."""
    level_db, longest, begin, number = loudness_db(clip.audio), round(LONGEST_S / HOP_S), 0, 0
    shortest = round(SHORTEST_S / HOP_S)
    while clip.hops - begin >= shortest:
        end = clip.hops
        if end - begin > longest:
            latest = min(begin + longest, clip.hops - shortest)
            window = level_db[begin + longest // 2 : latest]
            end = begin + longest // 2 + int(np.argmin(gaussian_filter1d(window, 3.0)))
        yield part(clip, begin, end, number)
        begin, number = end, number + 1


def part(clip: Clip, begin: int, end: int, number: int) -> Clip:
    """Hops begin..end of `clip`, named by `number`."""
    rows = {
        name: getattr(clip, name)[begin:end]
        for name in ("motion", "motion_weight", "phones", "speech", "laughter", "valence", "arousal")
        if len(getattr(clip, name))
    }
    audio = clip.audio[begin * HOP_SAMPLES : end * HOP_SAMPLES]
    return replace(clip, info=replace(clip.info, name=f"{clip.info.name}/{number}"), audio=audio, **rows)


def phrase(clip: Clip, rng: np.random.Generator) -> Clip | None:
    """A random 2 to 6.5 s of `clip` from pause to pause, the pauses' middles; None if it has no such stretch."""
    is_silent = np.pad((clip.phones == INDEX_OF_PHONE[SILENCE]).astype(np.int8), 1)
    edges = is_silent[1:] - is_silent[:-1]
    pauses = (np.flatnonzero(edges > 0) + np.flatnonzero(edges < 0)) // 2
    stretches = [
        (int(begin), int(end))
        for begin in pauses
        for end in pauses
        if PHRASE_S[0] <= (end - begin) * HOP_S <= PHRASE_S[1]
    ]
    if not stretches:
        return None
    begin, end = stretches[int(rng.integers(len(stretches)))]
    return part(clip, begin, end, begin)


def laughing_speech(speech: Clip, laugh: Laugh, rng: np.random.Generator, seed: int) -> Clip | None:
    """`speech` and `laugh` in one clip, the laugh behind, before or within; None when that is longer than 12 s.

    Within speech the laugh shakes the voice too: speech and laugh share one breath. The face is the articulation, a
    little weakened, and the laugh's; lips still meet for p, b, m, f, v.
    """
    mode = str(rng.choice(["behind", "before", "within"], p=[0.45, 0.2, 0.35]))
    spoken, laughed = speech.hops, len(laugh.laughter)
    gap = round(float(rng.uniform(-0.25, 0.35)) / HOP_S)
    if mode == "behind":
        at_speech, at_laugh = 0, max(spoken + gap, 0)
    elif mode == "before":
        at_speech, at_laugh = max(laughed + gap, 0), 0
    else:
        at_speech, at_laugh = 0, int(rng.integers(0, max(spoken - laughed // 2, 1)))
    hops = max(at_speech + spoken, at_laugh + laughed) + round(0.8 / HOP_S)
    if hops * HOP_S > LONGEST_S:
        return None
    gain = _level(speech.audio) / _level(laugh.audio) * 10.0 ** (rng.uniform(-4.0, 4.0) / 20.0)
    laugh_alone = _placed(gain * laugh.audio, at_laugh * HOP_SAMPLES, hops * HOP_SAMPLES)
    laughter = _placed(np.nan_to_num(laugh.laughter), at_laugh, hops)
    said = _placed(speech.audio, at_speech * HOP_SAMPLES, hops * HOP_SAMPLES)
    if mode == "within":
        said = _shaken(said, laughter, rng)
    audio = said + laugh_alone + 10.0 ** (rng.uniform(-74.0, -58.0) / 20.0) * rng.normal(size=len(said))
    audio *= min(1.0, _CLIP_PEAK / float(np.abs(audio).max()))
    phones = np.full(hops, INDEX_OF_PHONE[SILENCE], np.uint8)
    phones[at_speech : at_speech + spoken] = speech.phones
    total = replace(laugh, audio=laugh_alone.astype(np.float32), laughter=laughter, speech=np.zeros(hops, np.float32))
    strength = strength_of(total)
    name = style_of(total, strength)
    contact = np.minimum(1.6 * gaussian_filter1d(np.isin(phones, _LIPS).astype(np.float64), 1.5), 1.0)
    laughing, shown = face_motion(total, draw_laugh_style(rng, name), strength, seed, contact.astype(np.float32))
    articulation = np.zeros((hops, speech.motion.shape[1]), np.float32)
    articulation[at_speech : at_speech + spoken] = speech.motion
    weakened = 1.0 - (1.0 - _SPEECH_LEFT) * shown * (1.0 - contact)
    return Clip(
        info=ClipInfo(
            name=f"{speech.info.name}+{laugh.name}",
            voice=speech.info.voice,
            source=f"{speech.info.source} + {laugh.source}",
            kind="laughing_speech",
            use=speech.info.use if laugh.use == "free" else laugh.use,
            split=laugh.split,
            style=name,
        ),
        audio=audio.astype(np.float32),
        motion=(weakened[:, None] * articulation + laughing).astype(np.float32),
        motion_weight=np.ones(hops, np.float32),
        phones=phones,
        speech=_placed(np.nan_to_num(speech.speech), at_speech, hops),
        laughter=laughter,
        valence=(LAUGH_VALENCE * shown).astype(np.float32),
        arousal=(laughter * (0.3 + 0.6 * strength)).astype(np.float32),
    )


def laugh_from_bursts(audio: Floats, bursts: tuple[tuple[float, float], ...]) -> tuple[Floats, Floats]:
    """(sound in whole hops, laughter [hops]) of a synthesised laugh: 1 from each bout's first burst to its last."""
    audio = whole_hops(audio)
    hops = len(audio) // HOP_SAMPLES
    rows = np.zeros(hops, bool)
    for start_s, end_s in bursts:
        rows[int(start_s / HOP_S) : int(np.ceil(end_s / HOP_S))] = True
    return audio, rows_of_bouts(bouts(rows), hops)


def _followed(rows: NDArray[np.bool_], by_s: float) -> NDArray[np.bool_]:
    """`rows` and what comes up to `by_s` after them."""
    reach = round(by_s / HOP_S)
    return np.convolve(rows, np.ones(reach + 1))[: len(rows)] > 0.5


def _level(audio: NDArray[np.floating]) -> float:
    """Peak of the loudest fifth of a second."""
    return 10.0 ** (float(np.percentile(loudness_db(audio.astype(np.float32)), 95.0)) / 20.0)


def _placed(rows: NDArray[np.floating], at: int, size: int) -> Floats:
    placed = np.zeros(size, np.float32)
    placed[at : at + len(rows)] = rows
    return placed


def _shaken(said: Floats, laughter: Floats, rng: np.random.Generator) -> Floats:
    """Speech whose level trembles five times a second where one laughs."""
    rate_hz = rng.uniform(4.2, 6.0)
    time_s = np.arange(len(said)) / SAMPLE_RATE_HZ
    tremble = 0.5 + 0.5 * np.sin(2.0 * np.pi * rate_hz * time_s + rng.uniform(0.0, 6.28))
    depth = np.repeat(gaussian_filter1d(laughter.astype(np.float64), 2.0), HOP_SAMPLES) * rng.uniform(0.4, 0.8)
    return (said * (1.0 - depth * tremble)).astype(np.float32)
