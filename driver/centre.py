"""Where a head is when it looks straight ahead. A camera beside the screen sees everybody turned; this turns them back.

Once the centre is known, poses are told as if the camera stood right before the resting head, at the same distance:
R' = Rc^T R and t' = Rc^T (t - tc) + (0, 0, -|tc|). A nod then stays a nod, wherever the camera is.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from driver.types import Motion
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle, turned_towards
from protocol.frame import REGIONS

_HEAD = REGIONS.index("head")
_TRUSTED = 0.5
_EASE_S = 0.5


@dataclass(frozen=True, eq=False)
class View:
    """From the camera's frame to another: R' = rotation R, t' = rotation t + offset."""

    rotation: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def of_camera(cls) -> View:
        """The camera's own."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def before(cls, head_rotation: ArrayLike, head_translation: ArrayLike) -> View:
        """Of a camera right before a head that has this pose (axis-angle in rad, m), as far away as this one."""
        rotation = matrix_from_axis_angle(head_rotation).T
        place = np.asarray(head_translation, np.float64)
        return cls(rotation, np.array([0.0, 0.0, -float(np.linalg.norm(place))]) - rotation @ place)

    def towards(self, other: View, share: float) -> View:
        """Part of the way to `other`: 0 is here, 1 is there."""
        offset = self.offset + share * (other.offset - self.offset)
        return View(turned_towards(self.rotation, other.rotation, share), offset)


class HeadCentre:
    """Tells poses from the centre, once there is one. `ask` and `forget` may be called from any thread."""

    def __init__(self, view: View | None = None) -> None:
        self._from = self._to = View.of_camera() if view is None else view
        self._is_given = view is not None
        self._since_ns: int | None = None
        self._wish: bool | None = None
        self._wishing = threading.Lock()

    def ask(self) -> None:
        """The next head that is well seen looks straight ahead."""
        with self._wishing:
            self._wish = True

    def forget(self) -> None:
        """Tell poses as the camera sees them."""
        with self._wishing:
            self._wish = False

    def process(self, motion: Motion) -> Motion:
        """`motion` with its head's pose told from the centre. A new centre is reached within half a second."""
        self._heed(motion)
        if not self._is_given:
            return motion
        view = self._view(motion.capture_ns)
        rotation = view.rotation @ matrix_from_axis_angle(motion.head_rotation)
        translation = view.rotation @ motion.head_translation.astype(np.float64) + view.offset
        return replace(
            motion,
            head_rotation=axis_angle_from_matrix(rotation).astype(np.float32),
            head_translation=translation.astype(np.float32),
        )

    def _heed(self, motion: Motion) -> None:
        if float(motion.confidence[_HEAD]) < _TRUSTED:
            return
        with self._wishing:
            wish, self._wish = self._wish, None
        if wish is None:
            return
        self._from = self._view(motion.capture_ns)
        self._to = View.before(motion.head_rotation, motion.head_translation) if wish else View.of_camera()
        self._since_ns, self._is_given = motion.capture_ns, True

    def _view(self, at_ns: int) -> View:
        if self._since_ns is None:
            return self._to
        share = (at_ns - self._since_ns) / 1e9 / _EASE_S
        if share >= 1.0:
            self._since_ns = None
            return self._to
        return self._from.towards(self._to, share * share * (3.0 - 2.0 * share))
