"""Texture coordinates: the skin rolled off a cylinder, the face enlarged, and a strip of patches for what is inside.

The source's own layout is made for a whole body and gives the face a few hundred pixels; here it has most of
them. Parts of the skin that lie behind each other as seen from the axis (the ears) share their texels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.head.source import Doubles, Longs, Source
from training.head.topology import Topology, eyeball_angles

# The lower part of the texture is skin; the strip above it holds one square patch for each of these.
SKIN_TOP_V = 0.8
PATCHES = ("eyes", "teeth", "tongue", "mouth", "sockets")
EYE_PATCH_ANGLE_RAD = np.radians(110.0)
_PATCH_MARGIN = 0.04

AXIS_Z_M = -0.035
_FRONT_ENLARGEMENT = 0.85
_HEIGHT_MARGIN_M = 0.002
# Source texture coordinates left of this hold the insides of the eye sockets.
_SOCKET_LIMIT_U = 0.12
_TEETH_AXIS_BEHIND_M = 0.012


@dataclass(frozen=True, eq=False)
class Unwrapped:
    """uv float64 [T, 2], triangles int64 [F, 3] into it, and which patch each triangle uses (-1: the skin)."""

    uv: Doubles
    triangles: Longs
    patch: Longs


def unwrap(source: Source, topology: Topology, head: Doubles) -> Unwrapped:
    """Coordinates for the head's vertices [V, 3] in its own frame."""
    patch = patch_of(source, topology)
    on_skin = _cylinder(head, head)
    in_patch = {name: _in_patch(name, topology, head) for name in PATCHES}
    corners = on_skin[topology.triangles]
    # A triangle across the seam at the back continues beyond u = 1; the texture repeats sideways.
    crosses = np.ptp(corners[:, :, 0], axis=1) > 0.5
    corners[crosses, :, 0] += corners[crosses, :, 0] < 0.5
    for index, name in enumerate(PATCHES):
        corners[patch == index] = in_patch[name][topology.triangles[patch == index]]
    uv, triangles = np.unique(corners.reshape(-1, 2).round(7), axis=0, return_inverse=True)
    return Unwrapped(uv=uv, triangles=triangles.reshape(-1, 3), patch=patch)


def patch_square(name: str) -> tuple[float, float, float, float]:
    """(u0, v0, u1, v1) of a patch."""
    width = 1.0 / len(PATCHES)
    left = PATCHES.index(name) * width
    return left, SKIN_TOP_V, left + width, 1.0


def patch_of(source: Source, topology: Topology) -> Longs:
    """Which of PATCHES each triangle belongs to [F]; -1 for the skin that is seen."""
    uv = source.base.uv[topology.source_ids]
    mouth = source.mask("inside-mouth", uv) > 0.5
    sockets = uv[:, 0] < _SOCKET_LIMIT_U
    eyeballs = np.zeros(topology.vertex_count - len(uv), bool)
    patch = np.full(len(topology.triangles), -1)
    skin = topology.groups == 0
    for name, inside in (("mouth", mouth), ("sockets", sockets)):
        whole = np.concatenate([inside, eyeballs])[topology.triangles].all(axis=1)
        patch[skin & whole] = PATCHES.index(name)
    for group, name in ((1, "eyes"), (2, "teeth"), (3, "tongue")):
        patch[topology.groups == group] = PATCHES.index(name)
    return patch


def _cylinder(points: Doubles, head: Doubles) -> Doubles:
    azimuth = np.arctan2(points[:, 0], points[:, 2] - AXIS_Z_M)
    u = 0.5 + (azimuth + _FRONT_ENLARGEMENT * np.sin(azimuth)) / (2.0 * np.pi)
    bottom, top = head[:, 1].min() - _HEIGHT_MARGIN_M, head[:, 1].max() + _HEIGHT_MARGIN_M
    return np.stack([u, SKIN_TOP_V * (points[:, 1] - bottom) / (top - bottom)], axis=1)


def _in_patch(name: str, topology: Topology, head: Doubles) -> Doubles:
    """Coordinates [V, 2] in the patch; only those of the part's vertices mean anything."""
    plane = np.zeros((topology.vertex_count, 2))
    if name == "eyes":
        polar, around = eyeball_angles()
        disc = np.stack([np.cos(around), np.sin(around)], axis=1) * (polar / EYE_PATCH_ANGLE_RAD)[:, None]
        for side in ("left_eye", "right_eye"):
            plane[topology.parts[side]] = 0.5 + 0.5 * disc
    elif name == "teeth":
        for part, low in (("upper_teeth", 0.5), ("lower_teeth", 0.0)):
            points = head[topology.parts[part]]
            angle = np.arctan2(points[:, 0], points[:, 2] - points[:, 2].min() + _TEETH_AXIS_BEHIND_M)
            height = (points[:, 1] - points[:, 1].min()) / np.ptp(points[:, 1])
            plane[topology.parts[part]] = np.stack([0.5 + angle / np.pi, low + 0.5 * height], axis=1)
    else:
        part = topology.parts["tongue" if name == "tongue" else "skin"]
        across, along = (0, 1) if name == "sockets" else (0, 2)
        points = head[part]
        within = {
            "tongue": (points.min(axis=0), points.max(axis=0)),
            "mouth": (np.array([-0.04, -0.08, 0.0]), np.array([0.04, 0.0, 0.06])),
            "sockets": (np.array([-0.06, 0.0, 0.0]), np.array([0.06, 0.06, 0.06])),
        }[name]
        low, high = within
        plane[part] = np.clip((points - low) / (high - low), 0.0, 1.0)[:, [across, along]]
    left, bottom, right, top = patch_square(name)
    inner = _PATCH_MARGIN + (1.0 - 2.0 * _PATCH_MARGIN) * plane
    return np.array([left, bottom]) + inner * np.array([right - left, top - bottom])
