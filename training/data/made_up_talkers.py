"""Painted faces that seem to say known things: a store, its phones and its base, for tests. They teach nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.head.flame import open_head
from training.data.base_motions import NAME, SIZES
from training.data.build_talking_faces import RATE_HZ, times_s
from training.data.face_store import FaceClip, FaceClipInfo, FaceWriter
from training.data.made_up_faces import made_up_clip
from training.data.phones import CONSONANTS, VOWELS
from training.data.speech_clips import SIDECAR
from training.losses.face_surface import FaceSurface

_PHONE_S = 0.1


def made_up_talkers(folder: Path, clips: int = 5, pictures: int = 16, seed: int = 0) -> None:
    """A store at `folder` of that many clips at 25 Hz, a fifth of them for validation, its phones.jsonl, and beside it
    the base of `training.data.base_motions`: the truth, a little off.
    """
    surface, bases = FaceSurface(open_head()), dict[str, np.ndarray]()
    with FaceWriter(folder) as writer, (folder / SIDECAR).open("a", encoding="utf-8") as sidecar:
        for number in range(clips):
            rng = np.random.default_rng([seed, number])
            split = "val" if number % 5 == 4 else "train"
            info = FaceClipInfo(f"talker{number}", f"talker{number}", "made up", "synthetic", "free", split, RATE_HZ)
            shown, told = made_up_clip(surface, pictures, rng)
            symbols = rng.choice([*VOWELS, *CONSONANTS], int(pictures / RATE_HZ / _PHONE_S))
            rows = [[str(symbol), _PHONE_S * k, _PHONE_S * (k + 1), 0] for k, symbol in enumerate(symbols)]
            sidecar.write(json.dumps({"name": info.name, "seed": seed, "phones": rows}, ensure_ascii=False) + "\n")
            times = times_s(pictures)[:, None].astype(np.float32)
            writer.add(FaceClip(info, shown, told | {"time_s": times}))
            exact = np.concatenate([told[name] for name in SIZES], axis=1)
            bases[info.name] = (exact * rng.uniform(0.9, 1.1, exact.shape)).astype(np.float32)
    np.savez(folder.parent / NAME, **bases)  # pyright: ignore[reportArgumentType]
