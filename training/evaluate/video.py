"""One table of how well faces are read from pictures:  python -m training.evaluate video --stores DIR [--model FILE]

Subjects: our network (where its file is there) at each look-ahead and without its temporal residual, MediaPipe with our
solver, and MediaPipe's own blendshapes. Printed, and written to docs/video/evaluation.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driver.face_model import find_face_model
from training.evaluate.dlib_points import DlibMissing, DlibPoints
from training.evaluate.face_landmarker import FaceLandmarker, LandmarkerMissing
from training.evaluate.table import NOT_KNOWN, deliver, line, number, table
from training.evaluate.talking_faces import shared_data
from training.evaluate.video_channels import by_act, by_channel
from training.evaluate.video_columns import COLUMNS, VideoColumn
from training.evaluate.video_cost import costs_ms
from training.evaluate.video_groups import by_group
from training.evaluate.video_judged import VideoJudged
from training.evaluate.video_material import CLIPS, PORTRAITS, Scene, VideoMaterial, load
from training.evaluate.video_subjects import FaceSubject, MediaPipeBlendshapes, MediaPipeSolver, NativeFace
from training.evaluate.video_watch import kept, place, watched

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "weights" / "face.onnx"
PAGE = ROOT / "docs" / "video" / "evaluation.md"
LOOKAHEADS = (0, 1, 2)
TITLES = [column.title for column in COLUMNS]

Floats = NDArray[np.float32]
Make = Callable[[], FaceSubject]


@dataclass(frozen=True, eq=False)
class Marks:
    """Marks of one clip, float32 [F, 68, 2] pixels."""

    marks: Floats


def makers(model: Path, face_model: Path) -> tuple[list[Make], list[str]]:
    """How to load each subject, the teacher last but one, and a sentence for each that cannot be."""
    found: list[Make] = []
    absent: list[str] = []
    if model.exists():
        found += [lambda pictures=pictures: NativeFace(model, pictures) for pictures in LOOKAHEADS]
        found.append(lambda: NativeFace(model, residual=False))
    else:
        absent.append(f"{model.name} was not judged: there is no such file; train and export it first")
    return [*found, lambda: MediaPipeSolver(face_model), lambda: MediaPipeBlendshapes(face_model)], absent


def first_ms(make: Make, material: VideoMaterial) -> float | None:
    """Processor time from loading a subject's files to its first face in the first clip that it sees one in, ms."""
    for scene in material.scenes.get(CLIPS, []):
        began = time.process_time()
        subject = make()
        subject.begin(scene.focal)
        if any(subject.look(frame).points is not None for frame in scene.frames()):
            return 1e3 * (time.process_time() - began)
    return None


def answers(subject: FaceSubject, material: VideoMaterial, stores: Path) -> dict[str, list]:
    """What the subject makes of every part."""
    return {part: watched(subject, part, scenes, stores) for part, scenes in material.scenes.items()}


def dlib_marks(material: VideoMaterial, stores: Path) -> tuple[dict[str, list[Floats]], list[str]]:
    """dlib's marks of every real clip and portrait, and a sentence when there are none."""
    found: dict[str, list[Floats]] = {}
    try:
        for part in (CLIPS, PORTRAITS):
            scenes = material.scenes.get(part, [])
            path = place(DlibPoints.fingerprint, part, scenes, stores)
            found[part] = [one.marks for one in kept(path, lambda scenes=scenes: _read(scenes), Marks)]
    except DlibMissing as error:
        return {}, [str(error)]
    return found, []


def _read(scenes: Sequence[Scene]) -> list[Marks]:
    points = DlibPoints()
    return [Marks(points.read(scene.frames())) for scene in scenes]


def cell(column: VideoColumn, judged: VideoJudged) -> str:
    """The measure as text; n/a where the subject has no such output or the material is missing."""
    if column.part and not judged.answers.get(column.part):
        return NOT_KNOWN
    return number(column.value(judged), column.digits)


def page(
    rows: Sequence[VideoJudged], cells: Sequence[Sequence[str]], notes: Sequence[str], material: VideoMaterial
) -> str:
    """The documentation's page: the table (measures down, subjects across), what was missing, clips, definitions."""
    lines = [
        "# How well a face is read from pictures",
        "",
        "Written by `python -m training.evaluate video`. No shipped weights were learnt from these photographs, nor "
        "from the people in these clips but the one of GRID's sentences, whose other sentences were.",
        "",
        *table([judged.name for judged in rows], TITLES, cells),
        "",
        *(f"- {note}" for note in notes),
        "",
        "## Material",
        "",
        *(
            f"- {part}: {len(scenes)} scenes, {_pictures(rows, part)} pictures"
            for part, scenes in material.scenes.items()
        ),
        "",
        "## By group",
        "",
        "Found (%) and NME (%): of portraits (UTKFace's labels) against dlib's marks, less habits within the group, "
        "over the outer-eye distance; of synthetic heads against the true points, over the height of the face.",
        "",
        line(["group", "pictures", *(f"{judged.name}, {what}" for judged in rows for what in ("found", "NME"))]),
        line(["---", *["---:"] * (1 + 2 * len(rows))]),
        *map(line, by_group(rows)),
        "",
        "## By channel",
        "",
        "On synthetic faces from the front: Pearson's r of what is told with what is true, and the response (slope; "
        "1 is all of it). In bold what MediaPipe's blendshapes leave at rest. Pictures: whose face makes the shape.",
        "",
        line(["channel", "pictures", *(judged.name for judged in rows)]),
        line(["---", *["---:"] * (1 + len(rows))]),
        *map(line, by_channel(rows)),
        "",
        "## Against one's own face at rest",
        "",
        "Drawn people, clearly seen, go from rest into one shape after the other, in full: how much of it is told, by "
        "median over people (1 is all of it), and in brackets for how many percent of them at least a tenth. In bold "
        "what MediaPipe's blendshapes leave at rest.",
        "",
        line(["channel", *(judged.name for judged in rows)]),
        line(["---", *["---:"] * len(rows)]),
        *map(line, by_act(rows)),
        "",
        "## Definitions",
        "",
        *(f"- **{column.title}**: {column.definition}." for column in COLUMNS),
    ]
    return "\n".join(lines) + "\n"


def _pictures(rows: Sequence[VideoJudged], part: str) -> int:
    return sum(len(seen.held) for seen in rows[0].answers[part])


def judge(
    made: Sequence[Make], material: VideoMaterial, stores: Path, peer: FaceLandmarker | None = None
) -> tuple[list[VideoJudged], list[str]]:
    """A row for every subject; MediaPipe + solver is among them, as the teacher that others are held against.

    What `peer` costs beside them is a note.
    """
    subjects = [make() for make in made]
    told = {subject.name: answers(subject, material, stores) for subject in subjects}
    marks, notes = dlib_marks(material, stores)
    costs = costs_ms([*subjects, *([peer] if peer else [])], material)
    if peer and len(costs[-1]):
        p50, p95 = np.percentile(costs[-1], (50, 95))
        notes.append(
            f"{peer.name}, timed in the same run: {p50:.2f} ms a picture (p95 {p95:.2f}); "
            f"{subjects[0].name} takes {float(np.median(costs[0])) / p50:.2f} of that"
        )
    rows = [
        VideoJudged(
            subject.name,
            material,
            told[subject.name],
            told.get(MediaPipeSolver.name, {}),
            marks,
            subject.lookahead,
            subject.size_mb,
            first_ms(make, material),
            taken,
        )
        for subject, make, taken in zip(subjects, made, costs[: len(subjects)], strict=True)
    ]
    return rows, notes


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate video", description="How well faces are read from pictures."
    )
    parser.add_argument("--stores", type=Path, required=True, help="folder of the stores; results are kept there too")
    parser.add_argument("--data", type=Path, default=None, help="folder with MANIFEST.tsv")
    parser.add_argument(
        "--model", type=Path, default=MODEL, help="our face.onnx that is judged; its detector lies beside it"
    )
    parser.add_argument("--face-model", type=Path, default=None, help="face_landmarker.task; found as the driver does")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page that is written")
    given = parser.parse_args(arguments)
    material = load(given.data or shared_data(), given.stores)
    face_model = find_face_model(given.face_model)
    made, notes = makers(given.model, face_model)
    peer: FaceLandmarker | None = None
    try:
        peer = FaceLandmarker(face_model)
    except LandmarkerMissing as error:
        notes.append(str(error))
    rows, more = judge(made, material, given.stores, peer)
    notes += more + [f"{part}: {reason}" for part, reason in material.missing.items()]
    cells = [[cell(column, judged) for judged in rows] for column in COLUMNS]
    names = [judged.name for judged in rows]
    deliver(names, TITLES, cells, notes, page(rows, cells, notes, material), given.out)


if __name__ == "__main__":
    main()
