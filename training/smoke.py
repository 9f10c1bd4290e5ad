"""The smallest data on which a recipe runs end to end: made up, for tests. Nothing good is learnt from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from training.audio_baseline import speech_like
from training.data.clips import MOTION_SIZE, Clip, ClipInfo, ClipWriter, whole_hops
from training.data.made_up_faces import made_up_faces
from training.data.made_up_talkers import made_up_talkers
from training.recipe import read_table, recipe_path

_STEPS = 6
_CLIP_S = 2.0
# Tasks that learn from stores of faces.
_THAT_SEE = ("expression", "temporal", "face_detector")
# Tasks that learn from faces of which it is known what they say.
_THAT_READ_LIPS = ("visual_speech",)


def smoke_table(recipe: str, settings: list[str], folder: Path) -> dict[str, Any]:
    """The table of `recipe`, shrunk to a few steps on stores made in `folder`; a run that it builds on is made too."""
    steps = [f"optim.steps={_STEPS}", "optim.batch=4", "optim.workers=0", "optim.validate_every=6"]
    steps += ["optim.checkpoint_every=3", "optim.warm_up=2", "data.validation_batches=1", f"data.folder={folder}"]
    task = read_table(recipe_path(recipe), [])["task"]
    sees, reads_lips = task in _THAT_SEE, task in _THAT_READ_LIPS
    length = "data.pictures=8" if reads_lips else "data.pictures=6" if sees else "data.hops=40"
    table = read_table(recipe_path(recipe), [*steps, length, *settings])
    make_up = made_up_talkers if reads_lips else made_up_faces if sees else made_up_store
    hears = not sees and not reads_lips
    for name in {*table["data"]["stores"], *table["data"].get("validation", {}), *(("synthetic",) if hears else ())}:
        make_up(folder / name)
    if reads_lips:
        table["data"]["phones"] = list(table["data"]["stores"])
    for name in ("talk", "expression"):
        if f"{name}_run" in table:
            from training.run import train

            shared = [setting for setting in settings if setting.startswith("encoder.")]
            train(smoke_table(name, shared, folder), folder / name)
            table[f"{name}_run"] = str(folder / name)
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
