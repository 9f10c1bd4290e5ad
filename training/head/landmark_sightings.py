"""What the driver's tracker says about pictures of the head whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driver.face_model import find_face_model
from driver.track import FaceTracker
from driver.types import VideoFrame
from models.head.arkit import ArkitMap, mirrored_name
from models.head.flame import FaceRig, Floats, HeadModel
from models.head.picture import Camera, Light, render_through
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from protocol.frame import ARKIT_SHAPES

Doubles = NDArray[np.float64]

_SIZE_PX = 512
CAMERA = Camera(focal_px=1.2 * _SIZE_PX, centre_px=(_SIZE_PX / 2, _SIZE_PX / 2), size=(_SIZE_PX, _SIZE_PX))
_DISTANCES_M = (0.4, 0.65)
_FACES_A_PERSON = 8
_SHAPES_A_FACE = 4
# Both eyes look and blink, and both sides of most faces do the same, more often than not.
_BOTH_SIDES, _OPEN_JAW, _BLINK = 0.75, 0.5, 0.3


@dataclass(frozen=True, eq=False)
class Sighting:
    """One picture.

    person      counts people; -1 is the mean head
    expression  float32 [E], the truth
    rotation    float64 [3, 3], head to camera
    vertices    float32 [V, 3], m, in the camera frame
    pixels      float32 [478, 2]: where the tracker put the landmarks
    """

    person: int
    expression: Floats
    rotation: Doubles
    vertices: Floats
    pixels: Floats


class Looker:
    """Draws faces and lets the tracker look at them."""

    def __init__(self, head: HeadModel, face_model: Path | None) -> None:
        self.head, self._arkit = head, ArkitMap(head)
        self._tracker = FaceTracker(find_face_model(face_model))

    def see(
        self,
        rig: FaceRig,
        weights: Floats,
        rotation: Doubles,
        light: Light,
        grey: float,
        distance_m: float = _DISTANCES_M[0],
        person: int = -1,
    ) -> Sighting | None:
        """A face with ARKit `weights` [52]; None when the tracker sees none."""
        expression, jaw, eyelids, gaze = self._arkit.to_motion(weights)
        turn, place = axis_angle_from_matrix(rotation), [0.0, 0.0, -distance_m]
        vertices = rig.vertices(expression, jaw, eyelids, gaze, turn, place)
        picture = render_through(CAMERA, vertices, self.head, light=light, background=(grey, grey, grey))
        self._tracker.forget()
        landmarks = self._tracker.process(VideoFrame(picture, 0, 0)).landmarks
        return None if landmarks is None else Sighting(person, expression, rotation, vertices, landmarks[:, :2])

    def see_many(self, count: int, seed: int = 0) -> list[Sighting]:
        """`count` random expressions, views and lights of random people; the first of each is neutral."""
        random = np.random.default_rng(seed)
        seen: list[Sighting] = []
        while len(seen) < count:
            rig = FaceRig(self.head, random.normal(0.0, 0.7, self.head.shape_count))
            for face in range(_FACES_A_PERSON):
                weights = random_weights(random) if face else np.zeros(len(ARKIT_SHAPES), np.float32)
                rotation = _turn(random.normal(0.0, 0.12), random.normal(0.0, 0.28), random.normal(0.0, 0.05))
                light = Light((random.normal(-0.2, 0.5), random.uniform(0.1, 0.8), 0.8), random.uniform(0.8, 1.1))
                grey, distance_m = random.uniform(0.0, 1.0), random.uniform(*_DISTANCES_M)
                person = len(seen) // _FACES_A_PERSON
                sighting = self.see(rig, weights, rotation, light, grey, distance_m, person)
                if sighting is not None:
                    seen.append(sighting)
        return seen[:count]


def random_weights(random: np.random.Generator) -> Floats:
    """ARKit weights float32 [52] of a face with a few shapes, mostly on both sides, without a direction of gaze."""
    weights = dict.fromkeys(ARKIT_SHAPES, 0.0)
    choice = [name for name in ARKIT_SHAPES if not name.startswith(("eyeLook", "eyeBlink", "tongue"))]
    for name in random.choice(choice, _SHAPES_A_FACE, replace=False).tolist():
        weights[name] = random.uniform(0.2, 1.0)
        if random.random() < _BOTH_SIDES and not name.startswith(("jaw", "mouthLeft", "mouthRight")):
            weights[mirrored_name(name)] = weights[name]
    if random.random() < _OPEN_JAW:
        weights["jawOpen"] = random.uniform(0.0, 1.0)
    if random.random() < _BLINK:
        weights["eyeBlinkLeft"] = weights["eyeBlinkRight"] = random.uniform(0.0, 1.0)
    return np.array(list(weights.values()), np.float32)


def _turn(pitch: float, yaw: float, roll: float) -> Doubles:
    about_y, about_x, about_z = (matrix_from_axis_angle(axis) for axis in np.diag([pitch, yaw, roll])[[1, 0, 2]])
    return about_y @ about_x @ about_z
