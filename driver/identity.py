"""Learns who is in front of the camera, slowly, from many pictures: the shape of the head, and the idle face.

The idle face is what the tracker and the head make of a person at rest: brows that sit low, lips that look pursed. It
is written with the same shapes as expressions, and the tracker's own errors about this person come on top; both are
added to the landmarks at rest, so that they never show as motion.

Every picture that is learnt from adds its information about the person after everything that belongs to the picture
alone (pose, jaw, slips, shapes, with their priors) is eliminated: the Schur complement of the joint normal equations.
What stays the same from picture to picture so becomes the person, and what changes stays expression. Old pictures fade,
so that the person can still follow, and the total weight is limited: a thousand pictures share the tracker's errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driver.face_fit import FaceFitter
from driver.face_view import Face, Person, Residual
from models.head.flame import JAW
from protocol.frame import PART_BY_NAME, Floats

Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]

_MOODS = ("mouthSmile", "mouthFrown", "mouthUpperUp", "mouthLowerDown", "mouthStretch")


@dataclass(frozen=True)
class IdentitySettings:
    """components       leading shape coefficients that are learnt; the rest stays 0
    shape_sd            of each of them
    idle_shape_sd       of each expression shape in the idle face
    idle_mood_sd        of how much the idle face looks like a smile, a frown or parted lips: what lasts is not idle
    picture_weight      of one picture against the prior (its landmarks' errors are not independent)
    picture_count       pictures after which old ones fade
    interval_s          time between two pictures that are learnt from
    """

    components: int = 40
    shape_sd: float = 1.0
    idle_shape_sd: float = 0.1
    idle_mood_sd: float = 0.05
    picture_weight: float = 0.1
    picture_count: int = 30
    interval_s: float = 0.2


@dataclass(frozen=True, eq=False)
class Identity:
    """information [D, D] and evidence [D]: normal equations of the person, without their prior. D is shape components,
    the tracker's slips about the person, and expression shapes. `pictures` counts what went in; `values` [D] is the
    solution with the prior.
    """

    information: Doubles
    evidence: Doubles
    pictures: float
    values: Doubles


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one picture says about person and face together, without priors: normal equations `normal` [P + F, P + F]
    and `gradient` [P + F] at `face`; the person's own unknowns come first, then the face's.
    """

    normal: Doubles
    gradient: Doubles
    face: Face


class IdentityLearner:
    """Learns one head's people. Keeps no state: what is learnt is in `Identity`."""

    def __init__(self, fitter: FaceFitter, settings: IdentitySettings) -> None:
        self.settings, self._fitter = settings, fitter
        view = fitter.view
        shapes, slips = view.rig.shape_dirs[:, :, : settings.components], view.rig.person_slip_dirs
        # [3, S + M, L]: where shape and the tracker's slips about this person move the landmarks at rest.
        self._dirs: Floats = np.ascontiguousarray(np.concatenate([shapes, slips], axis=2).transpose(1, 2, 0))
        independent = np.concatenate(
            [
                np.full(settings.components, settings.shape_sd**-2.0),
                np.ones(slips.shape[2]),
                np.full(view.shape_count, settings.idle_shape_sd**-2.0),
            ]
        )
        # Rows of the joint normal equations: the person's own, then the face's, whose last ones are shapes.
        own, rows = int(self._dirs.shape[1]), int(self._dirs.shape[1]) + view.size
        self._of_face: Rows = np.arange(own, rows)
        self._of_person: Rows = np.array([*range(own), *range(rows - view.shape_count, rows)])
        likeness = self._likeness()
        self._prior: Doubles = np.diag(independent) + likeness.T @ likeness / settings.idle_mood_sd**2

    def _likeness(self) -> Doubles:
        """[M, D]: how much of each mood a person's resting face seems to show, by least squares over the landmarks."""
        view = self._fitter.view
        shapes = view.dirs[:, -view.shape_count :]
        by_person = np.concatenate([self._dirs, shapes], axis=1)
        moods = [index for index, name in enumerate(view.space.names) if name.startswith(_MOODS)]
        rows = [np.einsum("pl,pdl->d", shapes[:, mood], by_person) / (shapes[:, mood] ** 2).sum() for mood in moods]
        return np.array(rows, np.float64)

    def start(self) -> Identity:
        """Nobody yet: the mean head."""
        size = len(self._prior)
        return Identity(np.zeros((size, size)), np.zeros(size), 0.0, np.zeros(size))

    def person(self, identity: Identity) -> Person:
        """The landmarks of `identity`."""
        rig, values = self._fitter.view.rig, identity.values.astype(np.float32)
        count = self.settings.components
        known, slips, idle = np.split(values, [count, len(values) - self._fitter.view.shape_count])
        shape = np.zeros(PART_BY_NAME["shape"].size, np.float32)
        shape[: len(known)] = known
        shapes = self._fitter.view.dirs[:, -len(idle) :]
        rest = rig.at_rest(known) + rig.person_slip_dirs @ slips + np.einsum("kdl,d->lk", shapes, idle)
        return Person(shape, rest, rig.joint(JAW, known, np.zeros(rig.expression_dirs.shape[2], np.float32)))

    def lesson(self, left: Residual, face: Face) -> Lesson:
        """What can be learnt from a picture of which `face` is the fit and `left` the residual."""
        view = self._fitter.view
        derivative = np.concatenate([view.by_dirs(left, self._dirs), view.by_face(left)])
        normal, gradient = derivative @ derivative.T, derivative @ left.values
        return Lesson(normal.astype(np.float64), gradient.astype(np.float64), face)

    def learned(self, identity: Identity, lesson: Lesson) -> Identity:
        """`identity`, the one at which the picture was fitted, after its lesson."""
        settings, prior, view = self.settings, self._fitter.prior, self._fitter.view
        normal, gradient, face = lesson.normal, lesson.gradient, lesson.face
        # The face's shapes are the person's too. One at its bound cannot give way to the person.
        can_move = np.ones(view.size, bool)
        can_move[-view.shape_count :] = face.weights > 0.0
        of_person, of_face = self._of_person, self._of_face[can_move]
        shared = normal[np.ix_(of_face, of_person)]
        eliminated = np.linalg.solve(normal[np.ix_(of_face, of_face)] + np.diag(prior[can_move]), shared)
        pull = gradient[of_face] + self._fitter.prior_pull(face)[can_move]
        information = normal[np.ix_(of_person, of_person)] - shared.T @ eliminated
        evidence = gradient[of_person] - eliminated.T @ pull + information @ identity.values
        keep = 1.0 - 1.0 / settings.picture_count if identity.pictures >= settings.picture_count else 1.0
        information = keep * identity.information + settings.picture_weight * information
        evidence = keep * identity.evidence + settings.picture_weight * evidence
        values = np.linalg.solve(information + self._prior, evidence).astype(np.float64)
        return Identity(information, evidence, keep * identity.pictures + 1.0, values)
