"""What a user may turn while a voice drives the face, and how it reaches the model.

A model's knobs are states named `knob_<name>` that pass through it unchanged and mean its default when they are zero:

    knob_lookahead      hops more than the model's own look-ahead
    knob_articulation   strength less 1
    knob_laughter       strength less 1
    knob_smoothing      time constant, s
    knob_style          a vector; the names of those that were learnt are in the model's metadata
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from driver.errors import ModelError, UsageError
from driver.types import HOP_NS

KNOB_PREFIX = "knob_"
LONGEST_LOOKAHEAD_MS = 240
HIGHEST_STRENGTH = 2.0
LONGEST_SMOOTHING_MS = 1000.0
# Styles that were learnt lie within 4. Far beyond, a network's sums overflow, and its state never recovers.
_FARTHEST_STYLE = 100.0

_HOP_MS = HOP_NS // 1_000_000
# A strength that jumps is a face that jumps: a turn takes 100 ms.
_GLIDE_HOPS = 5
_AT_ONCE = KNOB_PREFIX + "lookahead"  # whole hops, nothing between them

Values = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Knobs:
    """How a voice drives the face. UsageError for a value out of its range.

    lookahead_ms   how much of its future a motion has heard: later, and the better for it; a multiple of 20, 0..240
    articulation   strength of the motion of speech, 0..2
    laughter       strength of what laughter adds, 0..2
    smoothing_ms   time constant of a smoothing of the motion, 0..1000
    style          name of a style that the model has learnt, "" for none, or its vector (as text: "0.1,0,-1,...")
    """

    lookahead_ms: int = 80
    articulation: float = 1.0
    laughter: float = 1.0
    smoothing_ms: float = 0.0
    style: str | tuple[float, ...] = ""

    def __post_init__(self) -> None:
        if self.lookahead_ms % _HOP_MS or not 0 <= self.lookahead_ms <= LONGEST_LOOKAHEAD_MS:
            raise UsageError(
                f"lookahead_ms is {self.lookahead_ms}; it must be a multiple of {_HOP_MS} within "
                f"0..{LONGEST_LOOKAHEAD_MS}, 0, 40, 80, 160 and 240 are usual"
            )
        for name, value, highest in (
            ("articulation", self.articulation, HIGHEST_STRENGTH),
            ("laughter", self.laughter, HIGHEST_STRENGTH),
            ("smoothing_ms", self.smoothing_ms, LONGEST_SMOOTHING_MS),
        ):
            if not 0 <= value <= highest:
                raise UsageError(f"{name} is {value:g}; it must be 0..{highest:g}")


@dataclass(frozen=True)
class VoiceSettings(Knobs):
    """The model that hears, and how its knobs stand when the run begins.

    model   an .onnx file of your own, "envelope" for the one that has learnt nothing, "" for the default
    """

    model: str = ""


class HasKnobs(Protocol):
    """What the knobs ask of a model; see `driver.runtime.OnnxModel`."""

    path: Path

    @property
    def knob_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape without batch axis of every knob, by its full name."""
        ...

    @property
    def lookahead_ns(self) -> int:
        """The model's own look-ahead."""
        ...

    @property
    def styles(self) -> dict[str, tuple[float, ...]]:
        """The styles that it has learnt."""
        ...


class Dials:
    """The knobs of one stream, hop by hop. `turn` may be called from any thread; strengths and style then glide.

    Raises ModelError when a knob is turned that the model does not have, and for a style that it does not know.
    """

    def __init__(self, model: HasKnobs, knobs: Knobs) -> None:
        self._model = model
        # Replaced as a whole, never changed: what another thread turned is seen whole or not at all.
        self._wanted: tuple[Knobs, Values] = (knobs, _values(model, knobs))
        self._heeded: Knobs = knobs
        self._now: Values = self._wanted[1]
        self._step: Values = {}
        self._left = 0

    @property
    def knobs(self) -> Knobs:
        """As they were turned last."""
        return self._wanted[0]

    @property
    def lookahead_ns(self) -> int:
        """The look-ahead of the hop that `next_hop` was last called for."""
        own_ns, name = self._model.lookahead_ns, _AT_ONCE
        return own_ns + round(float(self._now[name])) * HOP_NS if name in self._now else own_ns

    @property
    def is_settled(self) -> bool:
        """True while `next_hop` gives what it gave before."""
        return self._left == 0 and self._heeded is self._wanted[0]

    def turn(self, knobs: Knobs) -> None:
        """Turn them, from the next hop on."""
        self._wanted = (knobs, _values(self._model, knobs))

    def next_hop(self) -> Values:
        """Each knob's state for the next hop, by its full name, without batch axis."""
        if self.is_settled:
            return self._now
        knobs, targets = self._wanted
        if knobs is not self._heeded:
            self._heeded, self._left = knobs, _GLIDE_HOPS
            self._step = {name: (targets[name] - now) / np.float32(_GLIDE_HOPS) for name, now in self._now.items()}
        self._left -= 1
        self._now = {
            name: targets[name] if name == _AT_ONCE or self._left == 0 else np.asarray(now + self._step[name])
            for name, now in self._now.items()
        }
        return self._now


def _values(model: HasKnobs, knobs: Knobs) -> Values:
    own_ms = model.lookahead_ns // 1_000_000
    shapes = model.knob_shapes
    for knob in fields(Knobs):
        value = getattr(knobs, knob.name)
        allowed = {knob.default, own_ms} if knob.name == "lookahead_ms" else {knob.default}
        if KNOB_PREFIX + knob.name.removesuffix("_ms") not in shapes and value not in allowed:
            raise ModelError(
                f"{knob.name} is {value!r}, but {model.path.name} has no such knob; leave it out, or use a model that "
                "has it"
            )
    given = {
        "lookahead": (knobs.lookahead_ms - own_ms) / _HOP_MS,
        "articulation": knobs.articulation - 1.0,
        "laughter": knobs.laughter - 1.0,
        "smoothing": knobs.smoothing_ms / 1e3,
    }
    values = {
        KNOB_PREFIX + name: np.array(value, np.float32) for name, value in given.items() if KNOB_PREFIX + name in shapes
    }
    style = KNOB_PREFIX + "style"
    if style in shapes:
        values[style] = _style_vector(knobs.style, model.styles, shapes[style][0])
    return values


def _style_vector(
    style: str | tuple[float, ...], styles: dict[str, tuple[float, ...]], size: int
) -> NDArray[np.float32]:
    if style == "":
        return np.zeros(size, np.float32)
    vector = styles.get(style) if isinstance(style, str) else style
    if vector is None:
        try:
            vector = tuple(float(number) for number in str(style).split(","))
        except ValueError:
            close = difflib.get_close_matches(str(style), styles, 1)
            known = f"did you mean {close[0]}?" if close else f"there are: {', '.join(sorted(styles)) or 'none'}"
            raise ModelError(f"the style {style!r} is not one of the model's; {known}") from None
    if len(vector) != size or not all(abs(number) <= _FARTHEST_STYLE for number in vector):
        raise ModelError(
            f"the style {style!r} has {len(vector)} numbers; it must be {size} within "
            f"-{_FARTHEST_STYLE:g}..{_FARTHEST_STYLE:g}, or a name"
        )
    return np.array(vector, np.float32)
