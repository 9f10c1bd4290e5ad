"""Shows pictures to subjects, and keeps what they made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from driver.types import Motion, VideoFrame
from models.head.landmarks import FACE_POINTS
from protocol.frame import PART_BY_NAME
from training.evaluate.video_material import PERIOD_NS, Scene
from training.evaluate.video_subjects import FaceSubject

Floats = NDArray[np.float32]
Kind = TypeVar("Kind")

_PARTS = ("expression", "jaw", "eyelids", "gaze", "head_rotation", "head_translation", "shape")


@dataclass(frozen=True, eq=False)
class Watched:
    """What a subject made of a scene of F pictures; row t is about picture t, whenever it was told. NaN: not told.

    held      float32 [F]: 1 while a face is held           times_s   float32 [F]
    points    float32 [F, 140, 2], pixels                   the rest: parts of the motion space, [F, size]
    """

    held: Floats
    times_s: Floats
    points: Floats
    expression: Floats
    jaw: Floats
    eyelids: Floats
    gaze: Floats
    head_rotation: Floats
    head_translation: Floats
    shape: Floats

    @property
    def motion(self) -> Floats:
        """Expression and jaw, [F, 53]."""
        return np.concatenate([self.expression, self.jaw], axis=1)


def watch(subject: FaceSubject, scene: Scene) -> Watched:
    """Show the subject a scene from its beginning."""
    subject.begin(scene.focal)
    frames: list[VideoFrame] = []
    told: dict[str, list[Floats]] = {name: [] for name in ("held", "points")}
    moved: dict[int, Motion] = {}
    late, nowhere = subject.lookahead, np.full((len(FACE_POINTS), 2), np.nan, np.float32)
    for frame in _followed(scene.frames(), late):
        sight = subject.look(frame)
        if sight.points is not None and sight.motion is not None:
            moved[sight.motion.capture_ns] = sight.motion
        frames.append(frame)
        told["held"].append(np.array(float(sight.points is not None), np.float32))
        told["points"].append(nowhere if sight.points is None else sight.points)
    count = len(frames) - late
    for name in _PARTS:
        unknown = np.full(PART_BY_NAME[name].size, np.nan, np.float32)
        values = [
            getattr(moved.get(frame.capture_ns), name, None) if name in subject.tells else None for frame in frames
        ]
        told[name] = [unknown if value is None else value.astype(np.float32) for value in values]
    times_s = np.array([frame.capture_ns / 1e9 for frame in frames[:count]], np.float32)
    return Watched(times_s=times_s, **{name: np.stack(values[:count]) for name, values in told.items()})


def _followed(frames: Iterator[VideoFrame], late: int) -> Iterator[VideoFrame]:
    """The pictures, and the last one so often again that everything owed is told."""
    last: VideoFrame | None = None
    period_ns = PERIOD_NS
    for frame in frames:
        if last is not None:
            period_ns = frame.capture_ns - last.capture_ns
        last = frame
        yield frame
    for number in range(1, late + 1):
        if last is not None:
            yield VideoFrame(last.image, last.capture_ns + number * period_ns, last.index + number)


def kept(path: Path, make: Callable[[], list[Kind]], kind: Callable[..., Kind]) -> list[Kind]:
    """What `make` gives, from `path` when it was made before. `kind` is a dataclass of arrays."""
    names: Sequence[str] = list(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    if not path.exists():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {f"{number}.{name}": getattr(one, name) for number, one in enumerate(made) for name in names}
        with path.with_suffix(".part").open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        path.with_suffix(".part").rename(path)
    with np.load(path) as archive:
        count = len({file.partition(".")[0] for file in archive.files})
        return [kind(**{name: archive[f"{number}.{name}"] for name in names}) for number in range(count)]


def watched(subject: FaceSubject, part: str, scenes: Sequence[Scene], stores: Path) -> list[Watched]:
    """What the subject makes of the scenes, from STORES/evaluated when it was asked before."""
    return kept(
        place(subject.fingerprint, part, scenes, stores), lambda: [watch(subject, scene) for scene in scenes], Watched
    )


def place(fingerprint: str, part: str, scenes: Sequence[Scene], stores: Path) -> Path:
    """Where results of somebody about some scenes are kept."""
    what = hashlib.sha256()
    for scene in scenes:
        what.update(f"{scene.name} {scene.count} {scene.focal}".encode())
        what.update(scene.truths["points"].tobytes() if scene.truths else b"")
    return stores / "evaluated" / f"{fingerprint}.{part.replace(' ', '_')}.{what.hexdigest()[:12]}.npz"
