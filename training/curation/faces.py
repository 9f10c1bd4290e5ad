"""Reads the one face of a shot with the driver's own networks; where there is none, or more than one, nothing is kept.

What is written down of a picture is what the network tells of it (points with their spread, motion, head), so that no
later stage needs the pictures again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driver.cut import cut
from driver.face_search import faces_in
from driver.native_face import FaceModel, NativeFace, NativeFaceSettings
from driver.runtime import Array, OnnxModel, OnnxNetwork, State
from driver.types import Motion, VideoFrame
from driver.weights import find_native_face, find_weights
from models.head.crop import Crop, crop_of_points
from training.curation.item import Item
from training.curation.media import Picture, pictures
from training.curation.runs import kept_runs
from training.curation.settings import CurationSettings, path_or_none

# A face further than this from the held one, in sides of its crop, is somebody else's.
_ELSEWHERE = 0.6
# And counts if its crop is at least this share of the held one's: faces on a poster or far behind are no company.
_LEAST_COMPANY = 0.35


class _Overheard:
    """The face network, with what it told last and of which crops it was asked."""

    def __init__(self, network: OnnxModel) -> None:
        self._network = network
        self.crop_px = network.crop_px
        self.told: dict[str, Array] = {}

    def initial_state(self, batch: int = 1) -> State:
        return self._network.initial_state(batch)

    def step(self, signal: Array, state: State) -> tuple[dict[str, Array], State]:
        self.told, following = self._network.step(signal, state)
        return self.told, following


@dataclass(frozen=True, eq=False)
class Sight:
    """One picture: the face's motion, points [140, 2] and their spread [140] in pixels, how far the mouth is uncovered
    and the crop's side in pixels, and how many faces there are. Without a face all else is None."""

    time_s: float
    motion: Motion | None = None
    points: Array | None = None
    spread: Array | None = None
    mouth_seen: float | None = None
    side_px: float | None = None
    count: int = 0


def faces(item: Item, settings: CurationSettings) -> Iterator[Item]:
    """The runs of pictures of `item` that show one face, large enough, with what was seen; the rest turned down."""
    seen = look(item, settings)
    if "points" in seen.arrays:
        yield from of_one_face(seen, settings)
    else:
        yield seen.reject("faces", "no face")


def look(item: Item, settings: CurationSettings) -> Item:
    """`item` with what the networks see in its pictures; without points where they see no face in any."""
    eye = Eye(settings)
    sights = list(eye.look_at(pictures(Path(item.source), item.begin_s, item.end_s)))
    return item.with_arrays(arrays_of(sights)).with_figures(focal_px=eye.focal_px, **eye.size)


def of_one_face(seen: Item, settings: CurationSettings) -> Iterator[Item]:
    """The runs of pictures with one face that is large enough; the rest turned down."""
    sides_px, count = seen.arrays["side_px"], seen.arrays["face_count"]
    whole = seen.with_figures(face_px=float(np.median(sides_px)))
    small = f"the face is too small (a crop below {settings.face_px_minimum:g} px)"
    problems = [
        "no face"
        if faces < 1
        else "more than one face"
        if faces > 1
        else small * bool(side_px < settings.face_px_minimum)
        for faces, side_px in zip(count, sides_px, strict=True)
    ]
    yield from kept_runs(whole, "faces", seen.arrays["times_s"].tolist(), problems, settings)


class Eye:
    """Looks at the pictures of one shot."""

    def __init__(self, settings: CurationSettings) -> None:
        self._network, self._detector = _networks(settings.face, settings.face_detector)
        self._overheard = _Overheard(self._network)
        asked = NativeFaceSettings(presence_minimum=settings.presence_minimum)
        self._stage = NativeFace(_as_model(self._overheard), self._detector, asked)
        self._settings = settings
        self._size = (1, 1)

    @property
    def size(self) -> dict[str, float]:
        """Of the upright pictures."""
        return {"width_px": self._size[0], "height_px": self._size[1]}

    @property
    def focal_px(self) -> float:
        """Of the camera that the poses belong to."""
        return self._stage.camera(self._size).focal_px

    def look_at(self, shown: Iterator[tuple[float, Picture]]) -> Iterator[Sight]:
        counted_s, count = -np.inf, 0
        for number, (time_s, image) in enumerate(shown):
            self._size = (image.shape[1], image.shape[0])
            motion = self._stage.process(VideoFrame(image, round(time_s * 1e9), number))[-1]
            points = self._stage.points_px
            told = {name: np.asarray(array[0]) for name, array in self._overheard.told.items()}
            if points is None or float(np.median(told["points_spread"])) > self._settings.doubt_maximum:
                yield Sight(time_s)
                continue
            side_px = _extent(points) / max(_extent(told["points"]), 1e-6)
            if time_s - counted_s >= self._settings.count_every_s:
                counted_s, count = time_s, 1 + self._others(image, points, side_px)
            yield Sight(
                time_s,
                motion,
                points,
                told["points_spread"] * np.float32(side_px),
                float(told["visibility"][0]),
                side_px,
                count,
            )

    def _others(self, image: Picture, held: NDArray[np.floating], side_px: float) -> int:
        """How many faces there are beside the held one: found by the detector, believed by the face network."""
        middle, others = held.mean(axis=0), list[Crop]()
        for face in faces_in(image, self._detector):
            crop = crop_of_points(*(point.astype(np.float64) for point in (*face.points[:2], face.mouth)))
            place = np.array([crop.x_px, crop.y_px])
            apart = [np.linalg.norm(place - middle) > _ELSEWHERE * side_px]
            apart += [
                np.hypot(crop.x_px - one.x_px, crop.y_px - one.y_px) > _ELSEWHERE * crop.side_px for one in others
            ]
            if all(apart) and crop.side_px > _LEAST_COMPANY * side_px and self._is_face(image, crop):
                others.append(crop)
        return len(others)

    def _is_face(self, image: Picture, crop: Crop) -> bool:
        told, _ = self._network.step(cut(image, crop, self._network.crop_px)[None], self._network.initial_state())
        doubt = float(np.median(told["points_spread"][0]))
        return float(told["presence"][0]) >= self._settings.presence_minimum and doubt <= self._settings.doubt_maximum


def _extent(points: NDArray[np.floating]) -> float:
    """How far points [n, 2] spread about their middle."""
    return float(np.sqrt(np.sum(np.var(points, axis=0))))


def arrays_of(sights: list[Sight]) -> dict[str, Array]:
    """The sights as arrays of a row a picture. Pictures without a face are put between their neighbours, with
    confidence 0 and an infinite spread."""
    times_s = np.array([sight.time_s for sight in sights])
    seen = [sight for sight in sights if sight.motion is not None]
    if not seen:
        return {"times_s": times_s}
    rows = np.interp(times_s, [sight.time_s for sight in seen], np.arange(len(seen), dtype=np.float64))
    below = np.floor(rows).astype(int)
    above, share = np.minimum(below + 1, len(seen) - 1), (rows - below).astype(np.float32)

    def between(values: Sequence[Any]) -> Array:
        known = np.array(values, np.float32)
        mix = share.reshape(-1, *[1] * (known.ndim - 1))
        return (1.0 - mix) * known[below] + mix * known[above]

    names = ("expression", "jaw", "eyelids", "gaze", "head_rotation", "head_translation", "confidence")
    arrays = {name: between([getattr(sight.motion, name) for sight in seen]) for name in names}
    arrays |= {name: between([getattr(sight, name) for sight in seen]) for name in ("points", "spread", "side_px")}
    missing = np.array([sight.motion is None for sight in sights])
    arrays["confidence"][missing], arrays["spread"][missing] = 0.0, np.inf
    shape = next(sight.motion.shape for sight in reversed(seen) if sight.motion and sight.motion.shape is not None)
    # The running mean over the shot is best known at its end.
    return arrays | {
        "times_s": times_s,
        "mouth_seen": between([sight.mouth_seen for sight in seen]),
        "face_count": np.array([sight.count for sight in sights], np.float32),
        "shape": shape,
    }


def face_network(settings: CurationSettings) -> OnnxModel:
    """The network that reads faces."""
    return _networks(settings.face, settings.face_detector)[0]


@cache
def _networks(face: str, detector: str) -> tuple[OnnxModel, OnnxNetwork]:
    face_path, found = find_native_face(path_or_none(face))
    detector_path = find_weights(found.name, override=Path(detector)) if detector else found
    return OnnxModel(face_path, "cpu"), OnnxNetwork(detector_path, "cpu")


def _as_model(overheard: _Overheard) -> FaceModel:
    return overheard
