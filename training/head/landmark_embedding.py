"""Place MediaPipe's landmarks on the open head:  python -m training.head.landmark_embedding [--out PATH]

The head is rendered as many people, expressions and views; MediaPipe's network looks at the pictures; and each
landmark becomes the surface point whose projections lie closest to where the tracker put it (robust least squares over
all pictures, sliding on the surface). Left and right are averaged by MediaPipe's own pairing, so that mirrored faces
give mirrored motion.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driver.face_model import find_face_model
from models.head.flame import GROUPS, JAW, LEFT_EYE, RIGHT_EYE, FaceRig, HeadModel, open_head
from models.head.landmarks import (
    EMBEDDING_PATH,
    LANDMARK_COUNT,
    SKIN_COUNT,
    LandmarkEmbedding,
    fingerprint,
    outward_directions,
    save_embedding,
)
from models.head.picture import Light
from protocol.frame import ARKIT_SHAPES
from training.head.landmark_habits import with_errors
from training.head.landmark_pairs import mirror_table
from training.head.landmark_sightings import CAMERA, Looker, Sighting
from training.head.surface import Surface, outside

Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]

PICTURES = 800
_PASSES = 10
_CLIP_PX = 6.0  # residuals beyond this are the tracker's mistakes, and pull no harder
_FLATTEST_COSINE = 0.25  # a point seen at a flatter angle says nothing about where it is
_REACH_M = 0.012  # how far a landmark may slide in one pass
_SAME_LIP = 0.3  # how much the jaw's share may differ along the way: no landmark changes lips


class Placement:
    """Landmarks on the mean head, sliding towards where they are seen."""

    def __init__(self, head: HeadModel, mirror: NDArray[np.int32]) -> None:
        if head.groups is None or head.mirror is None:
            raise ValueError(f"the head {head.id!r} does not say which triangles are skin, or is not symmetric")
        self._head, self._mirror = head, mirror
        self._surface = Surface(head.v_template, head.f)
        self._jaw_share = head.weights[head.f, JAW].mean(axis=1)
        of_eye = head.weights[head.f].mean(axis=1)
        self._on_midline = (head.mirror == np.arange(head.vertex_count))[head.f]
        skin = (head.groups == GROUPS.index("skin")) & outside(head)
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
        pixels = CAMERA.pixels(centroids)
        for landmark, ground in enumerate(self._grounds):
            ground = ground[facing[ground]]
            distances = np.linalg.norm(pixels[ground] - sighting.pixels[landmark], axis=1)
            near = ground[distances < distances.min() + 3.0]
            self.triangles[landmark] = near[np.argmax(centroids[near, 2])]  # what lies in front hides the rest
        share = self._jaw_share[self.triangles]
        self._first_jaw_share = 0.5 * (
            share + share[self._mirror]
        )  # else one of a pair could go where the other cannot

    def improve(self, seen: list[Sighting]) -> float:
        """One Gauss-Newton step of every landmark; returns the mean residual in pixels."""
        vertices = np.stack([sighting.vertices for sighting in seen]).astype(np.float64)
        corners = vertices[:, self._head.f[self.triangles]]  # [N, L, 3 corners, 3]
        places = np.einsum("lk,nlki->nli", self.shares, corners)
        edges = corners[:, :, 1:] - corners[:, :, :1]
        by_place = _pixel_derivatives(places)
        by_edge = np.einsum("nlpi,nlei->nlpe", by_place, edges)
        residual = np.stack([s.pixels for s in seen]) - CAMERA.pixels(places.reshape(-1, 3)).reshape(
            *places.shape[:2], 2
        )
        size = np.linalg.norm(residual, axis=2)
        rest = self._surface.corners[self.triangles]
        points = np.einsum("lk,lki->li", self.shares, rest)
        outward = np.einsum("nij,lj->nli", np.stack([s.rotation for s in seen]), self._outward(points))
        cosine = -(outward * places).sum(axis=2) / np.linalg.norm(places, axis=2)
        weight = np.where(cosine > _FLATTEST_COSINE, np.minimum(1.0, _CLIP_PX / np.maximum(size, 1e-9)), 0.0)
        weighted = by_edge * weight[:, :, None, None]
        normal = np.einsum("nlpe,nlpf->lef", weighted, by_edge)
        gradient = np.einsum("nlpe,nlp->le", weighted, residual)
        seen_enough = weight.sum(axis=0) > 0.1 * len(seen)
        damping = 1e-6 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(2) + 1e-9 * np.eye(2)
        steps = np.linalg.solve(normal + damping, gradient[:, :, None])[:, :, 0] * seen_enough[:, None]
        targets = points + np.einsum("le,lei->li", steps, rest[:, 1:] - rest[:, :1])
        mirrored = targets[self._mirror] * [-1.0, 1.0, 1.0]
        self._settle(0.5 * (targets + mirrored))
        depth = -places[:, :, 2]
        metres = np.sqrt((weight * (size * depth / CAMERA.focal_px) ** 2).sum(0) / np.maximum(weight.sum(0), 1e-9))
        self.spread_m = np.where(seen_enough, np.maximum(metres, metres[self._mirror]), _REACH_M)
        return float((weight * size).sum() / weight.sum())

    def _place(self, landmark: int) -> Doubles:
        return np.einsum("k,ki->i", self.shares[landmark], self._surface.corners[self.triangles[landmark]])

    def _settle(self, targets: Doubles) -> None:
        """Put every landmark on the nearest allowed surface point."""
        for landmark, ground in enumerate(self._grounds):
            other = self._mirror[landmark]
            here = self._place(landmark)
            # The second of a pair goes where the first one's mirror image is.
            target = targets[landmark] if landmark <= other else self._place(other) * [-1.0, 1.0, 1.0]
            step = target - here
            target = here + step * min(1.0, _REACH_M / max(float(np.linalg.norm(step)), 1e-12))
            near = ground[np.linalg.norm(self._surface.centroids[ground] - target, axis=1) < 2.0 * _REACH_M]
            if landmark < SKIN_COUNT:
                near = near[np.abs(self._jaw_share[near] - self._first_jaw_share[landmark]) < _SAME_LIP]
            if landmark == other:
                near = near[self._on_midline[near].sum(axis=1) == 2]
            self.triangles[landmark], shares = self._surface.closest(target, near)
            if landmark == other:  # stays on the edge between left and right
                shares = shares * self._on_midline[self.triangles[landmark]] + 1e-9
            self.shares[landmark] = shares / shares.sum()


def _pixel_derivatives(places: Doubles) -> Doubles:
    """Derivative [..., 2, 3] of the camera's pixels by points [..., 3] of the camera frame."""
    depth = -places[..., 2]
    by_place = np.zeros((*places.shape[:-1], 2, 3))
    by_place[..., 0, 0] = CAMERA.focal_px / depth
    by_place[..., 1, 1] = -CAMERA.focal_px / depth
    by_place[..., 0, 2] = CAMERA.focal_px * places[..., 0] / depth**2
    by_place[..., 1, 2] = -CAMERA.focal_px * places[..., 1] / depth**2
    return by_place


def build(head: HeadModel, face_model: Path, pictures: int = PICTURES) -> LandmarkEmbedding:
    """The embedding of `head`, from `pictures` pictures."""
    mirror = mirror_table(face_model)
    placement, looker = Placement(head, mirror), Looker(head, face_model)
    half_open = np.zeros(len(ARKIT_SHAPES), np.float32)
    half_open[ARKIT_SHAPES.index("jawOpen")] = 0.5
    first = looker.see(FaceRig(head), half_open, np.eye(3), Light(), grey=0.9)
    if first is None:
        raise RuntimeError("the tracker does not see the head's face; look at its picture")
    placement.begin(first)
    seen = looker.see_many(pictures)
    width_px = float(np.ptp(first.pixels[:, 0]))
    for number in range(_PASSES):
        print(f"pass {number}: mean residual {placement.improve(seen):.2f} px of faces about {width_px:.0f} px wide")
    nothing = np.zeros((LANDMARK_COUNT, 2, 0), np.float32)
    placed = LandmarkEmbedding(
        head=head.id,
        fingerprint=fingerprint(head),
        triangles=placement.triangles.astype(np.int32),
        barycentric=placement.shares.astype(np.float32),
        spread_m=placement.spread_m.astype(np.float32),
        mirror=mirror,
        habits=nothing,
        slips=nothing,
        person_slips=nothing,
    )
    return with_errors(head, placed, seen)


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
