"""Learns who is in front of the camera: the head's shape, slowly, from many pictures.

Every picture that is learnt from adds its information about the shape after everything that belongs to the picture
alone (pose, expression, jaw, with their priors) is eliminated: the Schur complement of the joint normal equations. What
stays the same from picture to picture so becomes shape, and what changes stays expression. Old pictures fade, so that
the shape can still follow, and the total weight is limited: a thousand pictures share the tracker's systematic errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driver.face_fit import FaceFit, FaceFitter, Linearised, Person
from models.head.flame import JAW
from models.head.landmarks import LandmarkRig
from protocol.frame import PART_BY_NAME

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class IdentitySettings:
    """components       leading shape coefficients that are learnt; the rest stays 0
    picture_weight      of one picture against the prior (its landmarks' errors are not independent)
    picture_count       pictures after which old ones fade
    interval_s          time between two pictures that are learnt from
    """

    components: int = 40
    shape_sd: float = 1.0
    picture_weight: float = 0.1
    picture_count: int = 100
    interval_s: float = 0.2


@dataclass(frozen=True, eq=False)
class Identity:
    """information [K, K] and evidence [K]: normal equations of K shape coefficients, without their prior.

    pictures counts what went in; `values` [K] is the solution with the prior.
    """

    information: Doubles
    evidence: Doubles
    pictures: float
    values: Doubles


class IdentityLearner:
    """Learns one head's shape. Keeps no state: what is learnt is in `Identity`."""

    def __init__(self, rig: LandmarkRig, fitter: FaceFitter, settings: IdentitySettings) -> None:
        self.settings = settings
        self._rig, self._fitter = rig, fitter
        self._dirs = np.ascontiguousarray(rig.shape_dirs[:, :, : settings.components])
        self._prior = np.full(settings.components, settings.shape_sd**-2.0)

    def start(self) -> Identity:
        """Nobody yet: the mean head."""
        size = len(self._prior)
        return Identity(np.zeros((size, size)), np.zeros(size), 0.0, np.zeros(size))

    def person(self, identity: Identity) -> Person:
        """The landmarks of `identity`."""
        known = identity.values.astype(np.float32)
        shape = np.zeros(PART_BY_NAME["shape"].size, np.float32)
        shape[: len(known)] = known
        neutral = np.zeros(self._rig.expression_dirs.shape[2], np.float32)
        return Person(shape, self._rig.at_rest(known), self._rig.joint(JAW, known, neutral))

    def learned(self, identity: Identity, seen: Linearised, face: FaceFit) -> Identity:
        """`identity` after one more picture, linearised (`seen`) around its fit `face`."""
        settings = self.settings
        by_shape = (seen.by_landmark @ self._dirs).reshape(-1, len(self._prior))
        of_face = (seen.by_face.T @ seen.by_face).astype(np.float64)
        of_face[np.diag_indices_from(of_face)] += self._fitter.prior + 1e-6
        shared = (seen.by_face.T @ by_shape).astype(np.float64)
        left = seen.by_face.T @ seen.residual - self._fitter.prior * face.coefficients
        eliminated = np.linalg.solve(of_face, shared)
        information = by_shape.T @ by_shape - shared.T @ eliminated
        evidence = by_shape.T @ seen.residual - eliminated.T @ left + information @ identity.values
        keep = 1.0 - 1.0 / settings.picture_count if identity.pictures >= settings.picture_count else 1.0
        information = keep * identity.information + settings.picture_weight * information
        evidence = keep * identity.evidence + settings.picture_weight * evidence
        values = np.linalg.solve(information + np.diag(self._prior), evidence).astype(np.float64)
        return Identity(information, evidence, keep * identity.pictures + 1.0, values)
