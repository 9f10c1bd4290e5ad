"""The camera's path without anybody else's networks: a picture in, the face's motion out, one small network a picture.

While a face is held, the crop of the next picture follows from where the network sees the head in this one; a still
head keeps its crop, so that nothing but the camera's noise can move a still face. The detector runs only while no face
is held.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from driver.config import LONGEST_FACE_LOOKAHEAD
from driver.cut import cut
from driver.face_search import Detector, faces_in
from driver.runtime import Array, State
from driver.steady import HEAD, MOTION, Pose, SteadySettings, steadied, steadied_motion
from driver.types import Motion, VideoFrame
from models.head.arkit import JAW_SIZE
from models.head.crop import (
    Crop,
    HeadInCrop,
    PictureCamera,
    crop_of_head,
    crop_of_points,
    head_in_picture,
)
from models.head.rotation import axis_angle_from_matrix
from protocol.frame import REGIONS, Floats

Picture = NDArray[np.uint8]


class FaceModel(Protocol):
    """What is asked of `driver.runtime.OnnxModel`; it takes crops of `crop_px` pixels a side."""

    @property
    def crop_px(self) -> int: ...
    def initial_state(self, batch: int = 1) -> State: ...
    def step(self, signal: Array, state: State) -> tuple[dict[str, Array], State]: ...


@dataclass(frozen=True)
class NativeFaceSettings:
    """lookahead           pictures of the future that expression and jaw may wait for, 0..2
    residual            strength of what the pictures before add to the newest one's own motion; 0: nothing
    presence_minimum    the network's belief below which a face is lost
    crop_slack          how unlike the wanted crop the present one may become before it is replaced
    restart_gap_s       without a face for longer, the motion before says nothing
    forget_s            without a face for longer, somebody else may sit there
    identity_pictures   confident pictures after which a person is known; later ones change little
    nearest_m           nobody sits nearer: a larger face is one that was cut out of a picture
    face_px_range       sides of the crop at which a face begins to carry expression, and does so fully
    facing_range        cosine of the angle to the camera at which a face begins to be seen, and is seen fully
    steady_head, steady_motion   how a head at rest is held, and a face: its expression and jaw
    """

    lookahead: int = 0
    residual: float = 1.0
    presence_minimum: float = 0.5
    crop_slack: float = 0.04
    restart_gap_s: float = 0.5
    forget_s: float = 4.0
    identity_pictures: int = 300
    nearest_m: float = 0.3
    face_px_range: tuple[float, float] = (25.0, 100.0)
    facing_range: tuple[float, float] = (0.1, 0.5)
    steady_head: SteadySettings = HEAD
    steady_motion: SteadySettings = MOTION

    def __post_init__(self) -> None:
        if not 0 <= self.lookahead <= LONGEST_FACE_LOOKAHEAD:
            raise ValueError(f"lookahead is {self.lookahead}; it must be 0..{LONGEST_FACE_LOOKAHEAD} pictures")


@dataclass(frozen=True, eq=False)
class _Person:
    """Mean identity over `count` pictures, and by how much the picture is a longer lens's than the camera's."""

    shape: Floats
    count: int
    lens: float


@dataclass(frozen=True, eq=False)
class _Hold:
    """What is carried from picture to picture while a face is held; replaced as a whole."""

    crop: Crop
    state: State
    person: _Person
    pose: Pose
    capture_ns: int
    # Expression and jaw as they were told last.
    motion: Floats | None
    # Motions whose expression and jaw are still to be told, oldest first.
    waiting: tuple[Motion, ...] = ()


@dataclass(frozen=True, eq=False)
class _Look:
    """What the network told of one crop."""

    crop: Crop
    told: dict[str, Floats]
    state: State

    @property
    def presence(self) -> float:
        return float(self.told["presence"])

    @property
    def points_px(self) -> Floats:
        out = self.crop.to_picture()
        return (self.told["points"] @ out[:, :2].T + out[:, 2]).astype(np.float32)

    @property
    def head(self) -> HeadInCrop:
        return HeadInCrop(self.told["rotation"].astype(np.float64), self.told["place"].astype(np.float64))


class NativeFace:
    """Stage: VideoFrame -> the motion that it completes, if any, of one face, in a list as `driver.encode` gives them.

    Equal pictures in equal order give equal motion. Of several faces the largest is taken, and kept until it is gone.
    A picture without a face gives a motion with confidence 0. With a look-ahead of k pictures, what comes out is the
    motion of the picture k pictures ago, and nothing while a face has been seen for fewer. `capture_ns` of motions
    always increases.

    points_px   FACE_POINTS in the newest picture, float32 [140, 2] pixels; None while no face is held
    """

    def __init__(
        self,
        face: FaceModel,
        detector: Detector,
        settings: NativeFaceSettings | None = None,
        *,
        horizontal_fov_deg: float = 60.0,
    ) -> None:
        """`horizontal_fov_deg` is the camera's field of view across the longer side of its picture."""
        self._face, self._detector = face, detector
        self._settings = NativeFaceSettings() if settings is None else settings
        self._focal_over_long_side = 0.5 / math.tan(math.radians(horizontal_fov_deg) / 2.0)
        self._hold: _Hold | None = None
        self._last_person: tuple[int, _Person] | None = None
        self.points_px: Floats | None = None

    def process(self, item: VideoFrame) -> list[Motion]:
        """The motion that this picture completes, or nothing yet."""
        hold = self._followed(item)
        look = None if hold is None else self._look(item.image, hold.crop, self._timed(hold, item))
        if look is None or look.presence < self._settings.presence_minimum:
            hold, look = None, self._search(item.image)
        if look is None:
            self._let_go()
            return [Motion(item.capture_ns)]
        self.points_px = look.points_px
        person = hold.person if hold is not None else self._met(look, item)
        camera = self._camera(_size(item.image), person.lens)
        rotation, translation = head_in_picture(look.head, look.crop, camera)
        confidence = self._confidence(look, rotation, translation)
        person = self._better_known(person, look.told["shape"], float(confidence.min()))
        step_s = 0.0 if hold is None else (item.capture_ns - hold.capture_ns) / 1e9
        before = None if hold is None else hold.pose
        pose = steadied(before, Pose(rotation, translation), step_s, self._settings.steady_head)
        now = Motion(
            capture_ns=item.capture_ns,
            eyelids=look.told["eyelids"],
            gaze=look.told["gaze"],
            head_rotation=axis_angle_from_matrix(pose.rotation).astype(np.float32),
            head_translation=pose.translation.astype(np.float32),
            shape=person.shape,
            valence=float(look.told["valence"]),
            arousal=float(look.told["arousal"]),
            confidence=confidence,
        )
        waiting = (*(hold.waiting if hold is not None else ()), now)
        motion = np.concatenate([look.told["expression"], look.told["jaw"]]).astype(np.float32)
        motion = steadied_motion(None if hold is None else hold.motion, motion, step_s, self._settings.steady_motion)
        told, waiting = self._told(waiting, motion, item.capture_ns)
        wanted = crop_of_head(rotation, translation, camera)
        crop = wanted if wanted.differs(look.crop) > self._settings.crop_slack else look.crop
        self._hold = _Hold(crop, look.state, person, pose, item.capture_ns, motion, waiting)
        return told

    def camera(self, size: tuple[int, int]) -> PictureCamera:
        """The camera that took the last picture, of this size (width, height): the one that the pose belongs to."""
        return self._camera(size, 1.0 if self._hold is None else self._hold.person.lens)

    def forget(self) -> None:
        """Search the next picture as if it were the first."""
        self._let_go()
        self._last_person = None

    def close(self) -> None:
        """Nothing to let go of."""

    def _followed(self, item: VideoFrame) -> _Hold | None:
        """The hold, if this picture continues it."""
        if self._hold is None:
            return None
        elapsed_s = (item.capture_ns - self._hold.capture_ns) / 1e9
        if 0.0 < elapsed_s <= self._settings.restart_gap_s:
            return self._hold
        self._let_go()
        return None

    def _let_go(self) -> None:
        if self._hold is not None:
            self._last_person = (self._hold.capture_ns, self._hold.person)
        self._hold, self.points_px = None, None

    def _timed(self, hold: _Hold, item: VideoFrame) -> State:
        step_s = np.float32((item.capture_ns - hold.capture_ns) / 1e9)
        return hold.state | {"step_s": np.full_like(hold.state["step_s"], step_s)}

    def _look(self, image: Picture, crop: Crop, state: State) -> _Look:
        """What the network sees in `crop`."""
        results, following = self._face.step(cut(image, crop, self._face.crop_px)[None], state)
        return _Look(crop, {name: np.asarray(array[0]) for name, array in results.items()}, following)

    def _search(self, image: Picture) -> _Look | None:
        """The first detected face that the network believes in, seen in the crop that it wants itself."""
        for face in faces_in(image, self._detector):
            crop = crop_of_points(*(point.astype(np.float64) for point in (*face.points[:2], face.mouth)))
            look = self._look(image, crop, self._begun())
            if look.presence < self._settings.presence_minimum:
                continue
            # The detector's crop is rough; the head's own is not.
            camera = self._camera(_size(image), 1.0)
            crop = crop_of_head(*head_in_picture(look.head, crop, camera), camera)
            look = self._look(image, crop, self._begun())
            if look.presence >= self._settings.presence_minimum:
                return look
        return None

    def _begun(self) -> State:
        state = self._face.initial_state()
        knobs = {"knob_lookahead": self._settings.lookahead, "knob_residual": self._settings.residual - 1.0}
        return state | {name: np.full_like(state[name], value) for name, value in knobs.items()}

    def _met(self, look: _Look, item: VideoFrame) -> _Person:
        """Who is seen: the person of a moment ago, or a stranger."""
        if self._last_person is not None:
            seen_ns, person = self._last_person
            if 0 <= item.capture_ns - seen_ns <= self._settings.forget_s * 1e9:
                return person
        _, translation = head_in_picture(look.head, look.crop, self._camera(_size(item.image), 1.0))
        lens = max(1.0, self._settings.nearest_m / -float(translation[2]))
        return _Person(look.told["shape"].astype(np.float32), 1, lens)

    def _better_known(self, person: _Person, shape: Floats, confidence: float) -> _Person:
        count = min(person.count + 1, self._settings.identity_pictures)
        mean = person.shape + np.float32(confidence / count) * (shape - person.shape)
        return replace(person, shape=mean.astype(np.float32), count=count)

    def _told(
        self, waiting: tuple[Motion, ...], motion: Floats, now_ns: int
    ) -> tuple[list[Motion], tuple[Motion, ...]]:
        """The motion whose expression and jaw the network tells now, if there is one, and those that still wait."""
        if len(waiting) <= self._settings.lookahead:
            return [], waiting
        oldest, *rest = waiting
        expression, jaw = np.split(motion, [-JAW_SIZE])
        told = replace(oldest, expression=expression, jaw=jaw, lookahead_ns=now_ns - oldest.capture_ns)
        return [told], tuple(rest)

    def _camera(self, size: tuple[int, int], lens: float) -> PictureCamera:
        width, height = size
        return PictureCamera(lens * self._focal_over_long_side * max(width, height), (width / 2, height / 2))

    def _confidence(self, look: _Look, rotation: NDArray[np.float64], translation: NDArray[np.float64]) -> Floats:
        """[4]: what is uncovered, large enough and turned to the camera."""
        settings = self._settings
        facing = float(-rotation[:, 2] @ translation) / float(np.linalg.norm(translation))
        seen = _ramp(look.presence, settings.presence_minimum, 0.9) * look.told["visibility"]
        detail = _ramp(look.crop.side_px, *settings.face_px_range) * _ramp(facing, *settings.facing_range)
        needs_detail = np.array([region != "head" for region in REGIONS])
        return np.where(needs_detail, seen * detail, seen).astype(np.float32)


def _size(image: Picture) -> tuple[int, int]:
    """Width and height."""
    return image.shape[1], image.shape[0]


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)
