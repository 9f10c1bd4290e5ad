"""The end of the camera's branch: what the tracker reads, put right for the person in front of it.

Here, and not at the end of everything, because rest and reach say how the *camera* misreads a face: a mouth that the
voice moves has no such habits. What the user wishes of all motion alike is done in `driver.framing`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from driver.centre import HeadCentre, View
from driver.correction import by_name, corrected, weights_of, with_change
from driver.face_adapter import AdaptedFace
from driver.profile import Profile
from driver.rest_learner import RestLearner
from driver.types import Motion
from models.head.arkit import ArkitMap
from protocol.frame import ARKIT_SHAPES

_FULL = np.ones(len(ARKIT_SHAPES), np.float32)


class PersonalFace:
    """Stage: the motions of a picture -> the same, with what was learnt of the face, rest and reach corrected and the
    head told from its centre.

    profile   what `training.personalise` and `avatar-driver calibrate` have learnt; None: nobody's
    learner   learns the rest meanwhile; only asked where there is no profile
    centre    of the head; `centre.ask` from any thread
    watch     is shown every motion as the tracker told it, or as the profile's adapter corrects it, before anything
              else; in the thread of the branch (`driver.calibration`)
    """

    def __init__(self, arkit: ArkitMap, profile: Profile | None = None, learner: RestLearner | None = None) -> None:
        self._arkit = arkit
        self._learner = learner
        self.watch: Callable[[Motion], None] | None = None
        self.wear(profile)

    def wear(self, profile: Profile | None) -> None:
        """From the next motion on, be the person of `profile`; None: of whom the learner has learnt."""
        self.profile = profile
        self._adapted = None if profile is None or profile.face is None else AdaptedFace(profile.face)
        view = None
        if profile is not None and profile.head is not None:
            view = View.before(profile.head.rotation_rad, profile.head.translation_m)
        self.centre = HeadCentre(view)
        self._worn = None if profile is None else (by_name(profile.rest, 0.0), by_name(profile.reach, 1.0))

    def process(self, item: Motion | list[Motion]) -> list[Motion]:
        """The motion or motions of one picture, oldest first."""
        return [self._told(motion) for motion in (item if isinstance(item, list) else [item])]

    def close(self) -> None:
        """Nothing to let go of."""

    def _told(self, motion: Motion) -> Motion:
        adapted = self._adapted  # another thread may take it off meanwhile
        if adapted is not None and motion.confidence.any():
            motion = adapted.process(motion)
        if self.watch is not None:
            self.watch(motion)
        if not motion.confidence.any():
            return motion
        return self.centre.process(self._corrected(motion))

    def _corrected(self, motion: Motion) -> Motion:
        worn, learner = self._worn, self._learner
        is_known = learner is None or (learner.is_frozen and not learner.rest.any())
        if worn is None and is_known:
            return motion  # nothing to put right, and nothing to learn
        weights = weights_of(motion, self._arkit)
        if worn is None and learner is not None:
            learner.see(motion, weights)
            worn = (learner.rest, _FULL)
        assert worn is not None
        change = corrected(weights, *worn) - weights
        return with_change(motion, change, self._arkit) if change.any() else motion
