"""Faces whose truth is known: the open head, moved by ARKit weights, with landmarks that no tracker has blurred."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driver.types import FaceTrack, Motion
from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, open_head
from models.head.landmarks import open_head_landmarks
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from protocol.frame import ARKIT_SHAPES

SIZE = (640, 480)
FOV_DEG = 60.0
FOCAL_PX = 0.5 * SIZE[0] / np.tan(np.radians(FOV_DEG / 2))
FRAME_NS = 33_333_333
ARKIT = ArkitMap(open_head())


@dataclass(frozen=True, eq=False)
class Pose:
    """What a synthetic face does at one instant. Angles in rad; `weights` by ARKit's names; gaze is both eyes'."""

    weights: dict[str, float] = field(default_factory=dict)
    gaze: tuple[float, float] = (0.0, 0.0)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    translation: tuple[float, float, float] = (0.0, 0.0, -0.5)

    def motion(self) -> Motion:
        weights = np.array([self.weights.get(name, 0.0) for name in ARKIT_SHAPES], np.float32)
        expression, jaw, eyelids, _ = ARKIT.to_motion(weights)
        pitch, yaw = self.gaze
        return Motion(
            0,
            expression=expression,
            jaw=jaw,
            eyelids=eyelids,
            gaze=np.array([pitch, yaw, pitch, yaw], np.float32),
            head_rotation=np.array(self.rotation, np.float32),
            head_translation=np.array(self.translation, np.float32),
        )


class Person:
    """Someone with the identity `shape`."""

    def __init__(self, shape: ArrayLike | None = None) -> None:
        self._rig = FaceRig(open_head(), shape)

    def vertices(self, pose: Pose) -> NDArray[np.float32]:
        """In the camera frame."""
        motion = pose.motion()
        return self._rig.vertices(
            motion.expression, motion.jaw, motion.eyelids, motion.gaze, motion.head_rotation, motion.head_translation
        )

    def track(self, pose: Pose, capture_ns: int = 0) -> FaceTrack:
        """The landmarks that a tracker without errors would place."""
        embedding = open_head_landmarks()
        corners = self.vertices(pose)[open_head().f[embedding.triangles]]
        points = np.einsum("lk,lki->li", embedding.barycentric, corners)
        depth = -points[:, 2]
        x = SIZE[0] / 2 + FOCAL_PX * points[:, 0] / depth
        y = SIZE[1] / 2 - FOCAL_PX * points[:, 1] / depth
        scale = FOCAL_PX / depth.mean()
        landmarks = np.stack([x, y, (depth - depth.mean()) * scale], axis=1).astype(np.float32)
        return FaceTrack(landmarks, 1.0, SIZE, capture_ns)


def tracks(person: Person, poses: Sequence[Pose], frame_ns: int = FRAME_NS) -> list[FaceTrack]:
    return [person.track(pose, 1 + index * frame_ns) for index, pose in enumerate(poses)]


def moving(count: int, change: Callable[[float], Pose], frame_ns: int = FRAME_NS) -> list[Pose]:
    """`count` poses of `change`, a function of the time in seconds."""
    return [change(index * frame_ns / 1e9) for index in range(count)]


def arkit_of(motion: Motion) -> dict[str, float]:
    weights = ARKIT.to_arkit(motion.expression, motion.jaw, motion.eyelids, motion.gaze)
    return dict(zip(ARKIT_SHAPES, weights.tolist(), strict=True))


def mirrored(track: FaceTrack) -> FaceTrack:
    """What the tracker says about the mirror image of the picture."""
    assert track.landmarks is not None
    landmarks = track.landmarks[open_head_landmarks().mirror].copy()
    landmarks[:, 0] = track.image_size[0] - landmarks[:, 0]
    return FaceTrack(landmarks, track.presence, track.image_size, track.capture_ns)


def turn_error_deg(one: ArrayLike, other: ArrayLike) -> float:
    """Angle between two head rotations."""
    between = matrix_from_axis_angle(one) @ matrix_from_axis_angle(other).T
    return float(np.degrees(np.linalg.norm(axis_angle_from_matrix(between))))
