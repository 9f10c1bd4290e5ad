"""A motion told of its mirror image: left becomes right, exactly, as far as the head is symmetric.

With M = diag(-1, 1, 1): lids and eyes change sides, a rotation R becomes M R M, which makes (x, -y, -z) of an
axis-angle (x, y, z), a place (x, y, z) becomes (-x, y, z), and a component of the head's bases keeps or changes its
sign (`HeadModel.shape_signs`, `expression_signs`). Doing it twice changes nothing, to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.head.flame import HeadModel

Floats = NDArray[np.float32]

_AXIS_ANGLE = np.array([1.0, -1.0, -1.0], np.float32)
_PLACE = np.array([-1.0, 1.0, 1.0], np.float32)
# Left pitch, left yaw, right pitch, right yaw: eyes change places, and yaws their sign.
_GAZE_ORDER, _GAZE = np.array([2, 3, 0, 1]), np.array([1.0, -1.0, 1.0, -1.0], np.float32)


class MotionMirror:
    """The mirror of one head's motion. Built from its table of signs; calls keep no state.

    Raises ValueError for a head without signs: its left and right are not each other's image.
    """

    def __init__(self, head: HeadModel) -> None:
        if head.expression_signs is None or head.shape_signs is None:
            raise ValueError(f"head {head.id} has no signs under mirroring; take the open head")
        self._signs = {
            "expression": head.expression_signs.astype(np.float32),
            "shape": head.shape_signs.astype(np.float32),
            "jaw": _AXIS_ANGLE,
            "head_rotation": _AXIS_ANGLE,
            "head_translation": _PLACE,
        }

    def part(self, name: str, values: Floats) -> Floats:
        """Part `name` (expression, shape, jaw, eyelids, gaze, head_rotation, head_translation): float32 [..., size].

        KeyError for another part.
        """
        if name == "eyelids":
            return values[..., ::-1].copy()
        if name == "gaze":
            return (values[..., _GAZE_ORDER] * _GAZE).astype(np.float32)
        return (values * self._signs[name]).astype(np.float32)
