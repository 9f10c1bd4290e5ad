"""The expressions that a fit may find: sums of ARKit shapes, each between nothing and its full strength.

Within these bounds no combination of landmark errors can make a face that no face can make. The shapes that a camera in
front of the face cannot tell, or that are measured in another way (lids, gaze, the jaw's own turns), are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driver.errors import ModelError
from models.head.flame import HeadModel
from protocol.frame import ARKIT_SHAPES, Floats

Doubles = NDArray[np.float64]

_LEFT_OUT = ("eyeLook", "eyeBlink", "eyeWide", "jaw", "tongueOut")
_CLOSE, _WIDE = "mouthClose", ("eyeWideLeft", "eyeWideRight")


class ShapeSpace:
    """N shapes of one head.

    names   of the shapes
    table   float32 [N, E]: the expression of each at full strength, in standard deviations
    """

    def __init__(self, head: HeadModel) -> None:
        if head.arkit_motion is None:
            raise ModelError(f"The head {head.id} has no ARKit table; landmarks are solved on the open head.")
        count = head.expression_count
        self.names = tuple(name for name in ARKIT_SHAPES if not name.startswith(_LEFT_OUT))
        self.table: Floats = _rows(head, self.names)[:, :count]
        self._wide = _rows(head, _WIDE)[:, :count]
        self._close = self.names.index(_CLOSE)
        self._jaw_open_rad = float(_rows(head, ("jawOpen",))[0, count])

    def upper(self, jaw_open_rad: float) -> Doubles:
        """Largest weights [N]: lips can close an open jaw, but not a closed one."""
        upper = np.ones(len(self.names))
        upper[self._close] = min(max(jaw_open_rad / self._jaw_open_rad, 0.0), 1.0)
        return upper

    def expression(self, weights: Doubles, wide: Doubles | None = None) -> Floats:
        """Expression float32 [E] of `weights` [N], and of eyes opened `wide` [2] (left, right, 0..1)."""
        expression = weights.astype(np.float32) @ self.table
        return expression if wide is None else expression + wide.astype(np.float32) @ self._wide


def _rows(head: HeadModel, names: tuple[str, ...]) -> Floats:
    assert head.arkit_motion is not None
    return head.arkit_motion[[ARKIT_SHAPES.index(name) for name in names]].astype(np.float32)
