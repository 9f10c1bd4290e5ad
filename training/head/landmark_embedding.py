"""Place MediaPipe's landmarks on the open head:  python -m training.head.landmark_embedding [--out PATH]

The head is rendered as many people, expressions and views; the driver's own tracker looks at the pictures; and each
landmark becomes the surface point whose projections lie closest to where the tracker put it (robust least squares over
all pictures, sliding on the surface). Left and right are averaged by MediaPipe's own pairing, so that mirrored faces
give mirrored motion.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driver.face_model import find_face_model
from driver.track import FaceTracker
from driver.types import VideoFrame
from models.head.flame import GROUPS, JAW, LEFT_EYE, RIGHT_EYE, FaceRig, HeadModel, open_head
from models.head.landmarks import (
    EMBEDDING_PATH,
    LANDMARK_COUNT,
    SKIN_COUNT,
    LandmarkEmbedding,
    outward_directions,
    save_embedding,
)
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from training.head.landmark_pairs import mirror_table
from training.head.picture import Camera, Light, render_through
from training.head.surface import Surface

Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]

PICTURES = 300
_EXPRESSIONS_A_PERSON = 6
_SIZE_PX = 512
_CAMERA = Camera(focal_px=1.2 * _SIZE_PX, centre_px=(_SIZE_PX / 2, _SIZE_PX / 2), size=(_SIZE_PX, _SIZE_PX))
_DISTANCE_M = 0.42
_PASSES = 10
_CLIP_PX = 6.0  # residuals beyond this are the tracker's mistakes, and pull no harder
_FLATTEST_COSINE = 0.25  # a point seen at a flatter angle says nothing about where it is
_REACH_M = 0.012  # how far a landmark may slide in one pass
_SAME_LIP = 0.3  # how much the jaw's share may differ along the way: no landmark changes lips


@dataclass(frozen=True, eq=False)
class Sighting:
    """vertices  float32 [V, 3], m, in the camera frame: the face of one picture
    rotation  float64 [3, 3], head to camera
    pixels    float32 [478, 2]: where the tracker put the landmarks
    """

    vertices: NDArray[np.float32]
    rotation: Doubles
    pixels: NDArray[np.float32]


def see(
    rig: FaceRig, face_model: Path, rotation: Doubles, light: Light, grey: float, expression: Doubles, jaw_rad: float
) -> Sighting | None:
    """What the tracker says about a picture of one face; None when it sees none."""
    vertices = rig.vertices(
        expression,
        jaw=[jaw_rad, 0.0, 0.0],
        eyelids=np.zeros(2),
        gaze=np.zeros(4),
        head_rotation=axis_angle_from_matrix(rotation),
        head_translation=[0.0, 0.0, -_DISTANCE_M],
    )
    picture = render_through(_CAMERA, vertices, rig.head, light=light, background=(grey, grey, grey))
    landmarks = FaceTracker(face_model).process(VideoFrame(picture, 0, 0)).landmarks
    return None if landmarks is None else Sighting(vertices, rotation, landmarks[:, :2])


def random_sightings(head: HeadModel, face_model: Path, count: int, seed: int = 0) -> list[Sighting]:
    """`count` random people, expressions, views and lights."""
    random = np.random.default_rng(seed)
    seen: list[Sighting] = []
    while len(seen) < count:
        rig = FaceRig(head, random.normal(0.0, 0.7, head.shape_count))
        for _ in range(_EXPRESSIONS_A_PERSON):
            sighting = see(
                rig,
                face_model,
                _turn(pitch=random.normal(0.0, 0.15), yaw=random.normal(0.0, 0.35), roll=random.normal(0.0, 0.05)),
                Light((random.normal(-0.2, 0.5), random.uniform(0.1, 0.8), 0.8), random.uniform(0.8, 1.1)),
                grey=random.uniform(0.0, 1.0),
                expression=random.normal(0.0, 0.5, head.expression_count) * (random.random() < 0.6),
                jaw_rad=random.uniform(0.0, 0.35) * (random.random() < 0.7),
            )
            if sighting is not None:
                seen.append(sighting)
    return seen[:count]


def _turn(pitch: float, yaw: float, roll: float) -> Doubles:
    about_y, about_x, about_z = (matrix_from_axis_angle(axis) for axis in np.diag([pitch, yaw, roll])[[1, 0, 2]])
    return about_y @ about_x @ about_z


class Placement:
    """Landmarks on the mean head, sliding towards where they are seen."""

    def __init__(self, head: HeadModel, mirror: NDArray[np.int32]) -> None:
        if head.groups is None:
            raise ValueError(f"the head {head.id!r} does not say which triangles are skin")
        self._head, self._mirror = head, mirror
        self._surface = Surface(head.v_template, head.f)
        self._jaw_share = head.weights[head.f, JAW].mean(axis=1)
        of_eye = head.weights[head.f].mean(axis=1)
        skin = head.groups == GROUPS.index("skin")
        self._grounds = [np.flatnonzero(skin)] * SKIN_COUNT
        self._grounds += [np.flatnonzero(of_eye[:, eye] > 0.5) for eye in (RIGHT_EYE, LEFT_EYE) for _ in range(5)]
        self.triangles: Longs = np.zeros(LANDMARK_COUNT, np.int64)
        self.shares: Doubles = np.full((LANDMARK_COUNT, 3), 1.0 / 3.0)
        self.spread_m: Doubles = np.zeros(LANDMARK_COUNT)
        self._first_jaw_share = np.zeros(LANDMARK_COUNT)
        jaw_joint = head.J_regressor[JAW] @ head.v_template
        self._outward = lambda points: outward_directions(points, jaw_joint)

    def begin(self, sighting: Sighting) -> None:
        """Start from the nearest triangles that face the camera in a frontal picture with the mouth open."""
        corners = sighting.vertices[self._head.f].astype(np.float64)
        centroids = corners.mean(axis=1)
        facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0.0
        pixels = _CAMERA.pixels(centroids)
        for landmark, ground in enumerate(self._grounds):
            ground = ground[facing[ground]]
            distances = np.linalg.norm(pixels[ground] - sighting.pixels[landmark], axis=1)
            near = ground[distances < distances.min() + 3.0]
            self.triangles[landmark] = near[np.argmax(centroids[near, 2])]  # what lies in front hides the rest
        self._first_jaw_share = self._jaw_share[self.triangles]

    def improve(self, seen: list[Sighting]) -> float:
        """One Gauss-Newton step of every landmark; returns the mean residual in pixels."""
        vertices = np.stack([sighting.vertices for sighting in seen]).astype(np.float64)
        corners = vertices[:, self._head.f[self.triangles]]  # [N, L, 3 corners, 3]
        places = np.einsum("lk,nlki->nli", self.shares, corners)
        edges = corners[:, :, 1:] - corners[:, :, :1]
        by_place = _pixel_derivatives(places)
        by_edge = np.einsum("nlpi,nlei->nlpe", by_place, edges)
        residual = np.stack([s.pixels for s in seen]) - _CAMERA.pixels(places.reshape(-1, 3)).reshape(
            *places.shape[:2], 2
        )
        size = np.linalg.norm(residual, axis=2)
        rest = self._surface.corners[self.triangles]
        points = np.einsum("lk,lki->li", self.shares, rest)
        outward = np.einsum("nij,lj->nli", np.stack([s.rotation for s in seen]), self._outward(points))
        cosine = -(outward * places).sum(axis=2) / np.linalg.norm(places, axis=2)
        weight = np.where(cosine > _FLATTEST_COSINE, np.minimum(1.0, _CLIP_PX / np.maximum(size, 1e-9)), 0.0)
        normal = np.einsum("nl,nlpe,nlpf->lef", weight, by_edge, by_edge)
        gradient = np.einsum("nl,nlpe,nlp->le", weight, by_edge, residual)
        seen_enough = weight.sum(axis=0) > 0.1 * len(seen)
        damping = 1e-6 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(2) + 1e-9 * np.eye(2)
        steps = np.linalg.solve(normal + damping, gradient[:, :, None])[:, :, 0] * seen_enough[:, None]
        targets = points + np.einsum("le,lei->li", steps, rest[:, 1:] - rest[:, :1])
        mirrored = targets[self._mirror] * [-1.0, 1.0, 1.0]
        self._settle(0.5 * (targets + mirrored))
        depth = -places[:, :, 2]
        metres = np.sqrt((weight * (size * depth / _CAMERA.focal_px) ** 2).sum(0) / np.maximum(weight.sum(0), 1e-9))
        self.spread_m = np.where(seen_enough, np.maximum(metres, metres[self._mirror]), _REACH_M)
        return float((weight * size).sum() / weight.sum())

    def _settle(self, targets: Doubles) -> None:
        """Put every landmark on the nearest allowed surface point."""
        for landmark, (target, ground) in enumerate(zip(targets, self._grounds, strict=True)):
            here = np.einsum("k,ki->i", self.shares[landmark], self._surface.corners[self.triangles[landmark]])
            step = target - here
            target = here + step * min(1.0, _REACH_M / max(float(np.linalg.norm(step)), 1e-12))
            near = ground[np.linalg.norm(self._surface.centroids[ground] - target, axis=1) < 2.0 * _REACH_M]
            if landmark < SKIN_COUNT:
                near = near[np.abs(self._jaw_share[near] - self._first_jaw_share[landmark]) < _SAME_LIP]
            self.triangles[landmark], self.shares[landmark] = self._surface.closest(target, near)


def _pixel_derivatives(places: Doubles) -> Doubles:
    """Derivative [..., 2, 3] of the camera's pixels by points [..., 3] of the camera frame."""
    depth = -places[..., 2]
    by_place = np.zeros((*places.shape[:-1], 2, 3))
    by_place[..., 0, 0] = _CAMERA.focal_px / depth
    by_place[..., 1, 1] = -_CAMERA.focal_px / depth
    by_place[..., 0, 2] = _CAMERA.focal_px * places[..., 0] / depth**2
    by_place[..., 1, 2] = -_CAMERA.focal_px * places[..., 1] / depth**2
    return by_place


def build(head: HeadModel, face_model: Path, pictures: int = PICTURES) -> LandmarkEmbedding:
    """The embedding of `head`, from `pictures` pictures."""
    placement = Placement(head, mirror_table(face_model))
    neutral = np.zeros(head.expression_count)
    first = see(FaceRig(head), face_model, np.eye(3), Light(), grey=0.9, expression=neutral, jaw_rad=0.2)
    if first is None:
        raise RuntimeError("the tracker does not see the head's face; look at its picture")
    placement.begin(first)
    seen = random_sightings(head, face_model, pictures)
    width_px = float(np.ptp(first.pixels[:, 0]))
    for number in range(_PASSES):
        print(f"pass {number}: mean residual {placement.improve(seen):.2f} px of faces about {width_px:.0f} px wide")
    return LandmarkEmbedding(
        head=head.id,
        triangles=placement.triangles.astype(np.int32),
        barycentric=placement.shares.astype(np.float32),
        spread_m=placement.spread_m.astype(np.float32),
        mirror=mirror_table(face_model),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Place MediaPipe's landmarks on the open head.")
    parser.add_argument("--out", type=Path, default=EMBEDDING_PATH)
    parser.add_argument("--face-model", type=Path, default=None, help="face_landmarker.task; found as the driver does")
    parser.add_argument("--pictures", type=int, default=PICTURES)
    arguments = parser.parse_args()
    save_embedding(arguments.out, build(open_head(), find_face_model(arguments.face_model), arguments.pictures))
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
