"""A recording as an animated glTF: the head that was driven, its shapes' weights, and how it turned and moved."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from driver import __version__
from driver.exports.table import Table, times_s
from driver.gltf import GlbWriter, Json
from driver.gltf_head import add_head, target_weights
from models.head.flame import Floats, open_head
from protocol import axes
from protocol.frame import OPEN_HEAD_ID


def write_glb(file: BinaryIO, table: Table) -> None:
    """The open head with the recorded identity, if it is its own, and one animation with a key for each frame.

    The head moves about its middle place in the recording, which becomes the scene's origin: a camera's distance is
    of no use to a viewer. Where the recording is of another head, the mean open head wears its ARKit weights.
    """
    writer = GlbWriter(f"avatar-driver {__version__}")
    node = add_head(writer, open_head(), _identity(table))
    rows = _rising(times_s(table))
    times = writer.samples(times_s(table)[rows].astype(np.float32), with_bounds=True)
    place_m = table["head_translation"] - np.median(table["head_translation"], axis=0)
    tracks = {
        "weights": target_weights(table["arkit"][rows]).reshape(-1),
        "rotation": _quaternions(table["head_rotation"][rows]),
        "translation": place_m[rows].astype(np.float32),
    }
    channels: list[Json] = []
    samplers: list[Json] = []
    for path, values in tracks.items():
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        samplers.append({"input": times, "output": writer.samples(values), "interpolation": "LINEAR"})
    writer.add("animations", {"name": "recording", "channels": channels, "samplers": samplers})
    file.write(writer.to_bytes())


def _identity(table: Table) -> Floats | None:
    if (table["head"] != OPEN_HEAD_ID).any() or np.isnan(table["shape"][-1]).any():
        return None
    return table["shape"][-1]


def _rising(times: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows whose time is later than all before, also as float32: glTF allows no two keys at one time."""
    narrow = times.astype(np.float32)
    latest = np.concatenate([[-np.inf], np.maximum.accumulate(narrow)[:-1]])
    return np.flatnonzero(narrow > latest)


def _quaternions(rotations: Floats) -> Floats:
    """Axis-angle [N, 3] as x y z w float32 [N, 4], each in the hemisphere of the one before: no detours."""
    found = np.array([axes.from_axis_angle(rotation) for rotation in rotations], np.float64)
    turns = np.where(np.einsum("nk,nk->n", found[1:], found[:-1]) < 0.0, -1.0, 1.0)
    found[1:] *= np.cumprod(turns)[:, None]
    return found.astype(np.float32)
