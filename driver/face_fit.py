"""Fits the head to the landmarks of one picture: head pose, expression and jaw by damped Gauss-Newton.

The landmarks X_l of the head are linear in the expression and bend with the jaw; a pinhole sees R X_l + t. What is
minimised, with each landmark's error in metres at the face over its standard deviation s_l, is

    sum_l w_l |p_l - proj(R X_l + t)|^2 / s_l^2  +  |psi|^2  +  |jaw|^2 / s_jaw^2  +  |x - x_before|^2 / (drift^2 dt)

The second and third terms are the priors (coefficients are in standard deviations), the last one a random walk: what a
picture shows clearly follows at once, and what it hardly shows is carried over from the pictures before, whatever the
frame rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.head.landmarks import LandmarkRig, PosedLandmarks
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from protocol.frame import Floats

Doubles = NDArray[np.float64]

POSE_SIZE, JAW_SIZE = 6, 3


@dataclass(frozen=True)
class FitSettings:
    """Standard deviations of the terms above.

    landmark_m       of a landmark that the tracker places well; its own `spread_m` comes on top
    expression_sd    of each expression coefficient
    jaw_rad          about x, y and z
    *_drift          random walks, per square root of a second
    outlier_m        errors beyond this pull no harder (hands, hair, glasses)
    """

    landmark_m: float = 0.004
    expression_sd: float = 1.0
    jaw_rad: tuple[float, float, float] = (0.25, 0.05, 0.03)
    jaw_open_range_rad: tuple[float, float] = (0.0, 0.5)
    jaw_side_range_rad: float = 0.12
    rotation_drift_rad: float = 3.0
    translation_drift_m: float = 0.5
    expression_drift_sd: float = 12.0
    jaw_drift_rad: float = 3.0
    outlier_m: float = 0.008
    iterations: int = 2
    first_iterations: int = 8


@dataclass(frozen=True)
class Pinhole:
    """A camera with square pixels, counted from the top left, y down. Its frame is that of the motion space."""

    focal_px: float
    centre_px: tuple[float, float]

    def normalised(self, pixels: Floats) -> Floats:
        """Pixels [L, 2] as directions (x, y) at depth 1, y up."""
        x, y = self.centre_px
        scale = np.array([1.0 / self.focal_px, -1.0 / self.focal_px], np.float32)
        return (pixels - np.array([x, y], np.float32)) * scale


@dataclass(frozen=True, eq=False)
class Person:
    """What does not change from picture to picture: landmarks at rest [L, 3] and the jaw's joint [3], m; shape [S]."""

    shape: Floats
    rest: Floats
    jaw_joint: Floats


@dataclass(frozen=True, eq=False)
class FaceFit:
    """rotation [3, 3] and translation [3] m carry the head to the camera; expression [E] sd; jaw [3] rad; float64."""

    rotation: Doubles
    translation: Doubles
    expression: Doubles
    jaw: Doubles

    @property
    def coefficients(self) -> Doubles:
        """[6 + E + 3]: pose (0, as it has no prior), expression and jaw, in the order of `Linearised.by_face`."""
        return np.concatenate([np.zeros(POSE_SIZE), self.expression, self.jaw])


@dataclass(frozen=True, eq=False)
class Linearised:
    """The picture around a fit: `residual` [2L] and its derivative `by_face` [2L, 6 + E + 3], both divided by the
    landmarks' standard deviations; `by_landmark` [L, 2, 3] likewise by a landmark's place at rest; `error_m` [L].
    """

    residual: Floats
    by_face: Floats
    by_landmark: Floats
    error_m: Floats


class FaceFitter:
    """Fits one head's landmarks. Keeps no state from picture to picture."""

    def __init__(self, rig: LandmarkRig, spread_m: Floats, settings: FitSettings) -> None:
        """`spread_m` [L]: how far each landmark wanders over the surface by itself."""
        self.rig, self.settings = rig, settings
        self._sigma_m: Floats = np.sqrt(settings.landmark_m**2 + spread_m**2).astype(np.float32)
        self._expression_count = rig.expression_dirs.shape[2]
        expression: Doubles = np.full(self._expression_count, settings.expression_sd**-2.0)
        jaw = np.array(settings.jaw_rad) ** -2.0
        self.prior: Doubles = np.concatenate([np.zeros(POSE_SIZE), expression, jaw])
        drift = np.concatenate(
            [
                np.full(3, settings.rotation_drift_rad),
                np.full(3, settings.translation_drift_m),
                np.full(self._expression_count, settings.expression_drift_sd),
                np.full(JAW_SIZE, settings.jaw_drift_rad),
            ]
        )
        self._drift_precision: Doubles = drift**-2.0

    def first_guess(self, landmarks_px: Floats, person: Person, camera: Pinhole) -> FaceFit:
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
        return FaceFit(rotation, translation, np.zeros(self._expression_count), np.zeros(JAW_SIZE))

    def fit(
        self,
        observed: Floats,
        visibility: Floats,
        person: Person,
        start: FaceFit,
        eyelids: Floats,
        gaze: Floats,
        elapsed_s: float | None,
    ) -> tuple[FaceFit, Linearised]:
        """The face behind `observed` [L, 2] (normalised, see `Pinhole`), and the picture linearised where it ends.

        visibility  [L] 0..1, weight of each landmark
        start       the fit of the picture before, `elapsed_s` ago; None: a first guess, which is no evidence
        eyelids, gaze   as they are now; they are measured elsewhere
        """
        settings = self.settings
        walk = None if elapsed_s is None else self._drift_precision / max(elapsed_s, 1e-3)
        face = start
        for _ in range(settings.first_iterations if walk is None else settings.iterations):
            seen = self.linearise(observed, visibility, person, face, eyelids, gaze)
            normal = (seen.by_face.T @ seen.by_face).astype(np.float64)
            gradient = (seen.by_face.T @ seen.residual).astype(np.float64)
            gradient -= self.prior * face.coefficients
            normal[np.diag_indices_from(normal)] += self.prior + 1e-6
            if walk is not None:
                gradient -= walk * self._difference(face, start)
                normal[np.diag_indices_from(normal)] += walk
            face = self._moved(face, np.linalg.solve(normal, gradient).astype(np.float64))
        return face, self.linearise(observed, visibility, person, face, eyelids, gaze)

    def linearise(
        self, observed: Floats, visibility: Floats, person: Person, face: FaceFit, eyelids: Floats, gaze: Floats
    ) -> Linearised:
        """The picture around `face`."""
        posed = self.rig.posed(
            person.rest, person.jaw_joint, face.expression.astype(np.float32), face.jaw, eyelids, gaze
        )
        rotation = face.rotation.astype(np.float32)
        turned = posed.points @ rotation.T
        placed = turned + face.translation.astype(np.float32)
        depth = -placed[:, 2]
        predicted = placed[:, :2] / depth[:, None]
        # Errors at the face in metres; the depth of the whole head, so that no landmark gains by coming closer.
        scale = np.float32(-face.translation[2])
        error = (observed - predicted) * scale
        error_m = np.sqrt((error**2).sum(axis=1))
        certainty = np.sqrt(visibility * np.minimum(1.0, self.settings.outlier_m / np.maximum(error_m, 1e-9)))
        certainty = (certainty / self._sigma_m).astype(np.float32)

        by_place = np.zeros((len(depth), 2, 3), np.float32)
        by_place[:, 0, 0] = by_place[:, 1, 1] = scale / depth
        by_place[:, :, 2] = predicted * (scale / depth)[:, None]
        by_place *= certainty[:, None, None]
        return Linearised(
            residual=(error * certainty[:, None]).reshape(-1),
            by_face=self._by_face(by_place, turned, posed, rotation),
            by_landmark=by_place @ (rotation @ posed.blends),
            error_m=error_m,
        )

    def _by_face(self, by_place: Floats, turned: Floats, posed: PosedLandmarks, rotation: Floats) -> Floats:
        """Derivative [2L, 6 + E + 3] by rotation (a turn after the present one), translation, expression and jaw."""
        count = self._expression_count
        by_face = np.empty((len(turned), 2, POSE_SIZE + count + JAW_SIZE), np.float32)
        for row in range(3):  # (turned x by_place), written out: np.cross costs as much as all the rest
            one, other = (row + 1) % 3, (row + 2) % 3
            by_face[:, :, row] = (
                turned[:, None, one] * by_place[:, :, other] - turned[:, None, other] * by_place[:, :, one]
            )
        by_face[:, :, 3:POSE_SIZE] = by_place
        # Three products over all landmarks; a batch of 2x3 matrices takes three times as long.
        by_rest = by_place @ (rotation @ posed.blends)
        by_expression = by_face[:, :, POSE_SIZE : POSE_SIZE + count]
        np.multiply(by_rest[:, :, 0, None], self.rig.expression_dirs[:, None, 0], out=by_expression)
        by_expression += by_rest[:, :, 1, None] * self.rig.expression_dirs[:, None, 1]
        by_expression += by_rest[:, :, 2, None] * self.rig.expression_dirs[:, None, 2]
        by_face[:, :, POSE_SIZE + count :] = by_place @ (rotation @ posed.by_jaw)
        return by_face.reshape(2 * len(turned), -1)

    def _moved(self, face: FaceFit, step: Doubles) -> FaceFit:
        count = self._expression_count
        low, high = self.settings.jaw_open_range_rad
        side = self.settings.jaw_side_range_rad
        jaw = np.clip(face.jaw + step[POSE_SIZE + count :], [low, -side, -side], [high, side, side])
        return FaceFit(
            rotation=matrix_from_axis_angle(step[:3]) @ face.rotation,
            translation=face.translation + step[3:POSE_SIZE],
            expression=face.expression + step[POSE_SIZE : POSE_SIZE + count],
            jaw=jaw,
        )

    @staticmethod
    def _difference(face: FaceFit, start: FaceFit) -> Doubles:
        return np.concatenate(
            [
                axis_angle_from_matrix(face.rotation @ start.rotation.T),
                face.translation - start.translation,
                face.expression - start.expression,
                face.jaw - start.jaw,
            ]
        )


def turn_about_up(rotation: Doubles) -> float:
    """Yaw in rad of a head: 0 when it faces the camera, positive to the subject's left."""
    return math.atan2(rotation[0, 2], rotation[2, 2])
