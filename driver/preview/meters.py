"""Every channel of a frame as bars of text and colour: one piece of HTML, so that sixty meters are one message."""

from __future__ import annotations

import math
from collections.abc import Iterator

from protocol.frame import ARKIT_SHAPES, REGIONS, FaceFrame

_GAZE = ("left pitch", "left yaw", "right pitch", "right yaw")
_JAW = ("jaw opens", "jaw yaw", "jaw roll")
_LIDS = ("left lid", "right lid")
_FULL_GAZE_RAD, _FULL_JAW_RAD = math.radians(30), 0.5

_ROW = (
    '<div style="display:flex;gap:6px;line-height:1.25"><span style="flex:0 0 10.5em">{name}</span>'
    '<span style="flex:1;background:#8883;align-self:center;height:7px;position:relative">'
    '<span style="position:absolute;left:{left:.1f}%;width:{width:.1f}%;height:7px;background:{colour}"></span></span>'
    '<span style="flex:0 0 3.6em;text-align:right">{text}</span></div>'
)
_HEADING = '<div style="margin-top:6px;opacity:.6">{}</div>'


def meters_html(frame: FaceFrame) -> str:
    """A heading and rows for confidence, jaw, lids, gaze and ARKit's 52."""
    return '<div style="font:11px monospace;padding:0 1em">' + "".join(_lines(frame)) + "</div>"


def _lines(frame: FaceFrame) -> Iterator[str]:
    yield _HEADING.format("confidence")
    for name, value in zip(REGIONS, frame.confidence.tolist(), strict=True):
        yield _bar(name.replace("_", " "), value, "#4caf50")
    for word, value in (("speech", frame.speech), ("laughter", frame.laughter)):
        yield _bar(word, value, "#4caf50")
    yield _HEADING.format("jaw, lids, gaze; degrees, lids 0..1")
    for name, value in zip(_JAW, frame.jaw.tolist(), strict=True):
        yield _centred(name, value, _FULL_JAW_RAD)
    for name, value in zip(_LIDS, frame.eyelids.tolist(), strict=True):
        yield _bar(name, value, "#42a5f5")
    for name, value in zip(_GAZE, frame.gaze.tolist(), strict=True):
        yield _centred(name, value, _FULL_GAZE_RAD)
    yield _HEADING.format("ARKit")
    for name, value in zip(ARKIT_SHAPES, frame.arkit.tolist(), strict=True):
        yield _bar(name, value, "#ffa726")


def _bar(name: str, value: float, colour: str) -> str:
    return _ROW.format(name=name, left=0.0, width=100.0 * min(max(value, 0.0), 1.0), colour=colour, text=f"{value:.2f}")


def _centred(name: str, value_rad: float, full_rad: float) -> str:
    """From the middle to the right for positive values; `full_rad` reaches the end."""
    share = min(max(value_rad / full_rad, -1.0), 1.0)
    left, width = (50.0, 50.0 * share) if share >= 0.0 else (50.0 + 50.0 * share, -50.0 * share)
    return _ROW.format(name=name, left=left, width=width, colour="#42a5f5", text=f"{math.degrees(value_rad):.1f}")
