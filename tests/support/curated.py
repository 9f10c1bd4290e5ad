"""Pieces of videos that were never filmed: a head whose motion is known, with points as a network would tell them."""

from __future__ import annotations

import numpy as np
import torch

from models.flame_torch import matrix_from_axis_angle
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS
from protocol.frame import ARKIT_SHAPES
from training.curation.item import Array, Item
from training.data.clips import HOP_SAMPLES
from training.losses.face_surface import FaceSurface

RATE_HZ, HOPS_A_PICTURE = 25.0, 2
SIZE = (640.0, 480.0)
FOCAL_PX, DISTANCE_M, CROP_M = 554.0, 0.6, 0.24
SIDE_PX = FOCAL_PX * CROP_M / DISTANCE_M


def piece(seconds: float = 4.0, begin_s: float = 0.0, **arrays: Array) -> Item:
    """A talking head that looks ahead, in a file that is not there; `arrays` take the place of its own."""
    count = round(seconds * RATE_HZ)
    hops = HOPS_A_PICTURE * count
    truth = motion(count)
    zeros = np.zeros((count, 4), np.float32)
    own: dict[str, Array] = {
        "times_s": begin_s + np.arange(count) / RATE_HZ,
        "points": shown(truth),
        "spread": np.full((count, len(FACE_POINTS)), 2.0, np.float32),
        **truth,
        "confidence": zeros + 1.0,
        "mouth_seen": np.ones(count, np.float32),
        "face_count": np.ones(count, np.float32),
        "side_px": np.full(count, SIDE_PX, np.float32),
        "shape": np.zeros(100, np.float32),
        "audio": np.zeros(hops * HOP_SAMPLES, np.float32),
        "speech": np.ones(hops, np.float32),
        "laughter": np.zeros(hops, np.float32),
        "voice_gap": np.zeros(hops, np.float32),
    }
    figures = {"rate_hz": RATE_HZ, "width_px": SIZE[0], "height_px": SIZE[1], "focal_px": FOCAL_PX}
    return Item("nobody.mp4", "0123456789abcdef", begin_s, begin_s + seconds, figures=figures, arrays=own | arrays)


def motion(count: int) -> dict[str, Array]:
    """`count` pictures of a mouth that opens and smiles, eyes that blink, and a head that sways."""
    time_s = np.arange(count) / RATE_HZ
    weights = np.zeros((count, len(ARKIT_SHAPES)), np.float32)
    for name, values in (
        ("jawOpen", 0.25 + 0.25 * np.sin(2.0 * np.pi * 2.3 * time_s)),
        ("mouthSmileLeft", 0.3 + 0.3 * np.sin(2.0 * np.pi * 0.4 * time_s)),
        ("mouthSmileRight", 0.3 + 0.3 * np.sin(2.0 * np.pi * 0.4 * time_s)),
        ("browInnerUp", 0.2 + 0.2 * np.sin(2.0 * np.pi * 0.7 * time_s)),
    ):
        weights[:, ARKIT_SHAPES.index(name)] = values
    arkit = ArkitMap(open_head())
    parts = [arkit.to_motion(row) for row in weights]
    sway = 0.08 * np.sin(2.0 * np.pi * 0.5 * time_s)
    return {
        "expression": np.stack([part[0] for part in parts]).astype(np.float32),
        "jaw": np.stack([part[1] for part in parts]).astype(np.float32),
        "eyelids": np.stack([part[2] for part in parts]).astype(np.float32),
        "gaze": np.stack([part[3] for part in parts]).astype(np.float32),
        "head_rotation": np.stack([0.0 * sway, sway, 0.0 * sway], axis=1).astype(np.float32),
        "head_translation": np.tile(np.array([0.0, 0.0, -DISTANCE_M], np.float32), (count, 1)),
    }


def surface(told: dict[str, Array]) -> Array:
    """FACE_POINTS [F, 140, 3] of a motion, mm, in the head's frame."""
    given = {name: torch.tensor(values) for name, values in told.items()}
    mouth = torch.cat([given["expression"], given["jaw"]], dim=1)
    return FaceSurface(open_head())(mouth, given["eyelids"], given["gaze"]).numpy()


def shown(told: dict[str, Array]) -> Array:
    """Where a camera shows them, float32 [F, 140, 2] pixels."""
    turned = np.einsum(
        "fij,fpj->fpi", matrix_from_axis_angle(torch.tensor(told["head_rotation"])).numpy(), surface(told) / 1000.0
    )
    placed = turned + told["head_translation"][:, None]
    flat = FOCAL_PX * placed[:, :, :2] * [1.0, -1.0] / -placed[:, :, 2:]
    return (np.array(SIZE) / 2.0 + flat).astype(np.float32)
