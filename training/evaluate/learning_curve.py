"""The figures of runs over their steps, drawn:

python -m training.evaluate.learning_curve --run with=runs/emoca --run without=runs/without --out FILE.webp \\
    --panel "points, mm=heads_moved_points_mm,heads_base_points_mm" --panel "features' distance=heads_moved_distance"

A panel has one axis, whose title stands before the "="; it shows the figures behind it, of every run that has them.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Sheet = NDArray[np.uint8]

_SIZE_PX = (400, 260)
_LEFT_PX, _RIGHT_PX, _BOTTOM_PX = 52, 14, 34
_LINE_PX, _TITLE_PX = 15, 20
_DOT_PX = 2
_GAPS = 4
_FINER = 3
_WHITE, _BLACK, _PALE = (255, 255, 255), (0, 0, 0), (225, 225, 225)
_COLOURS = ((200, 50, 40), (35, 90, 190), (225, 140, 0), (40, 145, 70), (130, 80, 170), (130, 130, 130))
_WEBP = [cv2.IMWRITE_WEBP_QUALITY, 90]


@dataclass(frozen=True)
class Line:
    """One figure of one run: `values` [N] at `steps` [N], which rise."""

    name: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]


def lines_of(runs: dict[str, Path], figures: list[str]) -> list[Line]:
    """The figures of each run that has them, over the validations that told them.

    ValueError for a figure that no run has. Of a step that was judged twice, in a run that was gone on with, the later.
    """
    found: list[Line] = []
    for figure in figures:
        own: list[Line] = []
        for run, folder in runs.items():
            told = (json.loads(line) for line in (folder / "figures.jsonl").read_text(encoding="utf-8").splitlines())
            known = (row for row in told if math.isfinite(row.get(figure, math.nan)))
            values: dict[int, float] = {row["step"]: row[figure] for row in known}
            if values:
                steps = np.array(sorted(values), np.float64)
                parts = (run, figure.replace("_", " ") if len(figures) > 1 or not run else "")
                name = " ".join(part for part in parts if part)
                own.append(Line(name, steps, np.array([values[int(step)] for step in steps])))
        if not own:
            raise ValueError(f"no run has the figure {figure!r}; their figures.jsonl say which there are")
        found += own
    return found


def round_ticks(low: float, high: float) -> NDArray[np.float64]:
    """About `_GAPS` equal steps of 1, 2, 2.5 or 5 times a power of ten, from below `low` to above `high`."""
    wanted = max(high - low, 1e-9 * max(abs(high), 1.0)) / _GAPS
    power = 10.0 ** math.floor(math.log10(wanted))
    gap = power * next(size for size in (1.0, 2.0, 2.5, 5.0, 10.0) if size * power >= wanted * (1.0 - 1e-9))
    first, last = math.floor(low / gap + 1e-9), math.ceil(high / gap - 1e-9)
    return np.asarray(gap * np.arange(first, last + 1), np.float64)


def panel(title: str, lines: list[Line]) -> Sheet:
    """One axis with its lines; the names above it, in the lines' colours."""
    width, height = _SIZE_PX
    top = _TITLE_PX + _LINE_PX * len(lines) + 10
    values = np.concatenate([line.values for line in lines])
    ticks = round_ticks(float(values.min()), float(values.max()))
    last = max(float(line.steps[-1]) for line in lines)
    sheet = np.full((height * _FINER, width * _FINER, 3), 255, np.uint8)

    def at(step: float, value: float) -> tuple[int, int]:
        share = (value - ticks[0]) / (ticks[-1] - ticks[0])
        x = _LEFT_PX + step / last * (width - _LEFT_PX - _RIGHT_PX)
        y = height - _BOTTOM_PX - share * (height - _BOTTOM_PX - top)
        return round(x * _FINER), round(y * _FINER)

    def write(text: str, x: float, y: float, colour: tuple[int, int, int]) -> None:
        place = (round(x * _FINER), round(y * _FINER))
        cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38 * _FINER, colour, _FINER, cv2.LINE_AA)

    write(title, 8, 14, _BLACK)
    for tick in ticks:
        cv2.line(sheet, at(0, tick), at(last, tick), _BLACK if tick == ticks[0] else _PALE, _FINER)
        write(f"{tick:.4g}", 8, at(0, tick)[1] / _FINER + 4, _BLACK)
    for step in round_ticks(0, last):
        if step <= last:
            text = f"{step:g}"
            write(text, at(step, 0)[0] / _FINER - 3.5 * len(text), height - _BOTTOM_PX + 16, _BLACK)
    write("steps", width - _RIGHT_PX - 34, height - 4, _BLACK)
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        places = np.array([at(step, value) for step, value in zip(line.steps, line.values, strict=True)], np.int32)
        cv2.polylines(sheet, [places], False, colour, 2 * _FINER, cv2.LINE_AA)
        for x, y in places.tolist():
            cv2.circle(sheet, (x, y), _DOT_PX * _FINER, colour, -1, cv2.LINE_AA)
        write(f"{line.name}: {line.values[-1]:.3g}", _LEFT_PX, _TITLE_PX + _LINE_PX * number + 12, colour)
    return np.asarray(cv2.resize(sheet, _SIZE_PX, interpolation=cv2.INTER_AREA), np.uint8)


def learning_curve(runs: dict[str, Path], panels: list[tuple[str, list[str]]]) -> Sheet:
    """All panels (title, figures), two in a row, RGB."""
    drawn = [panel(title, lines_of(runs, figures)) for title, figures in panels]
    if len(drawn) > 1 and len(drawn) % 2:
        drawn.append(np.full_like(drawn[0], 255))
    rows = [np.hstack(drawn[first : first + 2]) for first in range(0, len(drawn), 2)]
    return np.vstack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="append", required=True, help="a run's folder, or NAME=FOLDER")
    parser.add_argument("--panel", action="append", required=True, help="TITLE=FIGURE,...")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    given = (run.rpartition("=") for run in chosen.run)
    runs = {name: Path(folder) for name, _, folder in given}
    panels = [(title, figures.split(",")) for title, _, figures in (part.rpartition("=") for part in chosen.panel)]
    try:
        sheet = learning_curve(runs, panels)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(chosen.out), sheet[:, :, ::-1], _WEBP if chosen.out.suffix == ".webp" else [])


if __name__ == "__main__":
    main()
