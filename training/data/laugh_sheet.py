"""The contact sheet of a laugh, to be looked at after a change:

    python -m training.data.laugh_sheet --store DIR/laughter

For each style the clip whose laugh is nearest the middle of its kind: nine instants of the face that the store says,
and beneath them the sound, the laughter, the jaw and the smile over time. Written to docs/audio/laugh_target.webp.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, open_head
from models.head.picture import Picture, render
from protocol.frame import ARKIT_SHAPES
from training.data.bursts import burst_peaks, loudness_db
from training.data.clips import HOP_S, HOP_SAMPLES, Clip, ClipStore

FRAMES = 9
STYLES = ("polite", "giggle", "hearty")
_TILE, _GRAPH_PX = (190, 226), 64
_BEFORE_S, _AFTER_S = 0.3, 1.2
_INK, _PAPER = (40, 40, 46), (250, 250, 250)
_CURVES = {"laughter": (225, 180, 60), "jawOpen": (200, 60, 50), "mouthSmileLeft": (50, 110, 200)}


def strip(clip: Clip, heard: NDArray[np.floating] | None = None) -> Picture:
    """One clip: faces above, curves below, the width of all faces.

    The stretch is that of the clip's laughter; `heard` [hops] is drawn in its place, where a model's own is to be seen.
    """
    head = open_head()
    rig, arkit = FaceRig(head), ArkitMap(head)
    active = np.flatnonzero(np.nan_to_num(clip.laughter) > 0.5)
    first = max(0, active[0] - round(_BEFORE_S / HOP_S))
    gaps = np.flatnonzero(np.diff(active) > _AFTER_S / HOP_S)
    last = min(
        clip.hops - 1, active[gaps[0] if len(gaps) else -1] + round(_AFTER_S / HOP_S), first + round(4.0 / HOP_S)
    )
    peaks = burst_peaks(loudness_db(clip.audio))
    hops = [_nearest(hop, peaks) for hop in np.linspace(first, last, FRAMES).round().astype(int)]
    faces: list[Picture] = []
    lids, gaze = np.zeros(2, np.float32), np.zeros(4, np.float32)
    for hop in hops:
        vertices = rig.vertices(clip.motion[hop, :50], clip.motion[hop, 50:], lids, gaze)
        faces.append(render(vertices, head, yaw_rad=0.12, size=_TILE, height_m=0.225))
    weights = np.stack([
        arkit.to_arkit(clip.motion[hop, :50], clip.motion[hop, 50:], lids, gaze) for hop in range(first, last + 1)
    ])  # fmt: skip
    shown = clip.laughter if heard is None else heard
    curves = {"laughter": np.nan_to_num(shown[first : last + 1])}
    curves |= {name: weights[:, ARKIT_SHAPES.index(name)] for name in ("jawOpen", "mouthSmileLeft")}
    sound = clip.audio[first * HOP_SAMPLES : (last + 1) * HOP_SAMPLES]
    title = f"{clip.info.style}: {clip.info.name}"
    return np.vstack([np.hstack(faces), _graph(sound, curves, [hop - first for hop in hops], title)])


def _nearest(hop: int, peaks: NDArray[np.int64]) -> int:
    """The burst's peak beside `hop`, if one is within 0.1 s: faces are shown where the mouth is widest."""
    near = peaks[np.abs(peaks - hop) <= 5]
    return int(near[0]) if len(near) else int(hop)


def _graph(
    sound: NDArray[np.floating], curves: dict[str, NDArray[np.floating]], marks: list[int], title: str
) -> Picture:
    width = FRAMES * _TILE[0]
    picture = Image.new("RGB", (width, _GRAPH_PX), _PAPER)
    draw = ImageDraw.Draw(picture)
    columns = np.array_split(np.abs(sound) / max(float(np.abs(sound).max()), 1e-6), width)
    for x, column in enumerate(columns):
        height = float(column.max()) * (_GRAPH_PX / 2 - 2)
        draw.line([(x, _GRAPH_PX / 2 - height), (x, _GRAPH_PX / 2 + height)], fill=(205, 208, 214))
    for name, values in curves.items():
        x = np.linspace(0, width - 1, len(values))
        y = _GRAPH_PX - 3 - values * (_GRAPH_PX - 6)
        draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=_CURVES[name], width=2)
    count = len(next(iter(curves.values())))
    for mark in marks:
        draw.line([(mark / count * width, 0), (mark / count * width, 8)], fill=_INK, width=2)
    draw.text((6, 2), title, fill=_INK)
    return np.asarray(picture)


def chosen(store: ClipStore, style: str) -> Clip:
    """The clip of `style` with a single bout of middling jaw movement."""
    clips = [
        store[number]
        for number, info in enumerate(store.infos)
        if info.style == style and info.kind == "laughter" and "@" not in info.name
    ]
    if not clips:
        raise ValueError(f"the store has no laugh of style {style}; build it with training.data.build_laughter")
    moves = np.array([float(np.percentile(clip.motion[:, 50], 98)) for clip in clips])
    return clips[int(np.argsort(moves)[len(moves) // 2])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="the folder that build_laughter calls DIR/laughter")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "docs" / "audio" / "laugh_target.webp")
    arguments = parser.parse_args()
    store = ClipStore(arguments.store)
    sheet = np.vstack([strip(chosen(store, style)) for style in STYLES])
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(arguments.out, quality=82, method=6)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
