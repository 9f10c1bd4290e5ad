"""Pseudo-truth: what tracker and solver make of real pictures, told as a face store wants it.

Whose face it is, is solved once for all pictures of a clip: two passes learn the person, a third finds the motion of
the person who is now known. How far a picture is to be believed falls with the distance between the tracker's points
and the same points of the solved head: where they disagree, the points stay and the motion is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driver.face_view import Pinhole
from driver.landmark_solver import LandmarkSolver
from driver.types import FaceTrack, Motion
from models.head.crop import Crop, PictureCamera, crop_of_head, head_in_crop
from models.head.flame import JAW, open_head
from models.head.landmarks import FACE_POINTS, IRISES, LandmarkRig, open_head_landmarks
from models.head.rotation import matrix_from_axis_angle
from protocol.frame import REGIONS
from training.data.face_store import MARGIN

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_PASSES = 3
_BETWEEN_PASSES_S = 1.0  # the pose is found anew, the person is kept
_MOUTH, _EYES = REGIONS.index("mouth"), REGIONS.index("eyes")

# Median distance between the tracker's points and the solved head's, m, at which belief begins to fall, and is none.
_ERROR_RANGE_M = (0.0025, 0.007)
# A solved face is never as sure as one that was made.
_MOST_BELIEF = 0.5
_LEAST_BELIEF = 0.05
# Cosine to the camera at which a point begins to be seen, and is seen fully.
_FACING_RANGE = (-0.1, 0.3)
_SHUT = 0.65  # eyelids; the iris behind them is a guess


@dataclass(frozen=True, eq=False)
class Solved:
    """tracks and motions, one a picture, and the camera that took them all."""

    tracks: Sequence[FaceTrack]
    motions: Sequence[Motion]
    camera: Pinhole


@dataclass(frozen=True, eq=False)
class SolvedPicture:
    """What is told of one picture: the stored crop, and name -> float32 [size] of face_store.SIZES.

    error_m   median distance between the tracker's points and the solved head's
    """

    crop: Crop
    truths: dict[str, Floats]
    error_m: float


def solve(tracks: Sequence[FaceTrack]) -> Solved:
    """The motion in every track of a clip of one person, whose identity is the same in all. ValueError without one."""
    if not tracks:
        raise ValueError("there are no tracks; a face needs at least one picture")
    solver = LandmarkSolver()
    apart_ns = tracks[-1].capture_ns - tracks[0].capture_ns + round(_BETWEEN_PASSES_S * 1e9)
    motions: list[Motion] = []
    for number in range(_PASSES):
        solver.learns = number < _PASSES - 1
        later = (replace(track, capture_ns=track.capture_ns + number * apart_ns) for track in tracks)
        motions = [solver.process(track) for track in later]
    size = tracks[0].image_size
    return Solved(tracks, motions, solver.camera(size))


class PictureTruths:
    """Tells what a store wants to know of a solved picture."""

    def __init__(self) -> None:
        self._rig = LandmarkRig(open_head(), open_head_landmarks(), FACE_POINTS)
        self._is_iris = np.isin(FACE_POINTS, IRISES)
        # The subject's left eye's irises come last in MediaPipe's order.
        self._eye_of_iris = np.where(np.array(FACE_POINTS) >= IRISES[len(IRISES) // 2], 0, 1)

    def of(self, track: FaceTrack, motion: Motion, camera: Pinhole) -> SolvedPicture:
        """`track` must have landmarks."""
        if track.landmarks is None:
            raise ValueError("the track has no landmarks; only pictures with a face can be told")
        rotation = matrix_from_axis_angle(motion.head_rotation.astype(np.float64))
        translation = motion.head_translation.astype(np.float64)
        picture_camera = PictureCamera(camera.focal_px, camera.centre_px)
        crop = crop_of_head(rotation, translation, picture_camera).widened(MARGIN)
        seen = head_in_crop(rotation, translation, crop, picture_camera)
        points_px = track.landmarks[list(FACE_POINTS), :2].astype(np.float64)
        back = crop.from_picture()
        points_seen = self._points_seen(points_px, track, motion, rotation, translation)
        error_m = self._error_m(points_px, points_seen, motion, rotation, translation, camera)
        sure = 1.0 - _ramp(error_m, *_ERROR_RANGE_M)
        belief = _MOST_BELIEF * float(sure) * float(motion.confidence[_MOUTH])
        truths: dict[str, NDArray[np.floating]] = {
            "points": (points_px @ back[:, :2].T + back[:, 2]).reshape(-1),
            "points_seen": points_seen,
            "presence": np.ones(1),
            "belief": np.array([belief]),
        }
        if motion.confidence[_EYES] > 0.0 and sure > 0.0:
            truths |= {"eyelids": motion.eyelids}
            # Behind a shut lid the gaze is that of the picture before.
            truths |= {"gaze": np.where(np.repeat(motion.eyelids < _SHUT, 2), motion.gaze, np.nan)}
        if sure > 0.0:
            truths |= {
                "rotation": seen.rotation.reshape(-1),
                "place": seen.place,
                "focal": np.array([camera.focal_px / crop.side_px]),
            }
        if belief >= _LEAST_BELIEF and motion.shape is not None:
            truths |= {"expression": motion.expression, "jaw": motion.jaw, "shape": motion.shape}
        return SolvedPicture(
            crop, {name: np.asarray(values, np.float32) for name, values in truths.items()}, float(error_m)
        )

    def _points_seen(
        self, points_px: Doubles, track: FaceTrack, motion: Motion, rotation: Doubles, translation: Doubles
    ) -> Doubles:
        """[P] 0..1: less for points that face away, none outside of the picture or behind a lid."""
        towards_camera = rotation.T @ -translation
        cosine = self._rig.outward @ (towards_camera / np.linalg.norm(towards_camera))
        inside = np.all((points_px >= 0.0) & (points_px < np.array(track.image_size)), axis=1)
        shut = self._is_iris & (motion.eyelids[self._eye_of_iris] >= _SHUT)
        return track.presence * _ramp(cosine, *_FACING_RANGE) * (inside & ~shut)

    def _error_m(
        self,
        points_px: Doubles,
        points_seen: Doubles,
        motion: Motion,
        rotation: Doubles,
        translation: Doubles,
        camera: Pinhole,
    ) -> float:
        """Median over the points that are seen; the irises, which no expression moves, do not count."""
        shape = np.zeros(0, np.float32) if motion.shape is None else motion.shape
        rest, joint = self._rig.at_rest(shape), self._rig.joint(JAW, shape, motion.expression)
        posed = self._rig.posed(rest, joint, motion.expression, motion.jaw, motion.eyelids, motion.gaze).points
        placed = posed @ rotation.T + translation
        depth = -placed[:, 2]
        x = camera.centre_px[0] + camera.focal_px * placed[:, 0] / depth
        y = camera.centre_px[1] - camera.focal_px * placed[:, 1] / depth
        error_m = np.hypot(points_px[:, 0] - x, points_px[:, 1] - y) * depth / camera.focal_px
        used = (points_seen > 0.5) & ~self._is_iris
        return float(np.median(error_m[used])) if used.any() else float("inf")


def _ramp(value: Doubles | float, low: float, high: float) -> Doubles:
    """0 below `low`, 1 above `high`, straight between."""
    return np.clip((np.asarray(value, np.float64) - low) / (high - low), 0.0, 1.0)
