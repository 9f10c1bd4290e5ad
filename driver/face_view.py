"""A picture's landmarks against the head: how far off a face is, and how that changes with the face.

The landmarks X_l of the head are linear in the expression and bend with the jaw; a pinhole sees R X_l + t. Errors are
measured in metres at the face. Arrays of derivatives have the landmarks last, as numpy is fastest along long rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driver.shape_space import ShapeSpace
from models.head.landmarks import INNER_LIPS, LandmarkRig, PosedLandmarks
from protocol.frame import Floats

Doubles = NDArray[np.float64]

POSE_SIZE, JAW_SIZE = 6, 3
_TINY = np.float32(1e-9)


@dataclass(frozen=True)
class Pinhole:
    """A camera with square pixels, counted from the top left, y down. Its frame is that of the motion space."""

    focal_px: float
    centre_px: tuple[float, float]

    def normalised(self, pixels: Floats) -> Floats:
        """Pixels [L, 2] as directions (x, y) [L, 2] at depth 1, y up."""
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
class Face:
    """What a picture shows of a person, float64.

    rotation [3, 3], translation [3] m   head to camera
    jaw [3]        rad
    slips [K]      standard deviations: the tracker's, not the face's
    weights [N]    0..1, of the shapes in `ShapeSpace`
    """

    rotation: Doubles
    translation: Doubles
    jaw: Doubles
    slips: Doubles
    weights: Doubles

    @property
    def coefficients(self) -> Doubles:
        """[6 + 3 + K + N] in the order of `FaceView.by_face`; the pose is where it is, so it is 0."""
        return np.concatenate([np.zeros(POSE_SIZE), self.jaw, self.slips, self.weights])


@dataclass(frozen=True, eq=False)
class Sighting:
    """What one picture shows.

    observed      float32 [2, L], normalised (see `Pinhole`)
    visibility    float32 [L] 0..1, weight of each landmark
    eyelids, gaze   [2] and [4], measured elsewhere
    """

    observed: Floats
    visibility: Floats
    eyelids: Floats
    gaze: Floats


@dataclass(frozen=True)
class Certainty:
    """Standard deviations: `landmark_m` of each landmark, `gap_m` of the opening between the lips, which the tracker
    knows better than where each lip is. Errors beyond `outlier_m` pull no harder (hands, hair, glasses).
    """

    landmark_m: float = 0.003
    gap_m: float = 0.001
    outlier_m: float = 0.008


@dataclass(frozen=True, eq=False)
class Residual:
    """A picture against a face: `values` [2 (L + G)] over their standard deviations (landmarks, then gaps of the lips),
    and `error_m` [L]. The rest is what derivatives are made from: `by_place` [2, 3, L] by each landmark's place in the
    camera frame, over its standard deviation 1 / `certainty` [L], and `turned` [3, L], the landmarks in camera axes.
    """

    values: Floats
    error_m: Floats
    certainty: Floats
    by_place: Floats
    turned: Floats
    rotation: Floats
    posed: PosedLandmarks
    jaw: Doubles

    @property
    def by_point(self) -> Floats:
        """[2, 3, L]: the landmarks' part of `values` by each landmark's place in the head's frame."""
        return self.rotation.T @ self.by_place


class FaceView:
    """One head's landmarks as a camera sees them. Keeps no state."""

    def __init__(self, rig: LandmarkRig, space: ShapeSpace, certainty: Certainty) -> None:
        self.rig, self.space, self._settings = rig, space, certainty
        self._upper, self._lower = (rig.rows_of(lip) for lip in INNER_LIPS)
        shapes = rig.expression_dirs @ space.table.T
        # [3, K + N, L]: where slips and shapes at full strength move the landmarks at rest.
        self.dirs: Floats = np.ascontiguousarray(np.concatenate([rig.slip_dirs, shapes], axis=2).transpose(1, 2, 0))
        self.slip_count, self.shape_count = int(rig.slip_dirs.shape[2]), len(space.names)
        self.size = POSE_SIZE + JAW_SIZE + self.slip_count + self.shape_count

    def residual(self, seen: Sighting, person: Person, face: Face) -> Residual:
        """The picture against `face`."""
        expression, slips = self.space.expression(face.weights), face.slips.astype(np.float32)
        posed = self.rig.posed(person.rest, person.jaw_joint, expression, face.jaw, seen.eyelids, seen.gaze, slips)
        rotation = face.rotation.astype(np.float32)
        turned = rotation @ posed.points.T
        placed = turned + face.translation.astype(np.float32)[:, None]
        depth = -placed[2]
        predicted = placed[:2] / depth
        # The depth of the whole head, so that no landmark gains by coming closer.
        scale = np.float32(-face.translation[2])
        error = (seen.observed - predicted) * scale
        error_m = np.sqrt((error**2).sum(axis=0))
        trust = np.sqrt(seen.visibility * np.minimum(1.0, self._settings.outlier_m / np.maximum(error_m, _TINY)))
        certainty: Floats = (trust / self._settings.landmark_m).astype(np.float32)
        by_place = np.zeros((2, 3, len(depth)), np.float32)
        by_place[0, 0] = by_place[1, 1] = certainty * scale / depth
        by_place[:, 2] = predicted * (certainty * scale / depth)
        error *= certainty
        values = np.concatenate([error, self._across_lips(error, certainty)], axis=1).reshape(-1)
        return Residual(values, error_m, certainty, by_place, turned, rotation, posed, face.jaw)

    def by_face(self, left: Residual) -> Floats:
        """Derivative [6 + 3 + K + N, 2 (L + G)] of what the picture shows by rotation (a turn after the present one),
        translation, jaw, slips and shapes.
        """
        count = left.turned.shape[1]
        by_face = np.empty((self.size, 2, count + len(self._upper)), np.float32)
        by_landmarks = by_face[:, :, :count]
        for row in range(3):
            one, other = (row + 1) % 3, (row + 2) % 3
            by_landmarks[row] = left.turned[one] * left.by_place[:, other] - left.turned[other] * left.by_place[:, one]
        by_landmarks[3:POSE_SIZE] = left.by_place.swapaxes(0, 1)
        by_jaw = self.rig.by_jaw(left.posed, left.jaw)
        _along(by_jaw, left.by_point, by_landmarks[POSE_SIZE : POSE_SIZE + JAW_SIZE])
        _along(self.dirs, self._by_rest(left), by_landmarks[POSE_SIZE + JAW_SIZE :])
        by_face[:, :, count:] = self._across_lips(by_landmarks, left.certainty)
        return by_face.reshape(self.size, -1)

    def by_dirs(self, left: Residual, dirs: Floats) -> Floats:
        """Derivative [D, 2 (L + G)] of what the picture shows by `dirs` [3, D, L], m, of the landmarks at rest."""
        count = left.turned.shape[1]
        by_dirs = np.empty((dirs.shape[1], 2, count + len(self._upper)), np.float32)
        _along(dirs, self._by_rest(left), by_dirs[:, :, :count])
        by_dirs[:, :, count:] = self._across_lips(by_dirs[:, :, :count], left.certainty)
        return by_dirs.reshape(len(by_dirs), -1)

    def _by_rest(self, left: Residual) -> Floats:
        """[2, 3, L]: the landmarks' part of `left.values` by each landmark's place at rest."""
        by_point = left.by_point
        return np.asarray(by_point + self.rig.jaw_share * (left.posed.turn.T @ by_point), np.float32)

    def _across_lips(self, values: Floats, certainty: Floats) -> Floats:
        """What [..., L], in standard deviations, differs by [..., G] between upper and lower lip, in those of a gap."""
        upper, lower = certainty[self._upper], certainty[self._lower]
        gap: Floats = np.minimum(upper, lower) * np.float32(self._settings.landmark_m / self._settings.gap_m)
        to_upper, to_lower = gap / np.maximum(upper, _TINY), gap / np.maximum(lower, _TINY)
        apart = values[..., self._upper] * to_upper - values[..., self._lower] * to_lower
        return apart.astype(np.float32, copy=False)


def _along(dirs: Floats, by_place: Floats, out: Floats) -> None:
    """`out` [D, 2, L] = sum over three axes of `dirs` [3, D, L] times `by_place` [2, 3, L]."""
    for axis in range(2):
        along = out[:, axis]
        np.multiply(dirs[0], by_place[axis, 0], out=along)
        along += dirs[1] * by_place[axis, 1]
        along += dirs[2] * by_place[axis, 2]
