"""Who is judged: anything that reads a face from pictures. MediaPipe with our solver, MediaPipe alone, our network."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from driver import native_face as driver_face
from driver.landmark_solver import LandmarkSolver
from driver.native_face import NativeFaceSettings
from driver.runtime import OnnxModel, OnnxNetwork
from driver.track import FaceTracker
from driver.types import Motion, VideoFrame
from driver.weights import FACE_DETECTOR
from models.head.arkit import ArkitMap
from models.head.crop import PictureCamera
from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS
from training.evaluate.blendshape_scores import BlendshapeScores

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sight:
    """What a subject knows after a picture.

    motion   in the motion space, of the instant `motion.capture_ns`; None while nothing is known of one yet
    points   float32 [140, 2]: FACE_POINTS in pixels of the newest picture; None while no face is held
    """

    motion: Motion | None
    points: Floats | None


class FaceSubject(Protocol):
    """Reads one face from pictures in order. `lookahead` is how many pictures later a motion is told.

    `tells` names the parts of the motion that mean anything; `fingerprint` changes with the subject.
    """

    name: str
    lookahead: int
    tells: frozenset[str]
    fingerprint: str

    @property
    def size_mb(self) -> float: ...
    def begin(self, focal: float) -> None:
        """A new clip, of a camera whose focal length is `focal` times the longer side of its pictures."""
        ...

    def look(self, frame: VideoFrame) -> Sight: ...
    def camera(self, size: tuple[int, int]) -> PictureCamera:
        """The camera that the subject's pose belongs to, for pictures of this size."""
        ...


USUAL_FOCAL = 0.5 / math.tan(math.radians(60.0) / 2.0)
_POSE = frozenset({"head_rotation", "head_translation"})
_FACE = frozenset({"expression", "jaw", "eyelids", "gaze"})


class MediaPipeSolver:
    """The driver's tracker and solver, as they run live, without smoothing."""

    name, lookahead, tells = "MediaPipe + solver", 0, _FACE | _POSE | {"shape"}

    def __init__(self, face_model: Path) -> None:
        self._path = face_model
        self._tracker = FaceTracker(face_model)
        self._solver = LandmarkSolver()
        self.fingerprint = _digest(face_model, "solver-1")

    @property
    def size_mb(self) -> float:
        return self._path.stat().st_size / 1e6

    def begin(self, focal: float) -> None:
        self._tracker.forget()
        self._solver = LandmarkSolver(horizontal_fov_deg=_fov_deg(focal))

    def look(self, frame: VideoFrame) -> Sight:
        track = self._tracker.process(frame)
        motion = self._solver.process(track)
        return Sight(motion, None if track.landmarks is None else track.landmarks[list(FACE_POINTS), :2])

    def camera(self, size: tuple[int, int]) -> PictureCamera:
        pinhole = self._solver.camera(size)
        return PictureCamera(pinhole.focal_px, pinhole.centre_px)


class MediaPipeBlendshapes:
    """MediaPipe's own blendshapes on its own landmarks, moved onto our head shape by shape. It tells no pose here."""

    name, lookahead, tells = "MediaPipe blendshapes", 0, _FACE

    def __init__(self, face_model: Path) -> None:
        self._path = face_model
        self._tracker, self._scores = FaceTracker(face_model), BlendshapeScores(face_model)
        self._arkit = ArkitMap(open_head())
        self.fingerprint = _digest(face_model, "blendshapes-1")
        self._focal = USUAL_FOCAL

    @property
    def size_mb(self) -> float:
        return self._path.stat().st_size / 1e6

    def begin(self, focal: float) -> None:
        self._tracker.forget()
        self._focal = focal

    def look(self, frame: VideoFrame) -> Sight:
        track = self._tracker.process(frame)
        if track.landmarks is None:
            return Sight(None, None)
        weights = np.nan_to_num(self._scores(track.landmarks))
        expression, jaw, eyelids, gaze = self._arkit.to_motion(weights)
        sure = np.full(4, track.presence, np.float32)
        motion = Motion(frame.capture_ns, expression=expression, jaw=jaw, eyelids=eyelids, gaze=gaze, confidence=sure)
        return Sight(motion, track.landmarks[list(FACE_POINTS), :2])

    def camera(self, size: tuple[int, int]) -> PictureCamera:
        return PictureCamera(self._focal * max(size), (size[0] / 2, size[1] / 2))


class NativeFace:
    """Our networks as the driver runs them, without smoothing.

    path        of the exported face.onnx; face_detector.onnx lies beside it
    lookahead   pictures; everything is told so much later
    residual    False leaves the temporal residual out: every picture by itself
    """

    tells = _FACE | _POSE | {"shape"}

    def __init__(self, path: Path, lookahead: int = 0, *, residual: bool = True) -> None:
        detector = path.with_name(FACE_DETECTOR)
        self._face, self._detector = OnnxModel(path, "cpu"), OnnxNetwork(detector, "cpu")
        self._settings = NativeFaceSettings(lookahead=lookahead, residual=1.0 if residual else 0.0)
        self.lookahead, self.size_mb = lookahead, sum(file.stat().st_size for file in (path, detector)) / 1e6
        self.name = f"native {lookahead}" if residual else "native, single pictures"
        self.fingerprint = _digest(path, f"native-4 {lookahead} {residual}")
        self.begin(USUAL_FOCAL)

    def begin(self, focal: float) -> None:
        self._stage = driver_face.NativeFace(
            self._face, self._detector, self._settings, horizontal_fov_deg=_fov_deg(focal)
        )

    def look(self, frame: VideoFrame) -> Sight:
        motions = self._stage.process(frame)
        return Sight(motions[-1] if motions else None, self._stage.points_px)

    def camera(self, size: tuple[int, int]) -> PictureCamera:
        return self._stage.camera(size)


def _fov_deg(focal: float) -> float:
    return math.degrees(2.0 * math.atan(0.5 / focal))


def _digest(path: Path, ours: str) -> str:
    return hashlib.sha256(path.read_bytes() + ours.encode()).hexdigest()[:16]
