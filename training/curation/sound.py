"""What a piece sounds like, hop by hop: speech, laughter, and how far the lips should part for it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from driver.encode import AudioEncoder
from driver.knobs import LONGEST_LOOKAHEAD_MS, Knobs
from driver.runtime import OnnxModel
from driver.types import HOP_NS, AudioChunk, Motion
from driver.weights import DEFAULT_AUDIO_MODEL, find_weights
from models.head.flame import JAW, open_head
from models.head.landmarks import INNER_LIPS, LandmarkRig, open_head_landmarks
from training.curation.item import Item
from training.curation.media import sound
from training.curation.settings import CurationSettings, path_or_none
from training.data.bursts import bouts, loudness_db
from training.data.clips import HOP_S, HOP_SAMPLES, Floats
from training.data.yamnet import LAUGHTER, Yamnet

_LOUD_PERCENTILE = 90.0
# YAMNet's scores for laughter are low: at this one it is as likely laughter as not (docs/curation.md).
_EVEN_SCORE = 0.05


def listen(item: Item, settings: CurationSettings) -> Iterator[Item]:
    """The piece with its sound, turned down where nobody is heard to speak or to laugh."""
    audio = sound(Path(item.source), item.begin_s, item.end_s)
    level_dbfs = float(np.percentile(loudness_db(audio), _LOUD_PERCENTILE))
    if level_dbfs < settings.silence_dbfs:
        reason = f"silent: {level_dbfs:.0f} dBFS where it is loud; sound has {settings.silence_dbfs:g}"
        yield item.reject("sound", reason, level_dbfs=level_dbfs)
        return
    heard = hear(audio, settings)
    piece = item.with_arrays({"audio": audio, **heard}).with_figures(level_dbfs=level_dbfs)
    speech_s = float(np.sum(heard["speech"] >= settings.speech_minimum)) * HOP_S
    laughter_s = longest_bout_s(heard["laughter"], settings)
    piece = piece.with_figures(speech_s=speech_s, laughter_s=laughter_s)
    least_s = settings.speech_share * settings.clip_s
    if speech_s < least_s - 1e-6 and laughter_s < settings.laughter_s - 1e-6:
        yield piece.reject(
            "sound",
            f"{speech_s:.2f} s of speech and {laughter_s:.2f} s of laughter in a bout; "
            f"a talking clip has {least_s:g}, a laughing one {settings.laughter_s:g}",
        )
    else:
        yield piece


def hear(audio: Floats, settings: CurationSettings) -> dict[str, Floats]:
    """`speech` and `laughter` 0..1 and `voice_gap`, the opening of the lips in m that the voice asks for: [hops]."""
    motions = _motions(audio, settings.voice)
    is_yamnet = settings.laughter_detector == "yamnet"
    return {
        "speech": np.array([motion.speech for motion in motions], np.float32),
        "laughter": laughter_in(audio, settings) if is_yamnet else _laughter_of(motions),
        "voice_gap": _gaps_m(motions),
    }


def laughter_in(audio: Floats, settings: CurationSettings) -> Floats:
    """Probability of laughter [hops], as the chosen detector hears it."""
    if settings.laughter_detector == "yamnet":
        score = np.max(_yamnet(settings.yamnet).rows(audio)[:, LAUGHTER], axis=1)
        return np.asarray(score / (score + _EVEN_SCORE), np.float32)
    return _laughter_of(_motions(audio, settings.voice))


def laughing_bouts(laughter: Floats, settings: CurationSettings) -> list[tuple[int, int]]:
    """Hops (first, behind the last) of each bout of laughter; pauses shorter than `laughter_gap_s` belong to it."""
    return bouts(laughter >= settings.laughter_minimum, settings.laughter_gap_s)


def longest_bout_s(laughter: Floats, settings: CurationSettings) -> float:
    """Seconds of the longest bout of laughter."""
    return max((end - begin for begin, end in laughing_bouts(laughter, settings)), default=0) * HOP_S


def _motions(audio: Floats, voice: str) -> list[Motion]:
    """What the voice tells of each hop's end, having heard as much of its future as it can use."""
    encoder = AudioEncoder(_voice(voice), Knobs(lookahead_ms=LONGEST_LOOKAHEAD_MS))
    hops = len(audio) // HOP_SAMPLES
    heard = np.concatenate([audio, np.zeros(LONGEST_LOOKAHEAD_MS * HOP_SAMPLES // 20, np.float32)])
    motions = encoder.process(AudioChunk(heard, 0, len(heard) // HOP_SAMPLES * HOP_NS))
    of_hop = {motion.capture_ns // HOP_NS: motion for motion in motions}
    return [of_hop[hop + 1] for hop in range(hops)]


@cache
def _voice(path: str) -> OnnxModel:
    return OnnxModel(find_weights(DEFAULT_AUDIO_MODEL, override=path_or_none(path)), "cpu")


def _gaps_m(motions: list[Motion]) -> Floats:
    rig = _lips()
    rest, joint = rig.at_rest(()), rig.joint(JAW, (), ())
    eyes, lids = np.zeros(4, np.float32), np.zeros(2, np.float32)
    upper, lower = (rig.rows_of(rows[3:6]) for rows in INNER_LIPS)
    gaps = np.zeros(len(motions), np.float32)
    for row, motion in enumerate(motions):
        points = rig.posed(rest, joint, motion.expression, motion.jaw, lids, eyes).points
        gaps[row] = points[upper, 1].mean() - points[lower, 1].mean()
    return gaps


@cache
def _lips() -> LandmarkRig:
    return LandmarkRig(open_head(), open_head_landmarks(), np.array([*INNER_LIPS[0], *INNER_LIPS[1]]))


def _laughter_of(motions: list[Motion]) -> Floats:
    return np.array([motion.laughter for motion in motions], np.float32)


@cache
def _yamnet(path: str) -> Yamnet:
    return Yamnet(Path(path))
