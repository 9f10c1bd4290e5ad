"""Clips as stores that the voice learns from:  python -m training.curation.stores DIR --out STORES --use USE

Fills STORES/curated_talk and STORES/curated_laugh (`training.data.clips`) with the clips of a curation that nobody
rejected, or, with --only-accepted, that somebody accepted. Recipes take them by name:

    python -m training.run talk data.stores.curated_talk=0.2
    python -m training.run laugh data.stores.curated_laugh=0.3

The motion is the lifted one at the ends of hops, less what the face of its video is at rest; where the mouth was not
seen it has no weight. Videos, not clips, are split: one in ten is held out. Of whom a video is, nobody knows, unless
--data names a folder whose MANIFEST.tsv says it (columns path, use, split, person; what is not in it is left out).
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from driver.errors import AvatarDriverError, RunError
from protocol.frame import REGIONS
from training.curation.item import LAUGH, TALK, Item
from training.curation.selection import selected
from training.curation.speaker import opening
from training.data.clips import HOP_SAMPLES, Clip, ClipInfo, ClipWriter, Floats, hop_times_s
from training.evaluate.real_faces import FaceRows, level_db, resting

STORES = {TALK: "curated_talk", LAUGH: "curated_laugh"}
# Of a filmed talker the voice learns the mouth alone; of one who laughs, all of the face (see training.data.excerpts).
_KINDS = {TALK: "talking", LAUGH: "laughter"}
USES = ("free", "free-sharealike", "weights", "research")
_MOUTH = REGIONS.index("mouth")
_HELD_OUT = 10  # one of so many videos
_STYLE_CLIPS = 20  # of one person; fewer tell a style from nobody's by what was said


@dataclass(frozen=True)
class Origin:
    """What is known of a video: what may be done with it, its split, and who is seen."""

    use: str
    split: str
    person: str


def origin_of(item: Item, use: str) -> Origin:
    """Of a video of which nothing is known but its use: a person of its own, held out by its content."""
    held_out = int(item.content, 16) % _HELD_OUT == 0
    return Origin(use, "val" if held_out else "train", item.content)


def origins(data: Path) -> dict[Path, Origin]:
    """The videos of DATA/MANIFEST.tsv by their resolved path. RunError when there is none."""
    table = data / "MANIFEST.tsv"
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        return {
            (data / row["path"]).resolve(): Origin(row["use"], row["split"], row["person"] or Path(row["path"]).stem)
            for row in rows
        }
    except OSError as error:
        raise RunError(f"{table} cannot be read ({error.strerror}); leave --data out, and give --use") from error
    except KeyError as error:
        raise RunError(f"{table} has no column {error.args[0]!r}; it needs path, use, split and person") from error


def clips_of(items: Iterable[Item], origin: Origin, style: str = "") -> list[Clip]:
    """The clips of one video for a store, less the face at rest of all of them together."""
    items = list(items)
    rows = [rows_of(item) for item in items]
    together = FaceRows(
        *(np.concatenate([getattr(each, name) for each in rows]) for name in ("motion", "weight", "gap", "width"))
    )
    rest = resting(together, np.concatenate([level_db(_sound(item)) for item in items]))
    return [
        Clip(
            info=ClipInfo(
                name=item.key,
                voice=origin.person,
                source=Path(item.source).name,
                kind=_KINDS[item.subset],
                use=origin.use,
                split=origin.split,
                style=style,
            ),
            audio=_sound(item),
            motion=each.motion - rest,
            motion_weight=each.weight,
            speech=item.arrays["speech"],
            laughter=item.arrays["laughter"],
        )
        for item, each in zip(items, rows, strict=True)
    ]


def rows_of(item: Item) -> FaceRows:
    """The clip's motion at the ends of its hops, between pictures on straight lines."""
    at_s = item.begin_s + hop_times_s(len(item.arrays["audio"]) // HOP_SAMPLES)
    times_s, arrays = item.arrays["times_s"], item.arrays
    columns = np.concatenate(
        [
            arrays["expression"],
            arrays["jaw"],
            arrays["confidence"][:, _MOUTH, None],
            opening(arrays["points"])[:, None],
        ],
        axis=1,
    )
    rows = np.stack([np.interp(at_s, times_s, column) for column in columns.T], axis=1).astype(np.float32)
    return FaceRows(rows[:, :-2], rows[:, -2], rows[:, -1], np.zeros(len(rows), np.float32))


def build(folder: Path, out: Path, use: str, known: dict[Path, Origin] | None, only_accepted: bool) -> Counter[str]:
    """Fill the stores of OUT; how many clips each got, and "left out" those of videos that nobody knows."""
    counts = Counter[str]()
    items = sorted(selected(folder, only_accepted), key=lambda item: (item.content, item.begin_s))
    videos = list[tuple[Origin, list[Item]]]()
    of_person = Counter[str]()
    for _, group in groupby(items, key=lambda item: item.content):
        of_video = list(group)
        origin = origin_of(of_video[0], use) if known is None else known.get(Path(of_video[0].source).resolve())
        if origin is None:
            counts["left out"] += len(of_video)
            continue
        videos.append((origin, of_video))
        of_person[origin.person] += len(of_video)
    with ClipWriter(out / STORES[TALK]) as talk, ClipWriter(out / STORES[LAUGH]) as laugh:
        writers = {TALK: talk, LAUGH: laugh}
        for origin, of_video in videos:
            # A person who is heard often has a style of their own, which a user may choose; others are nobody's.
            style = f"person_{origin.person}" if of_person[origin.person] >= _STYLE_CLIPS else ""
            for item, clip in zip(of_video, clips_of(of_video, origin, style), strict=True):
                writers[item.subset].add(clip)
                counts[STORES[item.subset]] += 1
    return counts


def _sound(item: Item) -> Floats:
    return np.asarray(item.arrays["audio"], np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Build the stores. Returns 1 when they cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m training.curation.stores", description="Clips as voice stores.")
    parser.add_argument("folder", type=Path, help="--out of a finished python -m training.curation")
    parser.add_argument("--out", type=Path, required=True, help="folder of the stores, as recipes name it: runs/data")
    known = parser.add_mutually_exclusive_group(required=True)
    known.add_argument("--use", choices=USES, help="what may be done with all of the videos")
    known.add_argument("--data", type=Path, help="folder with a MANIFEST.tsv that says it of each")
    parser.add_argument("--only-accepted", action="store_true", help="clips that somebody accepted in the review")
    chosen = parser.parse_args(arguments)
    try:
        of_each = origins(chosen.data) if chosen.data else None
        counts = build(chosen.folder, chosen.out, chosen.use or "", of_each, chosen.only_accepted)
    except (AvatarDriverError, OSError) as error:
        print(f"training.curation.stores: {error}", file=sys.stderr)
        return 1
    for name, count in sorted(counts.items()):
        print(f"{name}: {count} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
