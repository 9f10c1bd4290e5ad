"""One face from its motions to its frames: fuse, smooth, feel, complete. The pipeline has one, a server one a voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from driver.framing import FrameBuilder
from driver.fuse import Fuser
from driver.mood import Mood
from driver.smooth import Smoother
from protocol.frame import FaceFrame


@dataclass(frozen=True)
class Face:
    """The steps between the encoders and the outputs, each with the memory of this face.

    Without a `mood` a frame's valence and arousal are the voice's own.
    """

    fuser: Fuser
    smoother: Smoother
    builder: FrameBuilder
    mood: Mood | None = None

    def frame(self, tick_ns: int, known_ns: int, publish_ns: Callable[[], int]) -> FaceFrame:
        """The frame of the tick at `tick_ns`, from what was captured up to `known_ns`; neither may go back.

        publish_ns   is asked last, for the time to stamp on the frame
        """
        fused = self.fuser.at(known_ns)
        vector = self.smoother.process(fused.vector, tick_ns)
        if self.mood is not None:
            fused = self.mood.felt(fused, vector, tick_ns)
        return self.builder.build(fused, vector, tick_ns, publish_ns())
