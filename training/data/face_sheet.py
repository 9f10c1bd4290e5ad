"""Pictures of a face store to look at:  python -m training.data.face_sheet STORE --out FILE [--clip NAME]

Green: the points that are told, dim where they are not believed. Red: where the same points of the head are when it is
moved and posed as is told. Below: split, use, belief. Where green and red part, one of the truths is wrong.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.head.crop import Crop, HeadInCrop, PictureCamera, head_in_picture
from models.head.flame import JAW, open_head
from models.head.landmarks import FACE_POINTS, LandmarkRig, open_head_landmarks
from training.data.face_store import FaceClip, FaceStore

Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

_TILE_PX = 240
_WHOLE = Crop(0.5, 0.5, 1.0, 0.0)  # crop coordinates of the crop itself


class HeadPoints:
    """Where FACE_POINTS of the open head are in a crop when it does what is told of a picture."""

    def __init__(self) -> None:
        self._rig = LandmarkRig(open_head(), open_head_landmarks(), FACE_POINTS)

    def of(self, clip: FaceClip, number: int) -> Doubles | None:
        """float64 [140, 2] in crop coordinates; None when the picture's motion or pose is not known."""
        told = {name: values[number].astype(np.float64) for name, values in clip.truths.items()}
        moves = [told[name] for name in ("expression", "jaw", "rotation", "place", "focal", "shape")]
        if any(np.isnan(values).any() for values in moves):
            return None
        camera = PictureCamera(float(told["focal"][0]), (0.5, 0.5))
        head = HeadInCrop(told["rotation"].reshape(3, 3), told["place"])
        rotation, translation = head_in_picture(head, _WHOLE, camera)
        shape, expression = told["shape"].astype(np.float32), told["expression"].astype(np.float32)
        rest, joint = self._rig.at_rest(shape), self._rig.joint(JAW, shape, expression)
        eyelids, gaze = np.nan_to_num(told["eyelids"]), np.nan_to_num(told["gaze"])
        posed = self._rig.posed(rest, joint, expression, told["jaw"], eyelids, gaze).points
        placed = posed @ rotation.T + translation
        return 0.5 + camera.focal_px * placed[:, :2] * [1.0, -1.0] / -placed[:, 2:]


def tile(clip: FaceClip, number: int, head: HeadPoints) -> Picture:
    """One picture with its points, uint8 [240, 240, 3]."""
    image = np.ascontiguousarray(cv2.resize(clip.pictures[number], (_TILE_PX, _TILE_PX)))
    told = {name: values[number] for name, values in clip.truths.items()}
    solved = head.of(clip, number)
    for points, seen, colour in (
        (solved, np.ones(len(FACE_POINTS)), np.array([255, 60, 60])),
        (told["points"].reshape(-1, 2), told["points_seen"], np.array([60, 255, 60])),
    ):
        if points is None or np.isnan(points).any():
            continue
        for (x, y), believed in zip(_TILE_PX * points, np.nan_to_num(seen), strict=True):
            shade = (colour * (0.25 + 0.75 * float(believed))).tolist()
            cv2.circle(image, (round(float(x)), round(float(y))), 1, shade, -1)
    belief = float(told["belief"][0])
    text = f"{clip.info.split} {clip.info.use} {belief:.2f}"
    cv2.putText(image, text, (3, _TILE_PX - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0), 1, cv2.LINE_AA)
    return np.asarray(image, np.uint8)


def sheet(store: FaceStore, count: int, columns: int, clip: str | None = None) -> Picture:
    """`count` pictures spread over the store, or over one of its clips. ValueError when there is no such clip."""
    numbers = [number for number, info in enumerate(store.infos) if clip in (None, info.name)]
    if not numbers:
        raise ValueError(f"the store has no clip {clip!r}; one of its {len(store)} clips is {store.infos[0].name!r}")
    places = [(number, picture) for number in numbers for picture in range(int(store.counts[number]))]
    chosen = [places[int(at)] for at in np.linspace(0, len(places) - 1, min(count, len(places)))]
    head = HeadPoints()
    tiles = [tile(store[number], picture, head) for number, picture in chosen]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)])


def main() -> None:
    parser = argparse.ArgumentParser(description="A sheet of pictures of a face store with what is told about them.")
    parser.add_argument("store", type=Path, help="folder of the store itself")
    parser.add_argument("--out", type=Path, required=True, help="image file")
    parser.add_argument("--clip", default=None, help="only this clip")
    parser.add_argument("--count", type=int, default=64, help="pictures")
    parser.add_argument("--columns", type=int, default=8)
    arguments = parser.parse_args()
    picture = sheet(FaceStore(arguments.store), arguments.count, arguments.columns, arguments.clip)
    cv2.imwrite(str(arguments.out), picture[:, :, ::-1])


if __name__ == "__main__":
    main()
