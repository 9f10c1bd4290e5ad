"""From what was seen and heard of a person to their profile: part by part, and only what is better where it did not
learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from driver.correction import weights_of
from driver.face_adapter import AdaptedFace, FaceAdapter
from driver.learnt import LARGEST_SHAPE, SpokenWay, rounded
from driver.profile import CALIBRATED_SHAPES, LARGEST_REST, HeadRest, Profile
from driver.rest_learner import RestLearner
from driver.runtime import OnnxModel
from models.head.arkit import ArkitMap
from protocol.frame import ARKIT_SHAPES
from training.personalise.correction import (
    LIPS_PART,
    PARTS,
    Judged,
    better_parts,
    judge,
    learn,
    lesson,
    mean_errors,
    shows_closed_lips,
)
from training.personalise.measures import LIPS
from training.personalise.recording import Seen
from training.personalise.voice_habits import has_styles, speak, spoken_way

Floats = NDArray[np.float32]

TRACKER = "native"
# Fewer, and the thirds say nothing.
_LEAST_PICTURES = 100


@dataclass(frozen=True)
class VoiceFile:
    """A voice model and the SHA-256 of its file."""

    model: OnnxModel
    weights: str


def learn_face(seen: Seen, weights: str) -> tuple[FaceAdapter, list[str]]:
    """The adapter of the person in `seen` to the network with the SHA-256 `weights`, and a sentence for each part.

    Each third of the recording judges what the other two teach; what is better, all three teach.
    """
    nothing = FaceAdapter(weights, tuple(seen.shape.clip(-LARGEST_SHAPE, LARGEST_SHAPE).tolist()), {})
    if seen.is_seen.sum() < _LEAST_PICTURES:
        return rounded(nothing), ["face: it is well seen in too few pictures; left as it was"]
    judged = [judge(lesson(seen.part(*third)), learn(lesson(seen.without(*third)))) for third in seen.thirds()]
    taught = lesson(seen)
    closes = shows_closed_lips(taught)
    kept = [part for part in better_parts(judged) if closes or part != LIPS_PART]
    said = [_verdict(part, judged, part in kept) for part in PARTS]
    if not closes:
        said[list(PARTS).index(LIPS_PART)] = f"{LIPS_PART}: the points never show them closed; left as it was"
    if kept:
        all_of_it = learn(taught)
        chosen = {name: all_of_it[name] for part in kept for name in PARTS[part]}
        nothing = replace(nothing, corrections=chosen)
    return rounded(nothing), said


def learn_voice(seen: Seen, sound: Floats, voice: VoiceFile | None) -> tuple[SpokenWay | None, list[str]]:
    """How the person speaks, None for as everybody does, and a sentence for each thing."""
    if voice is None or not has_styles(voice.model):
        return None, ["voice: this model has no styles; left as it was"]
    if not sound.any():
        return None, ["voice: the recording is silent, so only the face was learnt"]
    taught = lesson(seen)
    spoken = speak(voice.model, sound, seen.times_s, taught.seen_measures[:, LIPS], taught.counts)
    return spoken_way(spoken, voice.weights)


def profile_of(
    seen: Seen, face: FaceAdapter, voice: SpokenWay | None, arkit: ArkitMap, made: datetime, before: Profile | None
) -> Profile:
    """The profile of the person in `seen`.

    The head's centre and the microphone are those of `before`, where it knows them; a centre that it does not know is
    the middle of the poses. What `before` knew of rest and reach was measured without the adapter: rest is learnt anew,
    as the driver does by itself, and reach is left for the next calibration.
    """
    adapted = AdaptedFace(face)
    learner = RestLearner()
    for motion in (adapted.process(one) for one in seen.motions):
        learner.see(motion, weights_of(motion, arkit))
    rest = {
        name: round(value, 4)
        for name, value in zip(ARKIT_SHAPES, learner.rest.clip(0.0, LARGEST_REST).tolist(), strict=True)
        if name in CALIBRATED_SHAPES and round(value, 4) > 0.0
    }
    head = _middle_pose(seen) if before is None or before.head is None else before.head
    return Profile(TRACKER, made, rest, {}, head, before.sound if before is not None else None, face, voice)


def _middle_pose(seen: Seen) -> HeadRest:
    def middle(part: str) -> tuple[float, float, float]:
        rows = [getattr(motion, part) for motion, known in zip(seen.motions, seen.is_seen, strict=True) if known]
        x, y, z = (round(value, 4) for value in np.median(rows, axis=0).tolist())
        return x, y, z

    return HeadRest(middle("head_rotation"), middle("head_translation"))


def _verdict(part: str, judged: Sequence[Judged], is_kept: bool) -> str:
    unit, scale = ("%", 100.0) if part == "eyelids" else ("mm", 1.0)
    before, after = (scale * error for error in mean_errors(judged, part))
    end = "kept" if is_kept else "not enough better; left as it was"
    return f"{part}: {before:.2f} {unit} off before, {after:.2f} {unit} after; {end}"
