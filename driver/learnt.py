"""What `training.personalise` has learnt of a person, as tables of a profile's TOML:

[face]                        # how one network misreads this face (driver/face_adapter.py)
weights = "5d0c..."           # SHA-256 of its file
shape = [...]                 # who it is, 100 numbers
[face.lips_apart]             # one table a measure that is put right
bias = 0.31
most = 4.2
reads = [...]                 # 59 numbers
moves = [...]                 # 55 numbers
[voice]                       # how this person speaks, to one voice model
weights = "90be..."
articulation = 1.2
style = "clear"               # "" for none
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from driver.errors import UsageError
from driver.face_adapter import CHANGED_SIZE, MEASURES, READ_SIZE, SHAPE_SIZE, Correction, FaceAdapter
from driver.knobs import HIGHEST_STRENGTH, Knobs, VoiceSettings
from driver.toml_tables import complete, number, refuse_unknown, require, row, text

_DIGITS = 64
# Beyond these no face was ever learnt: a sd of the identity, what is read per unit, and a measure in mm.
LARGEST_SHAPE, _LARGEST_READ, _LARGEST_MOVE, _LARGEST_AMOUNT = 10.0, 1e3, 10.0, 50.0
_LARGEST_BIAS = 1e3


@dataclass(frozen=True)
class SpokenWay:
    """How a person speaks, to the voice model whose file has the SHA-256 `weights`.

    articulation   strength of the motion of speech, 0..2
    style          name of a style that the model has learnt, "" for none
    """

    weights: str
    articulation: float = 1.0
    style: str = ""

    def __post_init__(self) -> None:
        require("voice.articulation", self.articulation, 0.0, HIGHEST_STRENGTH)


def spoken_like(knobs: VoiceSettings, way: SpokenWay) -> VoiceSettings:
    """`knobs` as this person speaks; what the user has turned away from its default stays."""
    plain = Knobs()
    articulation = way.articulation if knobs.articulation == plain.articulation else knobs.articulation
    return replace(knobs, articulation=articulation, style=knobs.style or way.style)


def file_sha256(path: Path) -> str:
    """SHA-256 of a model's file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_weights(profile: str, part: str, wanted: str, path: Path) -> None:
    """UsageError unless `path` is the file that the `part` of a profile was learnt with."""
    found = file_sha256(path)
    if found != wanted:
        raise UsageError(
            f"the profile {profile!r} was learnt with a {part} model whose SHA-256 begins with {wanted[:12]}, but "
            f"{path.name} has {found[:12]}; use that model, or learn again: python -m training.personalise RECORDING "
            f"--name {profile}"
        )


def face_lines(face: FaceAdapter) -> list[str]:
    """[face] and its tables. Numbers have six digits."""
    lines = ["", "[face]", f'weights = "{face.weights}"', f"shape = {_list(face.shape)}"]
    for name, one in face.corrections.items():
        lines += ["", f"[face.{name}]", f"bias = {_digits(one.bias)}", f"most = {_digits(one.most)}"]
        lines += [f"reads = {_list(one.reads)}", f"moves = {_list(one.moves)}"]
    return lines


def voice_lines(voice: SpokenWay) -> list[str]:
    """[voice]."""
    said = f'style = "{voice.style}"'
    return ["", "[voice]", f'weights = "{voice.weights}"', f"articulation = {_digits(voice.articulation)}", said]


def parse_face(table: dict[str, Any]) -> FaceAdapter:
    """The adapter of [face]; UsageError for what is not one."""
    for name in table:
        refuse_unknown(name, ("weights", "shape", *MEASURES), "face.")
    corrections: dict[str, Correction] = {}
    for name in MEASURES:
        if name not in table:
            continue
        one = table[name]
        if not isinstance(one, dict):
            raise UsageError(f"face.{name} is {one!r}; it must be a table, [face.{name}]")
        read = {
            "bias": _bounded(-_LARGEST_BIAS, _LARGEST_BIAS),
            "most": _bounded(0.0, _LARGEST_AMOUNT),
            "reads": row(READ_SIZE, _LARGEST_READ),
            "moves": row(CHANGED_SIZE, _LARGEST_MOVE),
        }
        corrections[name] = Correction(**complete(f"face.{name}", cast("dict[str, Any]", one), Correction, read))
    shape = row(SHAPE_SIZE, LARGEST_SHAPE)("face.shape", table.get("shape"))
    return FaceAdapter(_sum("face.weights", table.get("weights")), shape, corrections)


def parse_voice(table: dict[str, Any]) -> SpokenWay:
    """[voice]; UsageError for what is not one."""
    return SpokenWay(
        **complete("voice", table, SpokenWay, {"weights": _sum, "articulation": number, "style": _style_name})
    )


def rounded(face: FaceAdapter) -> FaceAdapter:
    """`face` as its text tells it: what is written is read again as it was."""
    return FaceAdapter(
        face.weights,
        _rounded(face.shape),
        {
            name: Correction(
                float(_digits(one.bias)), float(_digits(one.most)), _rounded(one.reads), _rounded(one.moves)
            )
            for name, one in face.corrections.items()
        },
    )


def _bounded(low: float, high: float) -> Any:
    def read(name: str, value: Any) -> float:
        made = number(name, value)
        require(name, made, low, high)
        return made

    return read


def _sum(name: str, value: Any) -> str:
    said = text(name, value)
    if len(said) != _DIGITS or set(said) - set("0123456789abcdef"):
        raise UsageError(f"{name} is {said[:80]!r}; it must be a SHA-256, {_DIGITS} hexadecimal digits")
    return said


def _style_name(name: str, value: Any) -> str:
    said = text(name, value)
    if said and not said.isidentifier():
        raise UsageError(f"{name} is {said!r}; it must be the name of a style, or empty")
    return said


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(_digits(value)) for value in values)


def _digits(value: float) -> str:
    """With six digits, and a point or an exponent, as TOML wants a float."""
    said = f"{value:.6g}"
    return said if set(said) & set(".en") else f"{said}.0"


def _list(values: Iterable[float]) -> str:
    return f"[{', '.join(_digits(value) for value in values)}]"
