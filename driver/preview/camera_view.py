"""What the camera sees, with the landmarks that the tracker found. Off until somebody asks; then nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.stage import Stage
from driver.types import FaceTrack, VideoFrame
from protocol.frame import Floats

if TYPE_CHECKING:
    import viser

Picture = NDArray[np.uint8]

_WIDTH_PX = 400
_MARK = (0, 255, 140)


class WatchedTracker:
    """Stage: the tracker, unchanged; while `is_wanted`, the newest picture and its landmarks are kept to be seen.

    watch   is shown every picture, in the thread of the branch (`driver.film`)
    """

    def __init__(self, tracker: Stage[VideoFrame, Any]) -> None:
        self._tracker = tracker
        self.is_wanted = False
        self.watch: Callable[[VideoFrame], None] | None = None
        self._newest: tuple[Picture, Floats | None] | None = None

    def process(self, item: VideoFrame) -> Any:
        """What the tracker makes of the picture."""
        if self.watch is not None:
            self.watch(item)
        made = self._tracker.process(item)
        if self.is_wanted:
            self._newest = (item.image, self._points_px(made))
        return made

    def close(self) -> None:
        """Close the tracker."""
        self.forget()
        self._tracker.close()

    def forget(self) -> None:
        """Keep no picture from now on."""
        self.is_wanted = False
        self._newest = None

    def take(self) -> Picture | None:
        """The newest picture with its landmarks drawn, once; None when there is no newer one."""
        newest, self._newest = self._newest, None
        return None if newest is None else marked(*newest)

    def _points_px(self, made: Any) -> Floats | None:
        if isinstance(made, FaceTrack):
            return None if made.landmarks is None else made.landmarks[:, :2]
        return getattr(self._tracker, "points_px", None)  # the native tracker's; see driver.native_face


def marked(image: Picture, points_px: Floats | None) -> Picture:
    """`image` [H, W, 3], 400 pixels wide, with `points_px` [N, 2] of it as dots."""
    height, width = image.shape[:2]
    scale = _WIDTH_PX / width
    size = (_WIDTH_PX, max(1, round(height * scale)))
    small = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    for x, y in () if points_px is None else (points_px * scale).round().astype(int).tolist():
        small[max(y, 0) : max(y + 2, 0), max(x, 0) : max(x + 2, 0)] = _MARK
    return small


class CameraView:
    """The switch and the picture in the page's present folder. Mirrored only when all that is sent is."""

    def __init__(self, server: viser.ViserServer, tracker: WatchedTracker, is_mirrored: bool) -> None:
        self._gui, self._tracker, self._is_mirrored = server.gui, tracker, is_mirrored
        self._folder = server.gui.add_folder("camera")
        with self._folder:
            self.switch = server.gui.add_checkbox(
                "show picture", False, hint="It stays on this machine, and goes when the page is closed."
            )
        self._image: viser.GuiImageHandle | None = None

    def show(self) -> None:
        """Bring the page up to date."""
        if not self.switch.value:
            self.hide()
            return
        self._tracker.is_wanted = True
        picture = self._tracker.take()
        if picture is None:
            return
        picture = np.ascontiguousarray(picture[:, ::-1]) if self._is_mirrored else picture
        if self._image is None:
            with self._folder:
                self._image = self._gui.add_image(picture, format="jpeg")
        else:
            self._image.image = picture

    def hide(self) -> None:
        """Switch off, and take the last picture back from the server too."""
        self._tracker.forget()
        if self.switch.value:
            self.switch.value = False
        if self._image is not None:
            self._image.remove()
            self._image = None
