"""The head that frames move, as vertices: for outputs that show the face themselves."""

from __future__ import annotations

import numpy as np

from driver.heads import load_added_head
from models.head.flame import FaceRig, Floats, HeadModel, open_head
from protocol.frame import OPEN_HEAD_ID, FaceFrame

# Identity is learnt picture by picture; changes below this, in standard deviations, are not worth a new rig (80 ms).
_SHAPE_CHANGED = 0.3


def head_called(head_id: str) -> HeadModel:
    """The head whose coefficients are published; UsageError for one that is not known here."""
    return open_head() if head_id == OPEN_HEAD_ID else load_added_head(head_id)[0]


class WornHead:
    """A head with the identity that frames tell, moved as they say."""

    def __init__(self, head: HeadModel) -> None:
        self.head = head
        self._shape: Floats | None = None
        self._rig = FaceRig(head)

    def vertices(self, frame: FaceFrame, shape: Floats | None) -> Floats:
        """float32 [V, 3], m: the face of `frame` in the head's own frame, of the identity `shape` (None: the mean)."""
        if shape is not None and (self._shape is None or np.abs(shape - self._shape).max() > _SHAPE_CHANGED):
            self._shape = shape
            self._rig = FaceRig(self.head, shape)
        return self._rig.vertices(frame.expression, frame.jaw, frame.eyelids, frame.gaze)
