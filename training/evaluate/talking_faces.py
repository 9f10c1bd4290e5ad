"""A store of real talking faces:  python -m training.evaluate.talking_faces --out DIR [--data SHARED_DATA]

Every clip of the manifest's videos in which somebody is heard and seen talking becomes a clip of DIR/faces: its sound
and what its face does, from tracker and solver, less what the person's face is at rest. DIR/faces_lips/NAME.npz keeps
what the landmarks alone show of the lips (`gap`, `width`, `weight` [hops]; see `real_faces`). DIR/faces_sync.tsv has a
line for every clip with sound, also those left out: silent tracks, dubbed voices, songs.

Many clips of the web were muxed with an offset. One that is plain to see (the lips follow the voice and the loudness at
the same lag) and larger than 60 ms is taken out, and is in the table.

Splits go by person: who has enough clips to be learnt from keeps the manifest's splits; everybody else is for testing.

    ... --out DIR --data VIDEOS --in-sync

fills DIR/talkers (talkers_lips, talkers_sync.tsv) instead, with videos that are known to be in sync and of people who
talk: all of them as they come, for testing. What the search for sync keeps are lips that follow the loudness; a voice's
envelope does better with those than with everybody's.

It lives beside the evaluation, not with the other stores, because it needs the driver's tracker and solver.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from driver.capture.media import probe
from driver.face_model import find_face_model
from training.data.clips import HOP_S, HOP_SAMPLES, Clip, ClipInfo, ClipWriter, hop_times_s
from training.evaluate.real_faces import Floats, hear, level_db, on_hops, resting, see, sync_of

STORE, LIPS, SYNC = "faces", "faces_lips", "faces_sync.tsv"
TALKERS = "talkers"  # the store of those in sync; its lips and table are named likewise

_LEARNABLE_CLIPS = 20  # of one person; fewer teach nothing, and are worth more as a test
_KEPT_OFFSET_S = 0.06  # what the search for a clip's sync cannot tell from none
_ALIGN_UNITS_HZ = 25_000.0  # of GRID's word times
_SHORTEST_S = 2.5  # a clip in which sync can be told from chance

# A speaker whose lips hardly follow his loudness: in sync by phones. What a regression over folds of the clip predicts
# of the lips from a phone network's probabilities fits best here (mean r of opening, width, protrusion 0.27; the next
# peak 0.12).
_OFFSET_BY_PHONES_S = {"tanshuai0219+EDTalk.pose_source2": -0.14}

# Looked at and left out, whatever their sync says.
NOT_SPEECH = {
    "KwaiVGI+LivePortrait.d9": "smacks and a few sounds of the lips",
    "KwaiVGI+LivePortrait.d10": "faces made to a piece of music",
    "tanshuai0219+EDTalk.uncrop_Obama": "the speech of LIA's obama.mp4 once more, in another crop",
}


@dataclass(frozen=True)
class Line:
    """What the table says of a clip: how its lips follow its sound (see `real_faces.Sync`).

    is_kept   the clip is in the store      offset_s  how much earlier its pictures were put to match its sound
    seen      share of the clip in which the mouth is believed
    """

    name: str
    split: str
    use: str
    person: str
    seconds: float
    seen: float
    lag_s: float
    r: float
    level_lag_s: float
    offset_s: float
    is_kept: bool


@dataclass(frozen=True)
class Recording:
    """One line of the manifest: a video, its licence class, its split, and who is seen."""

    path: Path
    name: str
    use: str
    split: str
    person: str


def recordings(data: Path, in_sync: bool = False) -> list[Recording]:
    """The videos of DATA/MANIFEST.tsv, with splits by person; for testing, all of them, where they are `in_sync`."""
    with (data / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["kind"] == "video"]
    clips_of = Counter(row["person"] for row in rows if row["use"] == "free")
    return [
        Recording(
            path=data / row["path"],
            name=f"{Path(row['path']).parts[1]}.{Path(row['path']).stem}",
            use=row["use"],
            split=row["split"] if clips_of[row["person"]] >= _LEARNABLE_CLIPS and not in_sync else "test",
            person=row["person"],
        )
        for row in rows
    ]


def clip_of(
    recording: Recording, face_model: Path, in_sync: bool = False
) -> tuple[Line, Clip, dict[str, Floats]] | None:
    """The recording's line, itself as a clip, and its lips by landmarks; None when it has no sound or no face."""
    if not probe(recording.path).has_audio:
        return None
    seen, audio = see(recording.path, face_model), hear(recording.path)
    hops = min(len(audio) // HOP_SAMPLES, int(seen.times_s[-1] / HOP_S) + 1)
    audio = audio[: hops * HOP_SAMPLES]
    if not np.any(audio) or not np.any(seen.weight):
        return None
    rows = on_hops(seen, hops)
    sync = sync_of(audio, rows)
    # Recorded in sync, whatever three seconds look like.
    is_corpus = in_sync or recording.path.with_suffix(".align").is_file()
    is_off = sync.is_clear and not is_corpus and abs(sync.lag_s) > _KEPT_OFFSET_S
    offset_s = _OFFSET_BY_PHONES_S.get(recording.name, sync.lag_s if is_off else 0.0)
    is_talking = sync.is_clear or is_corpus or recording.name in _OFFSET_BY_PHONES_S
    if offset_s:
        rows = on_hops(replace(seen, times_s=seen.times_s - offset_s), hops)
    line = Line(
        **{name: getattr(recording, name) for name in ("name", "split", "use", "person")},
        seconds=hops * HOP_S,
        seen=float(np.mean(rows.weight > 0.5)),
        **asdict(sync),
        offset_s=offset_s,
        is_kept=is_talking and hops * HOP_S >= _SHORTEST_S and recording.name not in NOT_SPEECH,
    )
    # A person's way of talking is a style of its own.
    style = f"person_{recording.person}"
    info = ClipInfo(recording.name, recording.person, "video", "talking", recording.use, recording.split, style)
    motion = rows.motion - resting(rows, level_db(audio))
    clip = Clip(info, audio, motion, rows.weight, speech=_spoken(recording.path, hops))
    return line, clip, {"gap": rows.gap, "width": rows.width, "weight": rows.weight}


def _spoken(clip: Path, hops: int) -> Floats:
    """1 within the words of the .align file beside the clip, 0 in its silences; nothing where there is none."""
    words = clip.with_suffix(".align")
    if not words.is_file():
        return np.zeros(0, np.float32)
    spoken, times_s = np.zeros(hops, np.float32), hop_times_s(hops)
    for line in words.read_text(encoding="utf-8").splitlines():
        start, end, word = line.split()
        if word not in ("sil", "sp"):
            begin, stop = np.searchsorted(times_s, [int(start) / _ALIGN_UNITS_HZ, int(end) / _ALIGN_UNITS_HZ])
            spoken[begin:stop] = 1.0
    return spoken


def build(out: Path, data: Path, face_model: Path, in_sync: bool = False) -> Iterator[Line]:
    """Fill the store at `out`, continuing one that was cut off; yields the line of every clip with sound and face."""
    store, lips_folder, table = (
        (out / TALKERS, out / f"{TALKERS}_lips", out / f"{TALKERS}_sync.tsv")
        if in_sync
        else (out / STORE, out / LIPS, out / SYNC)
    )
    lips_folder.mkdir(parents=True, exist_ok=True)
    if not table.exists():
        table.write_text("\t".join(field.name for field in fields(Line)) + "\n")
    with ClipWriter(store) as writer, table.open("a+") as sheet:
        sheet.seek(0)
        done = {line.split("\t")[0] for line in sheet}
        for recording in recordings(data, in_sync):
            made = None if recording.name in done else clip_of(recording, face_model, in_sync)
            if made is None:
                continue
            line, clip, lips = made
            if line.is_kept:
                np.savez_compressed(lips_folder / f"{recording.name}.npz", **lips)  # type: ignore[arg-type]
                writer.add(clip)
            cells = [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in asdict(line).values()]
            sheet.write("\t".join(cells) + "\n")
            sheet.flush()
            yield line


def shared_data() -> Path:
    """Where the shared data lies when nobody says: AVATAR_DRIVER_DATA, or beside the repository."""
    return Path(os.environ.get("AVATAR_DRIVER_DATA", Path(__file__).parents[3] / "shared" / "data"))


def main() -> None:
    parser = argparse.ArgumentParser(description="A store of real talking faces: sound and solved motion.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the stores")
    parser.add_argument("--data", type=Path, default=None, help="folder with MANIFEST.tsv")
    parser.add_argument("--face-model", type=Path, default=None, help="face_landmarker.task; found as the driver does")
    parser.add_argument("--in-sync", action="store_true", help="all videos are of talkers and in sync: keep them all")
    arguments = parser.parse_args()
    data = shared_data() if arguments.data is None else arguments.data
    for line in build(arguments.out, data, find_face_model(arguments.face_model), arguments.in_sync):
        kept = f"kept, offset {1e3 * line.offset_s:+.0f} ms" if line.is_kept else "left out"
        print(
            f"{line.name}: {line.split} {line.seconds:.1f} s, seen {line.seen:.0%}, "
            f"r {line.r:+.2f} at {1e3 * line.lag_s:+.0f} ms ({1e3 * line.level_lag_s:+.0f} by loudness), {kept}",
            flush=True,
        )


if __name__ == "__main__":
    main()
