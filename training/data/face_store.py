"""Pictures of faces with what is known about each, in flat files that training reads by memory map.

A store is a folder: `pictures.u8` [N, 192, 192, 3], `truths.f32` [N, COLUMNS], one clip after the other, and
`index.jsonl`, one line a clip, written last: a store cut off by a crash stays readable. A photograph is a clip of one
picture.

A stored picture is a crop (`models.head.crop`) with a margin: its middle two thirds are what a network sees, the rest
is there to be shifted, turned and zoomed into. All that is told of a picture is told in the *stored* crop's
coordinates and camera. What is not known is NaN.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from models.head.landmarks import FACE_POINTS

PICTURE_PX = 192
MARGIN = 1.5  # a stored crop's side over a network's

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

# name: size, of what is told about a picture.
#   points        x, y of each of FACE_POINTS in crop coordinates (0..1, y down), one after the other
#   points_seen   0..1: how far each is to be believed; 0 behind a hand or outside the picture
#   expression (sd), jaw (rad), eyelids (0..1 closed; left, right), gaze (rad), shape (sd): the motion space's
#   rotation      row by row, head to the crop's camera        place   see models.head.crop.HeadInCrop
#   focal         of the crop's camera, in crop sides
#   presence      1: a face, 0: none         visibility   of mouth, upper face, eyes, head, 0..1 uncovered
#   mood          valence and arousal, -1..1
#   blendshapes   0..1, as another network scores the 52 ARKit shapes
#   belief        0..1: how far expression, jaw and shape are to be believed (1: they are how the picture was made)
SIZES = {
    "points": 2 * len(FACE_POINTS),
    "points_seen": len(FACE_POINTS),
    "expression": 50,
    "jaw": 3,
    "eyelids": 2,
    "gaze": 4,
    "shape": 100,
    "rotation": 9,
    "place": 3,
    "focal": 1,
    "presence": 1,
    "visibility": 4,
    "mood": 2,
    "blendshapes": 52,
    "belief": 1,
    "time_s": 1,
}
COLUMNS = sum(SIZES.values())
COLUMNS_OF = {
    name: slice(end - size, end) for (name, size), end in zip(SIZES.items(), accumulate(SIZES.values()), strict=True)
}


@dataclass(frozen=True)
class FaceClipInfo:
    """name    unique in its store          person   whose face: splits go by it
    source  where it came from           kind     synthetic, video, photo, nobody
    use     what may be done with it: free, free-sharealike, weights, research
    split   train, val or test
    rate_hz pictures a second; 0 for one picture alone
    """

    name: str
    person: str
    source: str
    kind: str
    use: str
    split: str
    rate_hz: float = 0.0


@dataclass(frozen=True, eq=False)
class FaceClip:
    """pictures uint8 [n, 192, 192, 3] RGB; truths name -> float32 [n, size]; what is missing is unknown."""

    info: FaceClipInfo
    pictures: Picture
    truths: dict[str, Floats]


class FaceWriter:
    """Appends clips to a store, as a context manager. Clips whose names are already there are skipped."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        index = folder / "index.jsonl"
        lines = [json.loads(line) for line in index.read_text().splitlines()] if index.exists() else []
        self.names = {line["name"] for line in lines}
        self._count = max((line["first"] + line["count"] for line in lines), default=0)
        self._files = []
        for name, size in (("pictures.u8", PICTURE_PX * PICTURE_PX * 3), ("truths.f32", 4 * COLUMNS)):
            (folder / name).touch()
            file = (folder / name).open("r+b")
            file.truncate(self._count * size)  # what a crash left behind
            file.seek(0, 2)
            self._files.append(file)
        self._index = index.open("a")

    def add(self, clip: FaceClip) -> None:
        """Append one clip. ValueError when its arrays do not fit one another."""
        if clip.info.name in self.names:
            return
        count = len(clip.pictures)
        if count == 0 or clip.pictures.shape[1:] != (PICTURE_PX, PICTURE_PX, 3) or clip.pictures.dtype != np.uint8:
            raise ValueError(
                f"{clip.info.name}: pictures are {clip.pictures.dtype} {clip.pictures.shape}; "
                f"a store takes uint8 [n, {PICTURE_PX}, {PICTURE_PX}, 3], n at least 1"
            )
        rows = np.full((count, COLUMNS), np.nan, np.float32)
        for name, values in clip.truths.items():
            if name not in SIZES or values.shape != (count, SIZES[name]):
                raise ValueError(
                    f"{clip.info.name}: {name} is {values.shape}; "
                    f"{count} pictures take one of {', '.join(SIZES)} with its size"
                )
            rows[:, COLUMNS_OF[name]] = values
        for file, array in zip(self._files, (clip.pictures, rows), strict=True):
            file.write(np.ascontiguousarray(array).tobytes())
            file.flush()
        self._index.write(json.dumps({**asdict(clip.info), "first": self._count, "count": count}) + "\n")
        self._index.flush()
        self._count += count
        self.names.add(clip.info.name)

    def __enter__(self) -> FaceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in [*self._files, self._index]:
            file.close()


class FaceStore:
    """Reads a store; arrays are memory maps, so a store may be larger than memory.

    first, counts   int64 [clips]: where each clip's pictures begin, and how many there are
    pictures        uint8 [N, 192, 192, 3]         truths   float32 [N, COLUMNS], see COLUMNS_OF
    """

    def __init__(self, folder: Path) -> None:
        lines = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
        if not lines:
            raise ValueError(f"the store {folder} has no clips; build it first")
        self.first = np.array([line.pop("first") for line in lines])
        self.counts = np.array([line.pop("count") for line in lines])
        self.infos = [FaceClipInfo(**line) for line in lines]
        total = int(self.first[-1] + self.counts[-1])
        self.pictures = np.memmap(folder / "pictures.u8", np.uint8, "r", shape=(total, PICTURE_PX, PICTURE_PX, 3))
        self.truths = np.memmap(folder / "truths.f32", "<f4", "r", shape=(total, COLUMNS))

    def __len__(self) -> int:
        return len(self.infos)

    def __iter__(self) -> Iterator[FaceClip]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> FaceClip:
        where = slice(int(self.first[number]), int(self.first[number] + self.counts[number]))
        rows = np.asarray(self.truths[where], np.float32)
        return FaceClip(
            self.infos[number],
            np.asarray(self.pictures[where]),
            {name: rows[:, columns] for name, columns in COLUMNS_OF.items()},
        )
