"""A frame as a picture: the head on one colour, as a camera before it sees it.

The head turns as the frame says; where it is follows slowly, so that whoever leans is seen to lean, and whoever sits
elsewhere is soon in the middle again.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driver.errors import SinkError, UsageError
from driver.worn_head import WornHead
from models.head.flame import HeadModel
from models.head.rotation import matrix_from_axis_angle
from protocol.frame import FaceFrame, Floats

Colour = tuple[float, float, float]

# The green that programs which cut people out know best.
COLOURS = {"green": "#00b140", "blue": "#0047bb", "black": "#000000", "white": "#ffffff", "grey": "#808080"}

_DISTANCE_M = 1.0
# What is seen of the world at that distance, from top to bottom, and the point of the head that is in the middle.
_HEIGHT_M = 0.36
_CENTRE_M = np.array([0.0, -0.012, -0.03])
_FOLLOWING_S = 1.5
_FARTHEST_M = 0.12


@dataclass(frozen=True)
class PictureSettings:
    """What `--virtual-camera` shows.

    width, height   pixels
    rate_hz         pictures a second
    background      "#rrggbb", or one of `COLOURS`
    """

    width: int = 1280
    height: int = 720
    rate_hz: float = 30.0
    background: str = "green"

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("height", self.height)):
            if not 64 <= value <= 3840 or value % 2:
                raise UsageError(f"the picture's {name} is {value}; it must be even and within 64..3840 pixels")
        if not 1 <= self.rate_hz <= 120:
            raise UsageError(f"the picture's rate_hz is {self.rate_hz:g}; it must be 1..120 pictures a second")
        colour(self.background)


def colour(text: str) -> Colour:
    """Three numbers in 0..1 of "#rrggbb" or of a name in `COLOURS`; UsageError for anything else."""
    digits = COLOURS.get(text, text)
    if not re.fullmatch("#[0-9a-fA-F]{6}", digits):
        raise UsageError(f"the background is {text!r}; it must be #rrggbb or one of {', '.join(COLOURS)}")
    red, green, blue = (int(digits[at : at + 2], 16) / 255.0 for at in (1, 3, 5))
    return red, green, blue


def picture_size(text: str) -> tuple[int, int]:
    """(width, height) of "1280x720"; UsageError for anything else."""
    if not re.fullmatch("[0-9]{1,4}x[0-9]{1,4}", text):
        raise UsageError(f"the picture's size is {text!r}; it must be WIDTHxHEIGHT, 1280x720 for example")
    width, height = text.split("x")
    return int(width), int(height)


class Portrait:
    """Draws the faces of one stream, oldest first. All calls must come from one thread, where OpenGL then lives.

    Raises SinkError where pictures cannot be drawn at all.
    """

    def __init__(self, head: HeadModel, settings: PictureSettings) -> None:
        try:
            from models.head import picture
        except ImportError as error:
            raise SinkError(
                f"pictures of the head need {error.name}; run pip install 'avatar-driver[camera]'"
            ) from error
        try:
            picture.drawing_context()
        except Exception as error:  # moderngl raises bare exceptions, of many kinds
            raise SinkError(
                f"pictures of the head need OpenGL, which is not to be had here ({error}); "
                "on Linux install libegl1, libgl1 and libgl1-mesa-dri"
            ) from error
        self._worn = WornHead(head)
        self._render = picture.render_through
        size = settings.width, settings.height
        focal_px = settings.height * _DISTANCE_M / _HEIGHT_M
        self._camera = picture.Camera(focal_px, (size[0] / 2, size[1] / 2), size)
        self._background = colour(settings.background)
        self._place: NDArray[np.float64] | None = None
        self._publish_ns = 0

    def draw(self, frame: FaceFrame, shape: Floats | None) -> NDArray[np.uint8]:
        """uint8 [height, width, 3], RGB; not mirrored: the subject's left is on the right."""
        vertices = self._worn.vertices(frame, shape) @ matrix_from_axis_angle(frame.head_rotation).T.astype(np.float32)
        offset = self._leaning(frame) - _CENTRE_M - [0.0, 0.0, _DISTANCE_M]
        seen = (vertices + offset).astype(np.float32)
        return self._render(self._camera, seen, self._worn.head, background=self._background)

    def _leaning(self, frame: FaceFrame) -> NDArray[np.float64]:
        """How far the head is from where it usually is, m."""
        here = frame.head_translation.astype(np.float64)
        usual = here if self._place is None else self._place
        passed_s = 0.0 if self._place is None else max(frame.publish_ns - self._publish_ns, 0) / 1e9
        place: NDArray[np.float64] = usual + (1.0 - math.exp(-passed_s / _FOLLOWING_S)) * (here - usual)
        self._place, self._publish_ns = place, frame.publish_ns
        return np.clip(here - place, -_FARTHEST_M, _FARTHEST_M)
