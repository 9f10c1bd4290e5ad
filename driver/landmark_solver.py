"""Landmarks in, motion out: fits the head to every picture and learns, slowly, whose head it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driver.eyes import EyeMeter, EyeModel, Eyes, EyeSettings
from driver.face_fit import FaceFitter, FitSettings
from driver.face_view import Face, FaceView, Person, Pinhole, Residual, Sighting
from driver.identity import Identity, IdentityLearner, IdentitySettings, Lesson
from driver.shape_space import ShapeSpace
from driver.types import FaceTrack, Motion
from models.head.flame import HeadModel, open_head
from models.head.landmarks import LandmarkEmbedding, LandmarkRig, open_head_landmarks, spaced
from models.head.rotation import axis_angle_from_matrix
from protocol.frame import REGIONS, Floats


@dataclass(frozen=True)
class SolverSettings:
    """spacing_m              between the landmarks that are fitted
    restart_gap_s             without a face for longer, the pose and expression before say nothing
    restart_jump              likewise when the face has moved by this many of its widths since the last picture
    forget_s                  without a face for longer, somebody else may sit there
    facing_range              cosine of the angle to the camera at which a landmark begins to count, and counts fully
    nearest_m                 nobody sits nearer: a larger face is one that was cut out of a picture
    first_meetings            how often the first picture of a stranger is learnt from
    learn_presence, learn_facing   least presence and cosine of the head to learn the person from
    face_px_range             face widths at which landmarks begin to carry expression, and do so fully
    error_range_m             median landmark errors at which the fit is trusted fully, and no longer
    """

    spacing_m: float = 0.006
    restart_gap_s: float = 0.5
    restart_jump: float = 0.6
    forget_s: float = 4.0
    facing_range: tuple[float, float] = (0.0, 0.4)
    nearest_m: float = 0.45
    first_meetings: int = 3
    learn_presence: float = 0.9
    learn_facing: float = 0.8
    face_px_range: tuple[float, float] = (20.0, 80.0)
    error_range_m: tuple[float, float] = (0.004, 0.012)
    fit: FitSettings = field(default_factory=FitSettings)
    eyes: EyeSettings = field(default_factory=EyeSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)


@dataclass(frozen=True, eq=False)
class _Acquaintance:
    """Whom the camera sees, as far as is known: identity, what follows from it, the eyes, when the last lesson was, and
    that lesson until it is learnt. It is taken from one picture and learnt with the next, so that none costs both.

    `lens` is by how much the picture is a longer lens's than the camera's: 1, or more for a picture cut out of another.
    """

    lens: float
    identity: Identity
    person: Person
    eye_model: EyeModel
    eyes: Eyes
    lesson_ns: int
    lesson: Lesson | None = None


@dataclass(frozen=True, eq=False)
class _State:
    """What is carried from picture to picture; replaced as a whole."""

    capture_ns: int
    centre_px: Floats
    face: Face
    who: _Acquaintance


class LandmarkSolver:
    """Stage: FaceTrack -> Motion, for one person at a time. Equal tracks in equal order give equal motion.

    A track without a face gives a motion with confidence 0. While `learns` is False, what is known of the person stays
    as it is.
    """

    def __init__(
        self,
        head: HeadModel | None = None,
        embedding: LandmarkEmbedding | None = None,
        settings: SolverSettings | None = None,
        *,
        horizontal_fov_deg: float = 60.0,
    ) -> None:
        """`head` and `embedding` default to the open head and its landmarks.

        `horizontal_fov_deg` is the camera's field of view across the longer side of its picture. When it is wrong the
        head's distance is wrong by the same factor, and hardly anything else.
        """
        head = open_head() if head is None else head
        embedding = open_head_landmarks() if embedding is None else embedding
        self._settings = SolverSettings() if settings is None else settings
        rig = LandmarkRig(head, embedding, spaced(head, embedding, self._settings.spacing_m))
        self._rows, self._outward = rig.ids, rig.outward
        self._space = ShapeSpace(head)
        view = FaceView(rig, self._space, self._settings.fit.certainty)
        self._fitter = FaceFitter(view, self._settings.fit)
        self._learner = IdentityLearner(self._fitter, self._settings.identity)
        self._meter = EyeMeter(head, embedding, self._settings.eyes)
        self._focal_over_long_side = 0.5 / math.tan(math.radians(horizontal_fov_deg) / 2.0)
        self._state: _State | None = None
        self.learns = True

    def process(self, item: FaceTrack) -> Motion:
        """The motion behind one picture's landmarks."""
        if item.landmarks is None:
            return Motion(item.capture_ns)
        before = self._known_before(item.capture_ns)
        who = self._stranger(item) if before is None else before.who
        camera = self._camera(item.image_size, who.lens)
        observed = camera.normalised(item.landmarks[:, :2])
        elapsed_s = None if before is None else self._followed_s(before, item)
        if before is None or elapsed_s is None:
            start = self._fitter.first_guess(item.landmarks[self._rows], who.person, camera)
            eyes = who.eyes
        else:
            start = before.face
            eyes = self._meter.measure(observed, who.eye_model, start, who.eyes, elapsed_s, learn=False)
        face, left = self._fit(observed, who, start, eyes, elapsed_s)
        facing = _facing(face)
        is_clear = item.presence >= self._settings.learn_presence and facing >= self._settings.learn_facing
        is_learnable = self.learns and is_clear
        if before is None and is_learnable:
            for _ in range(self._settings.first_meetings):
                who = self._better_known(who, self._learner.lesson(left, face))
                face, left = self._fit(observed, who, face, eyes, None)
        eyes = self._meter.measure(observed, who.eye_model, face, who.eyes, elapsed_s or 0.0, learn=is_learnable)
        who = replace(who, eyes=eyes)
        if who.lesson is not None and self.learns:
            who = self._better_known(who, who.lesson)
        elif is_learnable and item.capture_ns - who.lesson_ns >= self._settings.identity.interval_s * 1e9:
            who = replace(who, lesson=self._learner.lesson(left, face), lesson_ns=item.capture_ns)
        self._state = _State(item.capture_ns, item.landmarks[:, :2].mean(axis=0), face, who)
        return Motion(
            capture_ns=item.capture_ns,
            expression=self._space.expression(face.weights, eyes.wide),
            jaw=face.jaw.astype(np.float32),
            eyelids=eyes.eyelids,
            gaze=eyes.gaze,
            head_rotation=axis_angle_from_matrix(face.rotation).astype(np.float32),
            head_translation=face.translation.astype(np.float32),
            shape=who.person.shape,
            confidence=self._confidence(item, facing, float(np.median(left.error_m))),
        )

    def close(self) -> None:
        """Nothing to let go of."""

    def _known_before(self, capture_ns: int) -> _State | None:
        """The state before, if the same person may be assumed."""
        if self._state is None:
            return None
        elapsed_s = (capture_ns - self._state.capture_ns) / 1e9
        return self._state if 0.0 <= elapsed_s <= self._settings.forget_s else None

    def _followed_s(self, before: _State, item: FaceTrack) -> float | None:
        """Seconds since a picture whose face this one continues; None after a gap or a jump."""
        assert item.landmarks is not None
        elapsed_s = (item.capture_ns - before.capture_ns) / 1e9
        jump_px = float(np.linalg.norm(item.landmarks[:, :2].mean(axis=0) - before.centre_px))
        is_jump = jump_px > self._settings.restart_jump * _width_px(item)
        return None if is_jump or elapsed_s > self._settings.restart_gap_s else elapsed_s

    def _fit(
        self, observed: Floats, who: _Acquaintance, start: Face, eyes: Eyes, elapsed_s: float | None
    ) -> tuple[Face, Residual]:
        seen = Sighting(observed[self._rows].T, self._visibility(start), eyes.eyelids, eyes.gaze)
        return self._fitter.fit(seen, who.person, start, elapsed_s)

    def _stranger(self, item: FaceTrack) -> _Acquaintance:
        assert item.landmarks is not None
        identity = self._learner.start()
        person = self._learner.person(identity)
        guess = self._fitter.first_guess(item.landmarks[self._rows], person, self._camera(item.image_size, 1.0))
        lens = max(1.0, self._settings.nearest_m / -float(guess.translation[2]))
        eyes = self._meter.start()
        return _Acquaintance(lens, identity, person, self._meter.model(person.shape), eyes, item.capture_ns)

    def _better_known(self, who: _Acquaintance, lesson: Lesson) -> _Acquaintance:
        identity = self._learner.learned(who.identity, lesson)
        person = self._learner.person(identity)
        eye_model = self._meter.model(person.shape)
        return replace(who, identity=identity, person=person, eye_model=eye_model, lesson=None)

    @property
    def lens(self) -> float:
        """By how much the pictures are a longer lens's than the camera's, as far as is known (see `nearest_m`)."""
        return 1.0 if self._state is None else self._state.who.lens

    def camera(self, image_size: tuple[int, int]) -> Pinhole:
        """The camera that took the last picture, of this size (width, height)."""
        return self._camera(image_size, self.lens)

    def _camera(self, image_size: tuple[int, int], lens: float) -> Pinhole:
        width, height = image_size
        return Pinhole(lens * self._focal_over_long_side * max(width, height), (width / 2, height / 2))

    def _visibility(self, face: Face) -> Floats:
        """[L] 0..1: how well the camera sees each landmark of a head posed like this."""
        towards_camera = face.rotation.T @ -face.translation
        cosine = self._outward @ (towards_camera / np.linalg.norm(towards_camera))
        return _ramp(cosine, *self._settings.facing_range)

    def _confidence(self, item: FaceTrack, facing: float, error_m: float) -> Floats:
        """mouth, upper_face, eyes, head."""
        settings = self._settings
        low, high = settings.error_range_m
        pose = _ramp(item.presence, 0.5, 0.9) * (1.0 - _ramp(error_m, low, high))
        face = pose * _ramp(_width_px(item), *settings.face_px_range)
        frontal = _ramp(facing, 0.2, 0.6)
        by_region = {"mouth": face * frontal, "upper_face": face * frontal, "eyes": face * frontal, "head": pose}
        return np.array([by_region[region] for region in REGIONS], np.float32)


def _width_px(item: FaceTrack) -> float:
    assert item.landmarks is not None
    return float(np.ptp(item.landmarks[:, 0]))


def _facing(face: Face) -> float:
    """Cosine between where the head looks and the direction to the camera."""
    return float(-face.rotation[:, 2] @ face.translation) / float(np.linalg.norm(face.translation))


def _ramp(value: NDArray[np.floating[Any]] | float, low: float, high: float) -> Floats:
    """0 below `low`, 1 above `high`, straight between."""
    return np.clip((np.asarray(value) - low) / (high - low), 0.0, 1.0).astype(np.float32)
