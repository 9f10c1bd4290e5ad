"""How one person's articulation differs from another's: a few numbers, some named, the others drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Style:
    """One person's way to articulate. All 1 and 0 is the plain speaker of `articulation.toml`.

    jaw, rounding, spreading, upper_lip, lower_lip   gains of the shapes of these articulators
    spread_bias   -0.3..0.3: corners of the mouth pulled aside (> 0) or in (< 0) as long as one speaks
    smile_bias    0..0.4: likewise mouthSmile
    asymmetry     -0.5..0.5: how much more the left side of the mouth does (the right, when negative)
    anticipation  gain of how long before itself a phone is felt     carry_over   likewise after itself
    stress        0..2: how much stress and loudness open the jaw; 1 is plain
    brow          0..2: how lively brows and lids accentuate; 1 is plain
    variation     0..0.3: relative spread of each phone's targets from one time to the next
    """

    jaw: float = 1.0
    rounding: float = 1.0
    spreading: float = 1.0
    upper_lip: float = 1.0
    lower_lip: float = 1.0
    spread_bias: float = 0.0
    smile_bias: float = 0.0
    asymmetry: float = 0.0
    anticipation: float = 1.0
    carry_over: float = 1.0
    stress: float = 1.0
    brow: float = 1.0
    variation: float = 0.06

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = _RANGES[field.name]
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise ValueError(f"style: {field.name} is {value}; it may be {low}..{high}")


_GAIN = (0.3, 1.8)
_RANGES = {
    **dict.fromkeys(("jaw", "rounding", "spreading", "upper_lip", "lower_lip", "anticipation", "carry_over"), _GAIN),
    "spread_bias": (-0.3, 0.3),
    "smile_bias": (0.0, 0.4),
    "asymmetry": (-0.5, 0.5),
    "stress": (0.0, 2.0),
    "brow": (0.0, 2.0),
    "variation": (0.0, 0.3),
}

STYLES = {
    "neutral": Style(),
    "clear": Style(
        jaw=1.2, rounding=1.2, spreading=1.25, upper_lip=1.2, lower_lip=1.2, anticipation=0.8, carry_over=0.75, brow=1.2
    ),
    "mumbled": Style(
        jaw=0.55, rounding=0.7, spreading=0.6, upper_lip=0.5, lower_lip=0.7, anticipation=1.3, carry_over=1.4, brow=0.4
    ),
    "wide": Style(spreading=1.5, rounding=0.75, spread_bias=0.14, smile_bias=0.08),
    "rounded": Style(rounding=1.3, spreading=0.5, spread_bias=-0.12, upper_lip=0.8),
    "jaw_talker": Style(jaw=1.4, rounding=0.75, spreading=0.7, upper_lip=0.6, lower_lip=0.6, stress=1.3),
    "lip_talker": Style(jaw=0.65, rounding=1.35, spreading=1.3, upper_lip=1.6, lower_lip=1.5),
    "smiling": Style(jaw=0.95, spreading=1.15, smile_bias=0.22, spread_bias=0.05, upper_lip=1.1, brow=1.3),
    "crooked": Style(asymmetry=0.3, brow=1.1),
}


def draw_style(rng: np.random.Generator) -> Style:
    """A random person: gains around 1 (sd 20 to 25 %), mostly little asymmetry and bias."""

    def gain(spread: float) -> float:
        return float(np.clip(np.exp(rng.normal(0.0, spread)), *_GAIN))

    liveliness = rng.normal(0.0, 0.12)  # who opens the jaw widely moves the lips more, too
    together = float(np.exp(liveliness))
    return Style(
        jaw=float(np.clip(together * gain(0.18), *_GAIN)),
        rounding=float(np.clip(together * gain(0.18), *_GAIN)),
        spreading=float(np.clip(together * gain(0.22), *_GAIN)),
        upper_lip=float(np.clip(together * gain(0.25), *_GAIN)),
        lower_lip=float(np.clip(together * gain(0.22), *_GAIN)),
        spread_bias=float(np.clip(rng.normal(0.0, 0.06), *_RANGES["spread_bias"])),
        smile_bias=float(np.clip(rng.normal(-0.02, 0.08), *_RANGES["smile_bias"])),
        asymmetry=float(np.clip(rng.normal(0.0, 0.10), *_RANGES["asymmetry"])),
        anticipation=gain(0.15),
        carry_over=gain(0.15),
        stress=float(np.clip(rng.normal(1.0, 0.25), *_RANGES["stress"])),
        brow=float(np.clip(np.exp(rng.normal(-0.1, 0.5)), *_RANGES["brow"])),
        variation=float(rng.uniform(0.03, 0.09)),
    )
