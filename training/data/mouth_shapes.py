"""Pictures of what the articulatory table does to the open head, to be looked at after a change:

    python -m training.data.mouth_shapes [--out docs/audio]

mouth_shapes.jpg   every phone, held, at its class; the gap between the lips in mm on each
sentence.jpg       "Mama made pop music for five blue fish", a picture every 60 ms
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.head.flame import FaceRig, open_head
from models.head.picture import Picture, render
from training.data.clips import HOP_S
from training.data.coarticulation import face_of_phones, motion_of_faces
from training.data.lips import lip_gap_mm
from training.data.phones import SILENCE, Phone
from training.data.styles import STYLES, Style

_QUALITY = 80
_TURN_RAD = 0.45
_HELD_S = 0.4
_PLAIN = Style(variation=0.0, brow=0.0)
# What the sheet shows, a row each.
SHEET: tuple[tuple[str, str], ...] = (
    ("lips sealed", "p b m"),
    ("lip at the teeth", "f v ʋ"),
    ("open", "a ɑ ɐ ʌ ə ɜ ɚ"),
    ("spread", "i ɪ e ɛ æ ɨ ɯ"),
    ("rounded", "u ʊ o ɔ ɒ y ø œ w ɥ"),
    ("teeth", "s z ʃ ʒ ɕ ʂ θ ð"),
    ("tongue and palate", "t d n l ɾ r ɹ j ɲ ç ɬ"),
    ("back", "k ɡ ŋ x q ʁ h ʔ ħ"),
    ("others", "sil breath β ɸ"),
)
# The sentence: phone, length in ms, stress.
_SENTENCE = (
    "m 80 2, a 120 2, m 70 0, ə 70 0, m 75 2, e 90 2, ɪ 60 2, d 55 0, p 85 2, ɒ 120 2, p 80 0, m 70 2, j 50 2, "
    "u 110 2, z 70 0, ɪ 60 0, k 75 0, f 80 0, ɔ 80 0, f 90 2, a 110 2, ɪ 60 2, v 70 0, b 70 2, l 55 2, u 150 2, "
    "f 95 2, ɪ 90 2, ʃ 150 0"
)


def held(symbol: str, style: Style = _PLAIN) -> np.ndarray:
    """Motion [53] at the middle of a long `symbol` said by itself, as the table has it."""
    phones = [Phone(symbol, HOP_S * 10, HOP_S * 10 + _HELD_S, stress=1)]
    hop = 10 + round(0.45 * _HELD_S / HOP_S)
    return motion_of_faces(face_of_phones(phones, 2 * hop, style=style, filmed=False))[hop]


def sentence() -> list[Phone]:
    """The example sentence, from 0.3 s on."""
    phones, time_s = [], 0.3
    for entry in _SENTENCE.split(", "):
        symbol, length_ms, stress = entry.split()
        end_s = time_s + 1e-3 * float(length_ms)
        phones.append(Phone(symbol, time_s, end_s, int(stress)))
        time_s = end_s
    return phones


def mouth_sheet() -> Picture:
    rows = [(title, [(symbol, held(symbol)) for symbol in symbols.split()]) for title, symbols in SHEET]
    return _page(rows, columns=11)


def sentence_strip(style: Style = STYLES["neutral"], step_hops: int = 3) -> Picture:
    phones = sentence()
    motion = motion_of_faces(face_of_phones(phones, round(phones[-1].end_s / HOP_S) + 8, style=style))
    cells = []
    for hop in range(12, len(motion), step_hops):
        time_s = (hop + 1) * HOP_S
        symbol = next((p.symbol for p in phones if p.start_s <= time_s < p.end_s), SILENCE)
        cells.append((f"{symbol} {time_s:.2f}s", motion[hop]))
    return _page([("", cells[i : i + 11]) for i in range(0, len(cells), 11)], columns=11)


def _page(rows: Sequence[tuple[str, Sequence[tuple[str, np.ndarray]]]], columns: int) -> Picture:
    """Lower faces, from the front and turned, a row each, with label and gap between the lips."""
    width, height, caption, margin = 124, 112, 16, 96
    page = Image.new("RGB", (margin + columns * width, len(rows) * (2 * height + caption)), "white")
    draw, font = ImageDraw.Draw(page), _font()
    for row, (title, cells) in enumerate(rows):
        top = row * (2 * height + caption)
        draw.text((6, top + height), title.replace(" ", "\n"), fill=(0, 0, 0), font=font)
        for column, (label, motion) in enumerate(cells):
            left, gap_mm = margin + column * width, float(lip_gap_mm(motion))
            draw.text((left + 4, top + 1), f"{label}   {gap_mm:+.1f} mm", fill=(30, 30, 30), font=font)
            for view, yaw_rad in enumerate((0.0, _TURN_RAD)):
                picture = Image.fromarray(_mouth(motion, yaw_rad, (width, height)))
                page.paste(picture, (left, top + caption + view * height))
    return np.asarray(page)


def _mouth(motion: np.ndarray, yaw_rad: float, size: tuple[int, int]) -> Picture:
    head = open_head()
    vertices = _rig().vertices(motion[:50], motion[50:], np.zeros(2), np.zeros(4))
    return render(vertices, head, yaw_rad=yaw_rad, size=size, height_m=0.11, centre_m=(0.0, -0.048, 0.045))


@cache
def _rig() -> FaceRig:
    return FaceRig(open_head())


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype("DejaVuSans.ttf", 12)
    except OSError:  # Pillow's own has no phonetic letters
        return ImageFont.load_default(12)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the mouth shapes of the articulatory table.")
    parser.add_argument("--out", type=Path, default=Path("docs/audio"))
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in (("mouth_shapes", mouth_sheet()), ("sentence", sentence_strip())):
        path = folder / f"{name}.jpg"
        Image.fromarray(picture).save(path, quality=_QUALITY)
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
