"""Learns who is in front of the camera, slowly, from many pictures: the shape of the head, and the idle face.

The idle face is what the tracker and the head make of a person at rest: brows that sit low, lips that look pursed. It
is written with the same slips and shapes as expressions, and added to the head's shape, so it never shows as motion.

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
from driver.face_view import JAW_SIZE, POSE_SIZE, Face, Person, Residual
from models.head.flame import JAW
from protocol.frame import PART_BY_NAME, Floats

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class IdentitySettings:
    """components       leading shape coefficients that are learnt; the rest stays 0
    shape_sd            of each of them
    idle_slip_sd, idle_shape_sd   of each slip and of each expression shape in the idle face
    picture_weight      of one picture against the prior (its landmarks' errors are not independent)
    picture_count       pictures after which old ones fade
    interval_s          time between two pictures that are learnt from
    """

    components: int = 40
    shape_sd: float = 1.0
    idle_slip_sd: float = 1.0
    idle_shape_sd: float = 0.15
    picture_weight: float = 0.1
    picture_count: int = 100
    interval_s: float = 0.2


@dataclass(frozen=True, eq=False)
class Identity:
    """information [D, D] and evidence [D]: normal equations of the person, without their prior. D is shape components,
    slips and expression shapes. `pictures` counts what went in; `values` [D] is the solution with the prior.
    """

    information: Doubles
    evidence: Doubles
    pictures: float
    values: Doubles


class IdentityLearner:
    """Learns one head's people. Keeps no state: what is learnt is in `Identity`."""

    def __init__(self, fitter: FaceFitter, settings: IdentitySettings) -> None:
        self.settings, self._fitter = settings, fitter
        view = fitter.view
        dirs = view.rig.shape_dirs[:, :, : settings.components].transpose(1, 2, 0)
        self._dirs: Floats = np.ascontiguousarray(dirs)
        self._prior: Doubles = np.concatenate(
            [
                np.full(settings.components, settings.shape_sd**-2.0),
                np.full(view.slip_count, settings.idle_slip_sd**-2.0),
                np.full(view.shape_count, settings.idle_shape_sd**-2.0),
            ]
        )

    def start(self) -> Identity:
        """Nobody yet: the mean head."""
        size = len(self._prior)
        return Identity(np.zeros((size, size)), np.zeros(size), 0.0, np.zeros(size))

    def person(self, identity: Identity) -> Person:
        """The landmarks of `identity`."""
        rig, values = self._fitter.view.rig, identity.values.astype(np.float32)
        known, idle = values[: self.settings.components], values[self.settings.components :]
        shape = np.zeros(PART_BY_NAME["shape"].size, np.float32)
        shape[: len(known)] = known
        rest = rig.at_rest(known) + np.einsum("kdl,d->lk", self._fitter.view.dirs, idle)
        return Person(shape, rest, rig.joint(JAW, known, np.zeros(rig.expression_dirs.shape[2], np.float32)))

    def learned(self, identity: Identity, left: Residual, face: Face) -> Identity:
        """`identity` after one more picture, of which `face` is the fit and `left` the residual."""
        settings, prior, view = self.settings, self._fitter.prior, self._fitter.view
        by_face = view.by_face(left)
        by_person = np.concatenate([view.by_dirs(left, self._dirs), by_face[POSE_SIZE + JAW_SIZE :]])
        # A shape at its bound cannot give way to the person.
        by_face[len(prior) - view.shape_count :][face.weights <= 0.0] = 0.0
        of_face = (by_face @ by_face.T).astype(np.float64) + np.diag(prior)
        shared = (by_face @ by_person.T).astype(np.float64)
        eliminated = np.linalg.solve(of_face, shared)
        pull = by_face @ left.values + self._fitter.prior_pull(face)
        information = by_person @ by_person.T - shared.T @ eliminated
        evidence = by_person @ left.values - eliminated.T @ pull + information @ identity.values
        keep = 1.0 - 1.0 / settings.picture_count if identity.pictures >= settings.picture_count else 1.0
        information = keep * identity.information + settings.picture_weight * information
        evidence = keep * identity.evidence + settings.picture_weight * evidence
        values = np.linalg.solve(information + np.diag(self._prior), evidence).astype(np.float64)
        return Identity(information, evidence, keep * identity.pictures + 1.0, values)
