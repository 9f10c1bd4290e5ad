"""A person's skin as a code of 128 numbers, read from the camera's picture now and then by a user's own network.

The network is one half of DECA's detail (`python -m training.export_detail`); the other half, which makes wrinkles of
the code and of each frame's expression and jaw, runs where they are drawn. A code tells the person and not the moment:
a picture every other second is enough, and the mean over pictures is better than any of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driver.config import LONGEST_FACE_LOOKAHEAD, Device
from driver.cut import cut
from driver.errors import ModelError
from driver.runtime import OnnxNetwork
from driver.stage import Stage
from driver.types import Motion, VideoFrame
from models.head.crop import PictureCamera, crop_of_head
from models.head.rotation import matrix_from_axis_angle
from protocol.frame import OPEN_HEAD_ID, PART_BY_NAME, REGIONS, Floats

_NEEDED = [REGIONS.index(name) for name in ("mouth", "upper_face")]


@dataclass(frozen=True)
class DetailSettings:
    """interval_s   between two pictures that are read
    confidence   of mouth and upper face, from which on a picture is read
    pictures     after so many a person is known; later ones change little
    forget_s     without a confident picture for longer, somebody else may sit there
    """

    interval_s: float = 2.0
    confidence: float = 0.8
    pictures: int = 10
    forget_s: float = 10.0


class Lens(Protocol):
    """A camera with square pixels, as either tracker tells it."""

    @property
    def focal_px(self) -> float: ...
    @property
    def centre_px(self) -> tuple[float, float]: ...


class DetailNetwork(Protocol):
    """`network(picture)`: a crop uint8 [picture_px, picture_px, 3], RGB, to its code float32 [128]; `id` says whose."""

    @property
    def id(self) -> str: ...
    @property
    def picture_px(self) -> int: ...
    def __call__(self, picture: NDArray[np.uint8], /) -> Floats: ...


class DetailFile:
    """The network in a file of `training.export_detail`; `id` is that of its codes. ModelError for another file."""

    def __init__(self, path: Path, device: Device = "auto") -> None:
        if not path.is_file():
            raise ModelError(f"there is no detail network at {path}; write one with python -m training.export_detail")
        self._network = OnnxNetwork(path, device)
        shape, said = self._network.input_shapes.get("picture", ()), self._network.said
        if self._network.output_names != ["detail"] or len(shape) != 4 or "detail" not in said:
            raise ModelError(f"{path} reads no detail of a picture; give a detail.onnx of training.export_detail")
        if said.get("head") != OPEN_HEAD_ID:
            raise ModelError(f"{path} reads the skin of the head {said.get('head')!r}; it must be {OPEN_HEAD_ID!r}")
        self.id, self.picture_px = said["detail"], int(shape[1])

    def __call__(self, picture: NDArray[np.uint8], /) -> Floats:
        return np.asarray(self._network(picture=picture[None])["detail"][0], np.float32)


class DetailReader:
    """The last of the camera's stages: motions of a tracker -> the same with the code of who is seen, once it is known.

    `around` puts it behind a camera's stages, and in front of them what keeps the newest pictures for it.
    """

    def __init__(
        self,
        network: DetailNetwork,
        camera: Callable[[tuple[int, int]], Lens],
        settings: DetailSettings,
        is_mirrored: bool = False,
    ) -> None:
        """`camera(size)` is the one that the motions' poses belong to; `is_mirrored`: read the mirrored skin."""
        self._network, self._camera, self._settings, self._is_mirrored = network, camera, settings, is_mirrored
        self.id = network.id
        # A tracker that looks ahead tells of pictures that are past.
        self._pictures: deque[VideoFrame] = deque(maxlen=LONGEST_FACE_LOOKAHEAD + 1)
        self._code: Floats | None = None
        self._count = 0
        self._seen_ns = self._read_ns = 0

    def around(self, stages: list[tuple[str, Stage[Any, Any]]]) -> list[tuple[str, Stage[Any, Any]]]:
        """A camera's stages with this one."""
        return [("keep", _Keep(self._pictures)), *stages, ("detail", self)]

    def process(self, item: Motion | list[Motion]) -> list[Motion]:
        """The motions with the code that is known now."""
        motions = item if isinstance(item, list) else [item]
        return [replace(motion, detail=self._known(motion)) for motion in motions]

    def close(self) -> None:
        """Keep no picture."""
        self._pictures.clear()

    def _known(self, motion: Motion) -> Floats | None:
        if motion.confidence[_NEEDED].min() < self._settings.confidence:
            return self._code
        if motion.capture_ns - self._seen_ns > self._settings.forget_s * 1e9:
            self._count = 0
        self._seen_ns = motion.capture_ns
        if self._count and motion.capture_ns - self._read_ns < self._settings.interval_s * 1e9:
            return self._code
        picture = next((one for one in self._pictures if one.capture_ns == motion.capture_ns), None)
        if picture is not None:
            self._learn(self._read(picture.image, motion))
            self._read_ns = motion.capture_ns
        return self._code

    def _read(self, image: NDArray[np.uint8], motion: Motion) -> Floats:
        lens = self._camera((image.shape[1], image.shape[0]))
        camera = PictureCamera(lens.focal_px, lens.centre_px)
        rotation = matrix_from_axis_angle(motion.head_rotation.astype(np.float64))
        crop = crop_of_head(rotation, motion.head_translation.astype(np.float64), camera)
        small = cut(image, crop, self._network.picture_px)
        if self._is_mirrored:
            small = np.ascontiguousarray(small[:, ::-1])
        part = PART_BY_NAME["detail"]
        return np.clip(self._network(small), part.minimum, part.maximum)

    def _learn(self, code: Floats) -> None:
        """The mean over the first pictures; after that, later ones count as one of so many."""
        self._count = min(self._count + 1, self._settings.pictures)
        before = code if self._code is None or self._count == 1 else self._code
        self._code = (before + (code - before) / np.float32(self._count)).astype(np.float32)


class _Keep:
    """Stage: a picture, unchanged; it is kept until so many newer ones have come."""

    def __init__(self, pictures: deque[VideoFrame]) -> None:
        self._pictures = pictures

    def process(self, item: VideoFrame) -> VideoFrame:
        self._pictures.append(item)
        return item

    def close(self) -> None:
        """Nothing to let go of."""
