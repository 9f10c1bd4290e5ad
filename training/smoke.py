"""The smallest data on which a recipe runs end to end: made up, for tests. Nothing good is learnt from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from training.audio_baseline import speech_like
from training.data.clips import MOTION_SIZE, Clip, ClipInfo, ClipWriter, whole_hops
from training.data.made_up_emotions import made_up_emotions
from training.data.made_up_faces import made_up_faces
from training.data.made_up_networks import made_up_coarse
from training.data.made_up_talkers import made_up_talkers
from training.processes import find_place
from training.recipe import read_table, recipe_path

_STEPS = 6
_CLIP_S = 2.0
_SIDE_PX = 48


@dataclass(frozen=True)
class _MadeUp:
    """What a task learns from in a smoke run: who makes a store, and settings that suit it."""

    make: Callable[[Path], None]
    settings: tuple[str, ...] = ()


_FACES = _MadeUp(made_up_faces, ("data.pictures=6",))
# By task; all others hear.
_MADE_UP = {
    "expression": _FACES,
    "close_ups": _FACES,
    "temporal": replace(_FACES, settings=(*_FACES.settings, "sequences=8")),
    "face_detector": _FACES,
    "visual_speech": _MadeUp(made_up_talkers, ("data.pictures=8",)),
    "spectre": _MadeUp(made_up_talkers, ("data.pictures=8",)),
    "deca_coarse": _MadeUp(made_up_faces, (f"data.size_px={_SIDE_PX}",)),
    "deca_detail": _MadeUp(made_up_faces, (f"data.size_px={_SIDE_PX}", "data.each=2", "size_px=32")),
    "emotion": _MadeUp(made_up_emotions, ('expression_run=""',)),
    "emoca": _MadeUp(made_up_emotions, (f"data.side_px={_SIDE_PX}",)),
    "emotion_from_coefficients": _MadeUp(
        made_up_emotions,
        (
            'data.resting=["made up"]',
            "data.most_smile=1.0",
            "data.most_open=1.0",
            'data.labelled="real_faces"',
            "width=16",
        ),
    ),
}
# Recipes that others build on, and the setting that names their run.
_BASES = {
    "talk": "talk_run",
    "expression": "expression_run",
    "emotion_from_coefficients": "teacher_run",
    "visual_speech": "reader",
    "deca_coarse": "coarse_run",
}


def smoke_table(recipe: str, settings: list[str], folder: Path) -> dict[str, Any]:
    """The table of `recipe`, shrunk to a few steps on stores made in `folder`; a run that it builds on is made too."""
    steps = [f"optim.steps={_STEPS}", "optim.batch=4", "optim.workers=0", "optim.validate_every=6"]
    steps += ["optim.checkpoint_every=3", "optim.warm_up=2", "data.validation_batches=1", f"data.folder={folder}"]
    task = read_table(recipe_path(recipe), [])["task"]
    made_up = _MADE_UP.get(task, _MadeUp(made_up_store, ("data.hops=40",)))
    table = read_table(recipe_path(recipe), [*steps, *made_up.settings, *settings])
    stores = {*table["data"]["stores"], *table["data"].get("validation", {})}
    for name in {*stores, *(("synthetic",) if made_up.make is made_up_store else ())}:
        made_up.make(folder / name)
    if "phones" in table["data"]:
        table["data"]["phones"] = list(table["data"]["stores"])
    if task == "emoca":
        table |= made_up_coarse(folder, _SIDE_PX)
    elif "texture" in table:
        table["texture"] = made_up_coarse(folder, _SIDE_PX)["texture"]
    for name, setting in _BASES.items():
        for section in (table, table["data"]):
            if section.get(setting):
                from training.run import train

                # By this process alone, though it may be the first of several.
                here = find_place().alone()
                shared = [setting for setting in settings if setting.startswith("encoder.")]
                train(smoke_table(name, shared, folder), here, folder / name)
                section[setting] = str(folder / name)
    return table


def made_up_store(folder: Path) -> None:
    """Eight clips of noise in syllables, whose jaw follows the loudness; half of them called laughter."""
    sounds = speech_like(8, _CLIP_S, seed=1).numpy()
    with ClipWriter(folder) as writer:
        for number, sound in enumerate(sounds):
            info = ClipInfo(
                f"clip{number}",
                f"voice{number}",
                "made up",
                "speech",
                "free",
                "val" if number > 5 else "train",
                "plain",
            )
            audio = whole_hops(sound)
            loudness = np.sqrt(np.mean(np.square(audio.reshape(-1, 320)), axis=1))
            motion = np.zeros((len(loudness), MOTION_SIZE), np.float32)
            motion[:, 0], motion[:, 50] = 5.0 * loudness, loudness
            is_speech = (loudness > 0.01).astype(np.float32)
            laughter = is_speech * (number % 2)
            phones = (is_speech * 5).astype(np.uint8)
            clip = Clip(info, audio, motion, np.ones(len(loudness), np.float32), phones, is_speech, laughter)
            writer.add(replace(clip, valence=laughter, arousal=laughter))
