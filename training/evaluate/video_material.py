"""What subjects are judged on: held-out photographs, clips and synthetic faces.

Photographs with 68 marks and clips come from the manifest's data; synthetic faces from a store. A part that is not
there leaves its measures out, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.capture.media_video import VideoFile
from driver.types import VideoFrame
from training.data.build_real_faces import Recording, read_picture, recordings
from training.data.face_store import FaceStore
from training.evaluate.real_faces import played
from training.evaluate.video_metrics import eye_distance_px, lips_of_points
from training.evaluate.video_subjects import USUAL_FOCAL

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

PHOTOS, CLIPS, STILLS = "marked photographs", "real clips", "still pictures"
LOW_LIGHT, SMALL, COVERED = "low light", "small faces", "covered mouths"
PORTRAITS = "portraits by group"
SYNTHETIC, STEPS, ACTED = "synthetic faces", "synthetic steps", "acted shapes"
HARD = (LOW_LIGHT, SMALL, COVERED)

_MARKS_FILE, _MARKED = "landmarks68.npz", "300W"
_PORTRAITS, _MOST_PORTRAITS = "UTKFace", 200
_MOST_PICTURES = 150  # of a clip
_CORPUS, _CORPUS_CLIPS = "grid_s1", 8
_STILLS, _STILL_PICTURES, _NOISE = 12, 24, 3.0
PERIOD_NS = 33_333_333
_MOST_SYNTHETIC, _STEP_CLIPS = 1500, 24
STEP_AT = 12  # picture of a step from which the second face is shown, of twice as many
REST, ACT = 4, 8  # pictures of a face at rest before each shape that it acts, and of that
_DARK, _DARK_NOISE = 0.08, 2.5
_SMALL_EYES_PX = 16.0


@dataclass(frozen=True, eq=False)
class Scene:
    """One clip that is shown, from its beginning; photographs have one picture.

    frames   gives the pictures anew each time         count   of them
    focal    of the camera, over the longer side        truths  as in a face store, where they are known
    marks    float32 [count, 68, 2] pixels, or none
    """

    name: str
    count: int
    frames: Callable[[], Iterator[VideoFrame]]
    focal: float = USUAL_FOCAL
    truths: dict[str, Floats] = field(default_factory=dict[str, Floats])
    marks: Floats | None = None


@dataclass(frozen=True, eq=False)
class VideoMaterial:
    """`scenes` of each part; `missing`: why a part has none."""

    scenes: dict[str, list[Scene]]
    missing: dict[str, str]


def load(shared: Path | None, stores: Path) -> VideoMaterial:
    """Everything that is held out in the manifest's data and in the stores."""
    scenes: dict[str, list[Scene]] = {}
    missing: dict[str, str] = {}
    if shared is not None and (shared / "MANIFEST.tsv").is_file():
        found = recordings(shared)
        photos = _marked_photos(found)
        scenes |= {PHOTOS: photos, CLIPS: _clips(found), STILLS: [_still(photo) for photo in photos[:_STILLS]]}
        for part, worsen in ((LOW_LIGHT, _darkened), (SMALL, _shrunk), (COVERED, _covered)):
            scenes[part] = [_changed(photo, part, worsen) for photo in photos]
        scenes[PORTRAITS] = _portraits(found)
    else:
        missing |= dict.fromkeys(
            (PHOTOS, CLIPS, STILLS, *HARD, PORTRAITS), "there is no folder with MANIFEST.tsv; give --data"
        )
    if (stores / "synthetic_faces" / "index.jsonl").exists():
        store = FaceStore(stores / "synthetic_faces")
        scenes |= {SYNTHETIC: _synthetic(store), STEPS: _steps(store)}
    else:
        missing |= dict.fromkeys((SYNTHETIC, STEPS), "there is no store synthetic_faces")
    if (stores / "acted_shapes" / "index.jsonl").exists():
        acted = FaceStore(stores / "acted_shapes")
        scenes[ACTED] = [_acted(acted, number) for number, info in enumerate(acted.infos) if info.kind != "nobody"]
    else:
        missing[ACTED] = "there is no store acted_shapes"
    for part in [part for part, listed in scenes.items() if not listed]:
        del scenes[part]
        missing[part] = "nothing of it is held out"
    return VideoMaterial(scenes, missing)


def _clips(found: Sequence[Recording]) -> list[Scene]:
    """Videos of people who are learnt from in nothing, and some held-out sentences of the corpus's one speaker."""
    videos = [item for item in found if item.info.kind == "video" and item.info.split in ("val", "test")]
    corpus = sorted((item for item in videos if item.info.source == _CORPUS), key=lambda item: item.info.name)
    chosen = [item for item in videos if item.info.source != _CORPUS] + corpus[:_CORPUS_CLIPS]

    def frames(path: Path) -> Callable[[], Iterator[VideoFrame]]:
        return lambda: islice(played(VideoFile(path, 0, realtime=False)), _MOST_PICTURES)

    return [Scene(item.info.name, _MOST_PICTURES, frames(item.path)) for item in chosen]


def _marked_photos(found: Sequence[Recording]) -> list[Scene]:
    photos = [item for item in found if _MARKED in item.info.source and item.info.split != "train"]
    if not photos:
        return []
    with np.load(photos[0].path.parent / _MARKS_FILE) as archive:
        marks = dict(zip(archive["names"].tolist(), archive["pts"].astype(np.float32), strict=True))
    # The marks count pixels from their middles.
    return [
        photo(item.info.name, lambda path=item.path: read_picture(path), marks[item.path.name] + 0.5)
        for item in sorted(photos, key=lambda item: item.info.name)
        if item.path.name in marks
    ]


def _portraits(found: Sequence[Recording]) -> list[Scene]:
    """Held-out portraits whose names say what group their people are in, spread evenly over the names."""
    held_out = [item for item in found if _PORTRAITS in item.info.source and item.info.split != "train"]
    held_out = sorted(held_out, key=lambda item: item.info.name)
    chosen = np.linspace(0, len(held_out) - 1, min(_MOST_PORTRAITS, len(held_out))).astype(int)
    return [photo(held_out[n].info.name, lambda path=held_out[n].path: read_picture(path), None) for n in chosen]


def photo(name: str, picture: Callable[[], Picture], marks: Floats | None) -> Scene:
    """One picture with its marks [68, 2], where they are known."""
    known = None if marks is None else marks[None]
    return Scene(name, 1, lambda: iter([VideoFrame(picture(), 0, 0)]), marks=known)


def _still(scene: Scene) -> Scene:
    """The photograph again and again, with a sensor's noise that is new each time."""

    def frames() -> Iterator[VideoFrame]:
        image = next(scene.frames()).image.astype(np.float32)
        rng = np.random.default_rng(0)
        for index in range(_STILL_PICTURES):
            noisy = np.clip(image + rng.normal(0.0, _NOISE, image.shape), 0, 255).astype(np.uint8)
            yield VideoFrame(noisy, index * PERIOD_NS, index)

    return Scene(f"still {scene.name}", _STILL_PICTURES, frames)


def _changed(scene: Scene, part: str, worsen: Callable[[Picture, Floats], tuple[Picture, Floats]]) -> Scene:
    """A photograph made harder."""
    assert scene.marks is not None
    marks = scene.marks[0]
    shape = next(scene.frames()).image.shape
    _, moved = worsen(np.zeros(shape, np.uint8), marks)
    return photo(f"{part} {scene.name}", lambda: worsen(next(scene.frames()).image, marks)[0], moved)


def _darkened(image: Picture, marks: Floats) -> tuple[Picture, Floats]:
    rng = np.random.default_rng(0)
    dark = _DARK * image.astype(np.float32) + rng.normal(0.0, _DARK_NOISE, image.shape)
    return np.clip(dark, 0, 255).astype(np.uint8), marks


def _shrunk(image: Picture, marks: Floats) -> tuple[Picture, Floats]:
    """The picture so small that the eyes' outer corners are 16 pixels apart, in the middle of a grey one."""
    scale = _SMALL_EYES_PX / float(eye_distance_px(marks))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    whole = np.full((240, 320, 3), 110, np.uint8)
    height, width = min(small.shape[0], 240), min(small.shape[1], 320)
    top, left = (240 - height) // 2, (320 - width) // 2
    whole[top : top + height, left : left + width] = small[:height, :width]
    return whole, (scale * marks + np.array([left, top], np.float32)).astype(np.float32)


def _covered(image: Picture, marks: Floats) -> tuple[Picture, Floats]:
    """A grey card over the mouth."""
    low, high = marks[48:68].min(axis=0), marks[48:68].max(axis=0)
    grown = 0.35 * float(np.max(high - low))
    (left, top), (right, bottom) = (low - grown).tolist(), (high + grown).tolist()
    card = image.copy()
    cv2.rectangle(card, (round(left), round(top)), (round(right), round(bottom)), (120, 110, 105), -1)
    return np.asarray(card, np.uint8), marks


def _synthetic(store: FaceStore) -> list[Scene]:
    """Clips and stills of the split `test`, with a face, up to a number of pictures, spread evenly."""
    numbers = [n for n, info in enumerate(store.infos) if info.split == "test" and info.kind != "nobody"]
    total = int(store.counts[numbers].sum())
    kept = np.linspace(0, len(numbers) - 1, max(1, len(numbers) * _MOST_SYNTHETIC // total)) if numbers else []
    chosen = numbers if total <= _MOST_SYNTHETIC else [numbers[int(place)] for place in kept]
    return [_of_store(store, number, range(int(store.counts[number]))) for number in chosen]


def _of_store(store: FaceStore, number: int, rows: Sequence[int]) -> Scene:
    """Pictures of one clip, in this order; the camera is the crops' own."""
    truths = {name: values[list(rows)] for name, values in store[number].truths.items()}
    info = store.infos[number]
    period_ns = round(1e9 / info.rate_hz) if info.rate_hz else PERIOD_NS

    def frames() -> Iterator[VideoFrame]:
        pictures = store[number].pictures
        return (VideoFrame(pictures[row], index * period_ns, index) for index, row in enumerate(rows))

    focal = float(np.median(truths["focal"]))
    return Scene(info.name, len(rows), frames, focal, truths)


def _acted(store: FaceStore, number: int) -> Scene:
    """A person at rest and in a shape by turns: REST and ACT pictures of each."""
    shapes = range(1, int(store.counts[number]))
    return _of_store(store, number, [row for shape in shapes for row in [0] * REST + [shape] * ACT])


def _steps(store: FaceStore) -> list[Scene]:
    """From a clip's most closed mouth to its most open one, at once; clips whose lips hardly move say nothing."""
    scenes: list[Scene] = []
    for number, info in enumerate(store.infos):
        if info.split == "test" and info.rate_hz and len(scenes) < _STEP_CLIPS:
            gap, _ = lips_of_points(store[number].truths["points"].reshape(len(store[number].pictures), -1, 2))
            shut, wide = int(np.nanargmin(gap)), int(np.nanargmax(gap))
            if gap[wide] - gap[shut] > 0.1:
                rows = [shut] * STEP_AT + [wide] * STEP_AT
                scenes.append(_of_store(store, number, rows))
    return scenes
