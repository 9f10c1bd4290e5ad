"""Fits the head to the landmarks of one picture by Gauss-Newton steps, each a least-squares problem with bounds.

What is minimised over pose, jaw, slips n and shape weights 0 <= w <= upper is, with the errors e of `FaceView`,

    |e|^2  +  |jaw|^2 / s_jaw^2  +  |n|^2  +  |w|^2 / s_w^2 + 2 r sum(w)  +  |x - x_before|^2 / (drift^2 dt)

After the priors (few shapes are active at a time, hence r) comes a random walk: what a picture shows clearly follows at
once, and what it hardly shows is carried over from the pictures before, whatever the frame rate. Everything but w is
eliminated (Schur complement); the bounded problem that remains is solved exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from driver.face_view import JAW_SIZE, POSE_SIZE, Certainty, Face, FaceView, Person, Pinhole, Residual, Sighting
from models.head.bounded import bounded_quadratic_minimum
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from protocol.frame import Floats

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class FitSettings:
    """certainty         of what is seen
    shape_sd, shape_rate   s_w and r above
    jaw_rad              standard deviations about x, y and z
    jaw_open_range_rad, jaw_side_range_rad   bounds about x, and about y and z
    *_drift              random walks, per square root of a second
    iterations           most steps from the picture before, and `first_iterations` where there is none
    settled_s            a step that the random walks would take in this time is the last one
    """

    certainty: Certainty = field(default_factory=Certainty)
    shape_sd: float = 0.4
    shape_rate: float = 2.0
    jaw_rad: tuple[float, float, float] = (0.25, 0.05, 0.03)
    jaw_open_range_rad: tuple[float, float] = (0.0, 0.5)
    jaw_side_range_rad: float = 0.12
    rotation_drift_rad: float = 0.6
    translation_drift_m: float = 0.1
    jaw_drift_rad: float = 0.6
    slip_drift_sd: float = 4.0
    shape_drift: float = 1.5
    iterations: int = 2
    first_iterations: int = 8
    settled_s: float = 0.02


class FaceFitter:
    """Fits one head's landmarks. Keeps no state from picture to picture."""

    def __init__(self, view: FaceView, settings: FitSettings) -> None:
        self.view, self._settings = view, settings
        slips, shapes = view.slip_count, view.shape_count
        self._free = POSE_SIZE + JAW_SIZE + slips
        self.prior: Doubles = np.concatenate(
            [
                np.full(POSE_SIZE, 1e-6),
                np.array(settings.jaw_rad) ** -2.0,
                np.ones(slips),
                np.full(shapes, settings.shape_sd**-2.0),
            ]
        )
        drift = np.concatenate(
            [
                np.full(3, settings.rotation_drift_rad),
                np.full(3, settings.translation_drift_m),
                np.full(JAW_SIZE, settings.jaw_drift_rad),
                np.full(slips, settings.slip_drift_sd),
                np.full(shapes, settings.shape_drift),
            ]
        )
        self._drift_precision: Doubles = drift**-2.0
        self._settled: Doubles = drift * np.sqrt(settings.settled_s)
        self._settled[POSE_SIZE + JAW_SIZE : self._free] = np.inf  # slips never settle, and nobody sees them

    def first_guess(self, landmarks_px: Floats, person: Person, camera: Pinhole) -> Face:
        """Pose of a neutral face by aligning the tracker's own 3D landmarks [L, 3] (px) with the person's."""
        seen = landmarks_px.astype(np.float64) * [1.0, -1.0, -1.0]
        seen_middle, rest_middle = seen.mean(axis=0), person.rest.mean(axis=0, dtype=np.float64)
        seen, rest = seen - seen_middle, person.rest - rest_middle
        left, stretch, right = np.linalg.svd(seen.T @ rest)
        sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        rotation = (left * sign) @ right
        pixels_per_m = float((stretch * sign).sum() / (rest**2).sum())
        depth_m = camera.focal_px / pixels_per_m
        x, y = (float(value) for value in camera.normalised(landmarks_px[:, :2]).mean(axis=0))
        translation = np.array([x, y, -1.0]) * depth_m - rotation @ rest_middle
        neutral = np.zeros(JAW_SIZE), np.zeros(self.view.slip_count), np.zeros(self.view.shape_count)
        return Face(rotation, translation, *neutral)

    def fit(self, seen: Sighting, person: Person, start: Face, elapsed_s: float | None) -> tuple[Face, Residual]:
        """The face behind `seen`, and what is left of the picture.

        `start` is the face of the picture before, `elapsed_s` ago; None: a first guess, which is no evidence.
        """
        settings = self._settings
        walk = np.zeros(self.view.size) if elapsed_s is None else self._drift_precision / max(elapsed_s, 1e-3)
        face, left = start, self.view.residual(seen, person, start)
        for _ in range(settings.first_iterations if elapsed_s is None else settings.iterations):
            before = face
            by_face = self.view.by_face(left)
            curvature = (by_face @ by_face.T).astype(np.float64)
            curvature[np.diag_indices(self.view.size)] += self.prior + walk
            gradient = by_face @ left.values + self.prior_pull(face)
            gradient -= walk * _difference(face, start)
            face = self._stepped(face, curvature, gradient)
            left = self.view.residual(seen, person, face)
            if np.all(np.abs(_difference(face, before)) < self._settled):
                break
        return face, left

    def prior_pull(self, face: Face) -> Doubles:
        """[6 + 3 + K + N]: how the priors pull at `face`."""
        pull = -self.prior * face.coefficients
        pull[self._free :] -= self._settings.shape_rate
        return pull

    def _stepped(self, face: Face, curvature: Doubles, gradient: Doubles) -> Face:
        """`face` after the step that minimises the quadratic with this curvature and (downward) gradient."""
        free = self._free
        eliminated = np.linalg.solve(
            curvature[:free, :free], np.column_stack([curvature[:free, free:], gradient[:free]])
        )
        shared, alone = eliminated[:, :-1], eliminated[:, -1]
        of_shapes = curvature[free:, free:] - curvature[free:, :free] @ shared
        pull = gradient[free:] - curvature[free:, :free] @ alone + of_shapes @ face.weights
        upper = np.maximum(self.view.space.upper(float(face.jaw[0])), 1e-6)
        weights = bounded_quadratic_minimum(of_shapes, pull, upper, near=face.weights)
        step = alone - shared @ (weights - face.weights)
        low, high = self._settings.jaw_open_range_rad
        side = self._settings.jaw_side_range_rad
        jaw = face.jaw + step[POSE_SIZE : POSE_SIZE + JAW_SIZE]
        return Face(
            rotation=matrix_from_axis_angle(step[:3]) @ face.rotation,
            translation=face.translation + step[3:POSE_SIZE],
            jaw=np.clip(jaw, [low, -side, -side], [high, side, side]),
            slips=face.slips + step[POSE_SIZE + JAW_SIZE :],
            weights=weights,
        )


def _difference(face: Face, start: Face) -> Doubles:
    turned = axis_angle_from_matrix(face.rotation @ start.rotation.T)
    moved = face.translation - start.translation
    return np.concatenate([turned, moved, (face.coefficients - start.coefficients)[POSE_SIZE:]])
