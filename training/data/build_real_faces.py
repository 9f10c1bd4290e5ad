"""The store of real faces:  python -m training.data.build_real_faces --out DIR [--data SHARED_DATA]

Every video and face photograph of the manifest becomes clips of DIR/real_faces, with pseudo-truth from MediaPipe's
networks and our solver (see `training.evaluate.solved_faces`). A video is cut where no face was found. Collages are
searched for faces, each of which is a photograph. A broken file is reported and left out. What weights may be learnt
from comes first, so that a store that is cut off is of use; the next run goes on.

Splits go by person. A video for research only is a test: no shipped weights may learn from it.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.face_store import PICTURE_PX, SIZES, FaceClip, FaceClipInfo, FaceWriter
from training.evaluate.face_pictures import BROKEN, FaceReader, SeenFace, cut, find_face_model, shared_data
from training.evaluate.solved_faces import PictureTruths, solve

STORE = "real_faces"

_COLLAGE, _NOT_PHOTOGRAPHS = "SFHQ", ("bring_to_life", "landmarks_segmentation")
_NOT_FACES = "hdri"
_USES = ("free", "free-sharealike", "weights", "research")  # the order in which they are built
# A person with so many clips keeps the manifest's splits: the one speaker of a corpus is held out by sentence.
_CORPUS_CLIPS = 20
_SHORTEST = 5  # pictures of a stretch of video

# A stored picture and what is told of it.
Told = tuple[NDArray[np.uint8], dict[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Recording:
    """One file of the manifest that shows a face (or many, in a collage), and what becomes of it."""

    path: Path
    info: FaceClipInfo


def recordings(data: Path) -> list[Recording]:
    """The faces of DATA/MANIFEST.tsv, those first that weights may be learnt from, with splits by person."""
    with (data / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if _shows_a_face(row)]
    found = [Recording(data / row["path"], _info(row)) for row in rows]
    infos = split_by_person([item.info for item in found])
    found = [replace(item, info=info) for item, info in zip(found, infos, strict=True)]
    return sorted(found, key=lambda item: (_USES.index(item.info.use), item.info.kind != "video"))


def _shows_a_face(row: Mapping[str, str]) -> bool:
    path = Path(row["path"])
    is_picture = row["kind"] == "images" and path.suffix.lower() in (".jpg", ".jpeg", ".png")
    is_face = _NOT_FACES not in row["path"] and not path.name.startswith(_NOT_PHOTOGRAPHS)
    return (
        is_face and not any(word in path.name for word in _NOT_PHOTOGRAPHS) and (row["kind"] == "video" or is_picture)
    )


def _info(row: Mapping[str, str]) -> FaceClipInfo:
    path = Path(row["path"])
    name = f"{path.parts[1]}.{path.stem}"
    kind = "video" if row["kind"] == "video" else "photo"
    return FaceClipInfo(name, row["person"] or name, path.parts[1], kind, row["use"], row["split"])


def split_by_person(infos: Sequence[FaceClipInfo]) -> list[FaceClipInfo]:
    """The same with nobody in two splits, but for the one speaker of a corpus.

    Who is in train stays there with all pictures, except that videos for research are a test when their person is seen
    in nothing that weights may be learnt from.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    uses: dict[str, set[str]] = defaultdict(set)
    for info in infos:
        splits[info.person].add(info.split)
        uses[info.person].add(info.use)
    clips = Counter(info.person for info in infos if info.kind == "video")

    def split_of(info: FaceClipInfo) -> str:
        if clips[info.person] >= _CORPUS_CLIPS:
            return info.split
        if clips[info.person] and uses[info.person] == {"research"}:
            return "test"
        return "train" if "train" in splits[info.person] else info.split

    return [replace(info, split=split_of(info)) for info in infos]


def clips_of(recording: Recording, reader: FaceReader, truths: PictureTruths) -> Iterator[FaceClip]:
    """The clips in one file; none when no face was found."""
    made = _of_video if recording.info.kind == "video" else _of_photograph
    return made(recording, reader, truths)


def _of_video(recording: Recording, reader: FaceReader, truths: PictureTruths) -> Iterator[FaceClip]:
    faces = reader.video(recording.path)
    stretches = [stretch for stretch in _stretches(faces) if len(stretch) >= _SHORTEST]
    if not stretches:
        return
    seen = {face.index: face for face in faces if face.has_face}
    solved = solve([face.track for face in seen.values()])
    motions = dict(zip(seen, solved.motions, strict=True))
    wanted = {index for stretch in stretches for index in stretch}
    told: dict[int, Told] = {}
    for index, image in enumerate(reader.pictures(recording.path)):
        if index in wanted:
            face = seen[index]
            picture = truths.of(face.track, motions[index], solved.camera)
            time_s = np.array([face.track.capture_ns / 1e9], np.float32)
            told[index] = (
                cut(image, picture.crop, PICTURE_PX),
                picture.truths | {"blendshapes": face.scores, "time_s": time_s},
            )
    for number, stretch in enumerate(stretches):
        period_s = np.median(np.diff([seen[index].track.capture_ns / 1e9 for index in stretch]))
        name = f"{recording.info.name}.{number}" if len(stretches) > 1 else recording.info.name
        info = replace(recording.info, name=name, rate_hz=round(1.0 / float(period_s), 3))
        yield _clip(info, [told[index] for index in stretch])


def _of_photograph(recording: Recording, reader: FaceReader, truths: PictureTruths) -> Iterator[FaceClip]:
    image = read_picture(recording.path)
    is_collage = _COLLAGE in recording.info.source
    faces = reader.all_in(image) if is_collage else reader.largest_in(image)
    for number, face in enumerate(faces):
        solved = solve([face.track])
        picture = truths.of(face.track, solved.motions[0], solved.camera)
        name = f"{recording.info.name}.{number}" if is_collage else recording.info.name
        info = replace(recording.info, name=name, person=name if is_collage else recording.info.person)
        yield _clip(info, [(cut(face.image, picture.crop, PICTURE_PX), picture.truths | {"blendshapes": face.scores})])


def _stretches(faces: Sequence[SeenFace]) -> list[list[int]]:
    """Indices of the pictures of each stretch in which a face was found without a break."""
    stretches: list[list[int]] = [[]]
    for face in faces:
        if face.has_face:
            stretches[-1].append(face.index)
        elif stretches[-1]:
            stretches.append([])
    return stretches


def _clip(info: FaceClipInfo, told: Sequence[Told]) -> FaceClip:
    truths = {
        name: np.stack([values.get(name, np.full(size, np.nan, np.float32)) for _, values in told])
        for name, size in SIZES.items()
    }
    return FaceClip(info, np.stack([picture for picture, _ in told]), truths)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """An image file as RGB uint8 [H, W, 3]. ValueError when it is none."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path} is no picture that can be read; leave it out or fetch it again")
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)


def build(out: Path, data: Path, face_model: Path) -> Iterator[str]:
    """Fill OUT/real_faces, going on where a run was cut off; yields a line for every file."""
    reader, truths = FaceReader(face_model), PictureTruths()
    done = out / STORE / "done.txt"
    with FaceWriter(out / STORE) as writer, done.open("a+") as log:
        log.seek(0)
        known = set(log.read().split("\n"))
        for recording in recordings(data):
            if recording.info.name in known:
                continue
            pictures, clips, beliefs = 0, 0, [0.0]
            try:
                for clip in clips_of(recording, reader, truths):
                    writer.add(clip)
                    pictures, clips = pictures + len(clip.pictures), clips + 1
                    beliefs += [float(np.mean(clip.truths["belief"]))]
                what = f"{pictures} pictures in {clips} clips, belief {max(beliefs):.2f}"
            except BROKEN as error:  # a broken file is no reason to stop
                what = f"left out, {error}"
            log.write(f"{recording.info.name}\n")
            log.flush()
            yield f"{recording.info.name}: {recording.info.use} {recording.info.split}, {what}"


def main() -> None:
    parser = argparse.ArgumentParser(description="A store of real faces with what tracker and solver make of them.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the stores")
    parser.add_argument("--data", type=Path, default=None, help="folder with MANIFEST.tsv")
    parser.add_argument("--face-model", type=Path, default=None, help="face_landmarker.task; found as the driver does")
    arguments = parser.parse_args()
    data = shared_data() if arguments.data is None else arguments.data
    for line in build(arguments.out, data, find_face_model(arguments.face_model)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
