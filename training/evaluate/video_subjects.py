"""Who is judged: anything that reads a face from pictures. MediaPipe with our solver, MediaPipe alone, our network."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as _untyped_onnxruntime
from numpy.typing import NDArray

from driver.face_detect import detect_faces, tiles, whole
from driver.face_networks import load_face_networks
from driver.landmark_solver import LandmarkSolver
from driver.track import FaceTracker
from driver.types import Motion, VideoFrame
from models.head.arkit import ArkitMap
from models.head.crop import Crop, HeadInCrop, PictureCamera, crop_of_head, crop_of_points, head_in_picture
from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS
from models.head.rotation import axis_angle_from_matrix
from training.data.face_crops import cut
from training.evaluate.blendshape_scores import BlendshapeScores

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

onnxruntime: Any = _untyped_onnxruntime

_STATE, _NEXT_STATE = "state_", "next_state_"
_LOOKAHEAD, _RESIDUAL, _STEP = "knob_lookahead", "knob_residual", "step_s"
_PRESENT = 0.5


@dataclass(frozen=True, eq=False)
class Sight:
    """What a subject knows after a picture.

    motion   in the motion space, of the instant `motion.capture_ns` where it is about expression and jaw; confidence 0
             while no face is held. Pose, lids and gaze are those of the newest picture.
    points   float32 [140, 2]: FACE_POINTS in pixels of the newest picture; None while no face is held
    """

    motion: Motion
    points: Floats | None


class FaceSubject(Protocol):
    """Reads one face from pictures in order. `lookahead` is how many pictures later expression and jaw are told.

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
        self._solver = LandmarkSolver(horizontal_fov_deg=math.degrees(2.0 * math.atan(0.5 / focal)))

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
            return Sight(Motion(frame.capture_ns), None)
        weights = np.nan_to_num(self._scores(track.landmarks))
        expression, jaw, eyelids, gaze = self._arkit.to_motion(weights)
        sure = np.full(4, track.presence, np.float32)
        motion = Motion(frame.capture_ns, expression=expression, jaw=jaw, eyelids=eyelids, gaze=gaze, confidence=sure)
        return Sight(motion, track.landmarks[list(FACE_POINTS), :2])

    def camera(self, size: tuple[int, int]) -> PictureCamera:
        return PictureCamera(self._focal * max(size), (size[0] / 2, size[1] / 2))


class NativeFace:
    """Our network: a crop in, motion and the head out, and the head says where the next crop is.

    Its file takes `crop` uint8 [1, S, S, 3] and `state_*`, and gives what `models.video.face.Face` gives with
    `next_state_*`. While no face is held, MediaPipe's detector finds one, until our own is judged with it.

    lookahead   pictures; expression and jaw are told so much later
    residual    False leaves the temporal residual out: every picture by itself
    """

    tells = _FACE | _POSE | {"shape"}

    def __init__(self, path: Path, face_model: Path, lookahead: int = 0, *, residual: bool = True) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = {item.name: item for item in self._session.get_inputs()}
        self._outputs = [item.name for item in self._session.get_outputs()]
        (self._crop_name,) = (name for name in self._inputs if not name.startswith(_STATE))
        self._size_px = int(self._inputs[self._crop_name].shape[1])
        self._detector = load_face_networks(face_model).detector
        self._path, self.lookahead = path, lookahead
        self._residual = residual
        self.name = f"native {lookahead}" if residual else "native, single pictures"
        self.fingerprint = _digest(path, f"native-1 {lookahead} {residual}")
        self.begin(USUAL_FOCAL)

    @property
    def size_mb(self) -> float:
        return self._path.stat().st_size / 1e6

    def begin(self, focal: float) -> None:
        self._focal = focal
        self._crop: Crop | None = None
        self._times_ns: list[int] = []
        self._state = self._first_state()

    def look(self, frame: VideoFrame) -> Sight:
        height, width = frame.image.shape[:2]
        camera = self.camera((width, height))
        crops = [self._crop] if self._crop is not None else self._found(frame.image)
        for attempt, crop in enumerate(crops):
            told, state = self._step(frame, crop)
            if float(told["presence"].ravel()[0]) >= _PRESENT:
                if attempt or self._crop is None:  # the detector's crop is rough; the head's own is not
                    crop = crop_of_head(*_pose(told, crop, camera), camera)
                    told, state = self._step(frame, crop)
                return self._held(frame, told, state, crop, camera)
        self._crop, self._times_ns, self._state = None, [], self._first_state()
        return Sight(Motion(frame.capture_ns), None)

    def camera(self, size: tuple[int, int]) -> PictureCamera:
        return PictureCamera(self._focal * max(size), (size[0] / 2, size[1] / 2))

    def _held(
        self, frame: VideoFrame, told: dict[str, Any], state: dict[str, Any], crop: Crop, camera: PictureCamera
    ) -> Sight:
        rotation, translation = _pose(told, crop, camera)
        self._crop, self._state = crop_of_head(rotation, translation, camera), state
        self._times_ns = [*self._times_ns[-self.lookahead :], frame.capture_ns][-1 - self.lookahead :]
        out = crop.to_picture()
        points = told["points"].reshape(-1, 2).astype(np.float64) @ out[:, :2].T + out[:, 2]
        motion = Motion(
            self._times_ns[0],
            expression=told["expression"].ravel(),
            jaw=told["jaw"].ravel(),
            eyelids=told["eyelids"].ravel(),
            gaze=told["gaze"].ravel(),
            head_rotation=axis_angle_from_matrix(rotation).astype(np.float32),
            head_translation=translation.astype(np.float32),
            shape=told["shape"].ravel() if "shape" in told else None,
            confidence=told["visibility"].ravel() * float(told["presence"].ravel()[0]),
        )
        return Sight(motion, points.astype(np.float32))

    def _step(self, frame: VideoFrame, crop: Crop) -> tuple[dict[str, Any], dict[str, Any]]:
        state = dict(self._state)
        if _STEP in state and self._times_ns:
            state[_STEP] = np.full_like(state[_STEP], (frame.capture_ns - self._times_ns[-1]) / 1e9)
        given = {_STATE + name: value for name, value in state.items()}
        given[self._crop_name] = cut(frame.image, crop, self._size_px)[None]
        values = dict(zip(self._outputs, self._session.run(self._outputs, given), strict=True))
        after = {name: values.pop(_NEXT_STATE + name) for name in state}
        return values, after

    def _first_state(self) -> dict[str, Any]:
        state = {
            name.removeprefix(_STATE): np.zeros([1, *item.shape[1:]], np.float32)
            for name, item in self._inputs.items()
            if name.startswith(_STATE)
        }
        for knob, value in ((_LOOKAHEAD, float(self.lookahead)), (_RESIDUAL, 0.0 if self._residual else -1.0)):
            if knob in state:
                state[knob] = np.full_like(state[knob], value)
        return state

    def _found(self, image: Picture) -> list[Crop]:
        height, width = image.shape[:2]
        for window in (whole(width, height), *tiles(width, height)):
            if found := detect_faces(self._detector, image, window):
                points = max(found, key=lambda face: float(face.box[2] - face.box[0])).keypoints.astype(np.float64)
                return [crop_of_points(points[0], points[1], points[3])]
        return []


def _pose(told: dict[str, Any], crop: Crop, camera: PictureCamera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    head = HeadInCrop(told["rotation"].reshape(3, 3).astype(np.float64), told["place"].reshape(3).astype(np.float64))
    return head_in_picture(head, crop, camera)


def _digest(path: Path, ours: str) -> str:
    return hashlib.sha256(path.read_bytes() + ours.encode()).hexdigest()[:16]
