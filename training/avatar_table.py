"""Writes the avatar codec's tables, for Python and JavaScript: `python -m training.avatar_table RECORDING.adrec ...`.

Levels come from the open head: a shape has as many as it moves the landmarks that it moves most, counted in FINEST_MM.
Chances come from the recordings, coded as the codec codes them: how often
a difference is 0, and how often it is more, given that it is at least so much.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, open_head
from models.head.landmarks import open_head_landmarks
from protocol.frame import ARKIT_SHAPES, FaceFrame
from protocol.msgpack_codec import decode
from protocol.recording_format import KIND_PACKET, RecordingReader

_ROOT = Path(__file__).parents[1]
_CLIENT = _ROOT / "driver" / "web" / "client"

FINEST_MM = 0.1
FEWEST_LEVELS = 8
RATE_HZ = 30.0
KEY_EVERY = 4

# Besides what was recorded, something else happens in one of a hundred frames: mostly nothing, seldom much.
_UNSEEN, _UNSEEN_ZERO, _UNSEEN_MORE = 0.01, 0.7, 0.5
# Of 478 landmarks.
_MOST_MOVED = 20
_COMMAND = "python -m training.avatar_table RECORDING.adrec ..."


def levels() -> dict[str, int]:
    """How many steps each ARKit weight has between 0 and 1, by name."""
    head = open_head()
    arkit = ArkitMap(head)
    embedding = open_head_landmarks()
    corners = head.f[embedding.triangles]
    rig = FaceRig(head, vertex_ids=corners.reshape(-1))

    def landmarks_m(*names: str) -> NDArray[np.float64]:
        weights = np.array([name in names for name in ARKIT_SHAPES], np.float32)
        at_corners = rig.vertices(*arkit.to_motion(weights)).reshape(*corners.shape, 3)
        return np.einsum("lk,lkc->lc", embedding.barycentric, at_corners).astype(np.float64)

    found: dict[str, int] = {}
    for name in ARKIT_SHAPES:
        others = ("jawOpen",) if name == "mouthClose" else ()  # it closes lips that are open
        moved_m = np.linalg.norm(landmarks_m(name, *others) - landmarks_m(*others), axis=1)
        most_mm = 1000 * float(np.sort(moved_m)[-_MOST_MOVED:].mean())
        found[name] = max(FEWEST_LEVELS, round(most_mm / FINEST_MM))
    return found


def frames_of(path: Path) -> Iterator[FaceFrame]:
    """The frames of a recording, at most RATE_HZ a second."""
    due_ns = 0
    with path.open("rb") as stream:
        for record in RecordingReader(stream):
            frame = decode(record.payload) if record.kind == KIND_PACKET else None
            if isinstance(frame, FaceFrame) and frame.publish_ns >= due_ns:
                due_ns = frame.publish_ns + round(0.75e9 / RATE_HZ)
                yield frame


def chances(takes: Sequence[Sequence[FaceFrame]]) -> tuple[list[str], list[str]]:
    """For key frames and for differences, a row for each quantiser: hex of (zero, more) in 256ths, number by number."""
    # Needs the levels, which may be new.
    from protocol.avatar_values import HIGHEST, LOWEST, MULTIPLIERS, integers_of

    wanted = [np.array([integers_of(frame) for frame in take]) for take in takes]
    alone: list[str] = []
    apart: list[str] = []
    for multiplier in MULTIPLIERS:
        keys = [np.rint(take / multiplier).astype(np.int64) for take in wanted]
        references = [np.clip(multiplier * key, LOWEST, HIGHEST) for key in keys]
        differences = [
            np.rint((take[age:] - reference[:-age]) / multiplier)
            for take, reference in zip(wanted, references, strict=True)
            for age in range(1, 2 * KEY_EVERY)
        ]
        alone.append(_fitted(np.concatenate(keys)))
        apart.append(_fitted(np.concatenate(differences)))
    return alone, apart


def _fitted(differences: NDArray[np.number]) -> str:
    sizes = np.minimum(np.abs(differences), 16)
    unseen = _UNSEEN * len(sizes)
    zero = ((sizes == 0).sum(0) + unseen * _UNSEEN_ZERO) / (len(sizes) + unseen)
    more = np.maximum(sizes - 1, 0).sum(0)
    stops = ((sizes > 0) & (sizes < 16)).sum(0)
    further = (more + unseen * _UNSEEN_MORE) / (more + stops + unseen)
    pairs = np.clip(np.rint(256 * np.stack([zero, further], 1)), 1, 255)
    return pairs.astype(np.uint8).tobytes().hex()


def write_levels(counts: dict[str, int]) -> None:
    """protocol/avatar_levels.py."""
    rows = "".join(f"    {count},  # {name}\n" for name, count in counts.items())
    text = f'''"""Steps between 0 and 1 of each ARKit weight in the avatar codec.

Written by `{_COMMAND}`.
"""

from __future__ import annotations

# A step moves those points of the open head's face that the shape moves most by {FINEST_MM} mm; never fewer
# than {FEWEST_LEVELS}.
LEVELS: tuple[int, ...] = (
{rows})
'''
    (_ROOT / "protocol" / "avatar_levels.py").write_text(text, encoding="utf-8")


def write_chances(alone: list[str], apart: list[str]) -> None:
    """protocol/avatar_chances.py."""

    def rows(texts: list[str]) -> str:
        lines = ["".join(f'        "{text[at : at + 100]}"\n' for at in range(0, len(text), 100)) for text in texts]
        return "".join(f"    (\n{line}    ),\n" for line in lines)

    text = f'''"""How likely the avatar codec's numbers are. Written by `{_COMMAND}`.

Hexadecimal: for each of four quantisers two bytes a number, in 256ths: the chance of 0, and the chance that a number
which is n or more is more than n.
"""

from __future__ import annotations

_ALONE = (
{rows(alone)})
_APART = (
{rows(apart)})


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    values = bytes.fromhex(text)
    return tuple(zip(values[::2], values[1::2], strict=True))


# [quantiser][number] -> (zero, more); of key frames, and of the differences to one.
KEY_CHANCES = tuple(map(_pairs, _ALONE))
DIFFERENCE_CHANCES = tuple(map(_pairs, _APART))
'''
    (_ROOT / "protocol" / "avatar_chances.py").write_text(text, encoding="utf-8")


def script_table() -> str:
    """driver/web/client/avatar_table.js: the same tables, as the Python files have them."""
    from protocol.avatar_chances import DIFFERENCE_CHANCES, KEY_CHANCES
    from protocol.avatar_levels import LEVELS
    from protocol.avatar_values import HIGHEST, LOWEST, STEPS

    def rows(chances: tuple[tuple[tuple[int, int], ...], ...]) -> str:
        texts = [bytes(value for pair in row for value in pair).hex() for row in chances]
        return "".join(f'  "{text}",\n' for text in texts)

    rest = slice(len(LEVELS), None)
    return f"""\
/** The avatar codec's tables. Written by `{_COMMAND}`. */

/** Steps between 0 and 1 of each ARKit weight. */
export const LEVELS = {json.dumps(LEVELS)};
/** Of the numbers after them: step, least, greatest. */
export const STEPS = {json.dumps(STEPS[rest].tolist())};
export const LOWEST = {json.dumps(LOWEST[rest].tolist())};
export const HIGHEST = {json.dumps(HIGHEST[rest].tolist())};

/** @param {{string}} text */
const pairs = (text) => Array.from({{ length: text.length / 4 }}, (_, index) =>
  [parseInt(text.slice(4 * index, 4 * index + 2), 16), parseInt(text.slice(4 * index + 2, 4 * index + 4), 16)]);

/** [quantiser][number] -> chances of zero and of more, in 256ths: of key frames, and of differences to one. */
export const KEY_CHANCES = [
{rows(KEY_CHANCES)}].map(pairs);
export const DIFFERENCE_CHANCES = [
{rows(DIFFERENCE_CHANCES)}].map(pairs);
"""


def script_motion() -> str:
    """driver/web/client/open_head_motion.js: what each ARKit weight does to the open head's motion, which is linear."""
    arkit = ArkitMap(open_head())
    table = np.stack([np.concatenate(arkit.motion_change(one)) for one in np.eye(len(ARKIT_SHAPES))])
    rows = "".join(f"  {json.dumps([round(value, 4) or 0 for value in row])},\n" for row in table.tolist())
    return f"""\
/** ARKit weights to the open head's motion. Written by `{_COMMAND}`. */

/** For each weight at 1: expression [50], jaw [3], eyelids [2], gaze [4]. */
export const OPEN_HEAD_MOTION = [
{rows}];
"""


def main() -> None:
    """Write all tables anew; chances from the recordings on the command line."""
    parser = argparse.ArgumentParser(description="Write the avatar codec's tables.")
    parser.add_argument("recordings", nargs="+", type=Path, metavar="FILE.adrec")
    paths = parser.parse_args().recordings
    write_levels(levels())
    write_chances(*chances([list(frames_of(path)) for path in paths]))
    (_CLIENT / "avatar_table.js").write_text(script_table(), encoding="utf-8")
    (_CLIENT / "open_head_motion.js").write_text(script_motion(), encoding="utf-8")


if __name__ == "__main__":
    main()
