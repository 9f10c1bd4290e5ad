"""What a face does while it laughs: ARKit weights from the sound of a laugh.

Facts that it is made from. A laugh of joy is a Duchenne smile with more: zygomatic major (lip corners up and back),
orbicularis oculi (cheeks up, eyes narrow), the mouth opened by jaw drop, and in strong laughs a raised upper lip, a
wrinkled nose and lifted brows (Ruch & Ekman 2001, "The expressive pattern of laughter"). The face begins with the voice
or a little before it, and the smile outlasts it by about a second. The jaw follows each burst: it is widest when the
burst is loudest. The visible strength goes with how long and how effortful the laugh is, not with the microphone's
gain.

    presence(t)   0..1 smile: rises within RISE_S from LEAD_S before the laugh, falls within `linger_s` after it
    drive(t)      0..1 how open the voice is now, against the loudest of the last and next second
    jawOpen       = presence * strength * (jaw_base * slow(drive) + jaw_burst * drive)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from protocol.frame import ARKIT_SHAPES
from training.data.clips import HOP_S, Floats

LEAD_S, RISE_S = 0.08, 0.20
_HOLD_S = 0.15

_DYNAMIC_DB = 24.0  # from shut to wide open
_AROUND_S = 1.0
_JAW_SMOOTHING_HOPS = 0.9
_SLOW_HOPS = 12.0
_SWAY_S = 0.7  # how fast a smile wanders

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class LaughStyle:
    """Weights at full strength, by ARKit shape or group of shapes; jaw as in the formula above.

    linger_s   0.6..1.2: how long the smile takes to leave        asymmetry   -0.3..0.3, > 0: the left side does more
    """

    smile: float
    cheek: float
    squint: float
    jaw_base: float
    jaw_burst: float
    upper_lip: float
    lower_lip: float
    nose: float
    brow: float
    dimple: float
    stretch: float = 0.10
    linger_s: float = 0.9
    asymmetry: float = 0.0


# Chosen by looking at the head, on which a laugh is seen as one from smile 0.8 on. Real open smiles, solved from video
# by the driver, have smile 0.5, jaw 0.3, upper lip 0.5 to 0.7; a closed grin has smile 0.8.
LAUGH_STYLES = {
    "polite": LaughStyle(
        smile=0.86, cheek=0.65, squint=0.60, jaw_base=0.08, jaw_burst=0.22, upper_lip=0.38, lower_lip=0.16, nose=0.06,
        brow=0.10, dimple=0.20, linger_s=0.7,
    ),
    "hearty": LaughStyle(
        smile=1.00, cheek=1.00, squint=1.00, jaw_base=0.22, jaw_burst=0.42, upper_lip=0.58, lower_lip=0.24, nose=0.28,
        brow=0.16, dimple=0.38, linger_s=1.15,
    ),
    "giggle": LaughStyle(
        smile=0.97, cheek=0.90, squint=0.88, jaw_base=0.10, jaw_burst=0.28, upper_lip=0.48, lower_lip=0.20, nose=0.20,
        brow=0.22, dimple=0.34, linger_s=0.95,
    ),
}  # fmt: skip


def draw_laugh_style(rng: np.random.Generator, name: str) -> LaughStyle:
    """A person's own way of the style called `name`: its weights up to a fifth more or less."""
    style = LAUGH_STYLES[name]
    gains = {
        part: float(np.clip(getattr(style, part) * np.exp(rng.normal(0.0, 0.10)), 0.0, 1.0))
        for part in (
            "smile",
            "cheek",
            "squint",
            "jaw_base",
            "jaw_burst",
            "upper_lip",
            "lower_lip",
            "nose",
            "brow",
            "dimple",
        )
    }
    linger_s = float(np.clip(style.linger_s + rng.normal(0.0, 0.12), 0.6, 1.2))
    return replace(style, **gains, linger_s=linger_s, asymmetry=float(np.clip(rng.normal(0.0, 0.05), -0.3, 0.3)))


def presence(laughter: Floats, linger_s: float) -> Doubles:
    """The smile's envelope [hops], 0..1, of a laughter probability [hops]."""
    lead, rise = round(LEAD_S / HOP_S), round(RISE_S / HOP_S)
    early = np.append(laughter[lead:], np.full(min(lead, len(laughter)), laughter[-1])).astype(np.float64)
    early = early[: len(laughter)]
    ramp = np.hanning(rise + 2)[1:-1]
    risen = np.asarray(np.convolve(early, ramp / ramp.sum())[: len(laughter)], np.float64)
    # What is left `lag` after each instant: held, then eased out. The largest of them is what shows.
    lags = np.arange(round((_HOLD_S + linger_s) / HOP_S) + 1)
    left = 0.5 + 0.5 * np.cos(np.pi * np.clip((lags * HOP_S - _HOLD_S) / linger_s, 0.0, 1.0))
    shown = risen.copy()
    for lag in lags[1 : len(risen)]:
        np.maximum(shown[lag:], risen[:-lag] * left[lag], out=shown[lag:])
    return shown


def drive(level_db: Floats) -> Doubles:
    """How open the voice is [hops], 0..1: its level against the loudest within a second, in phase with the bursts."""
    smooth = gaussian_filter1d(level_db.astype(np.float64), _JAW_SMOOTHING_HOPS, mode="nearest")
    reach = 2 * round(_AROUND_S / HOP_S) + 1
    loudest = gaussian_filter1d(maximum_filter1d(smooth, reach, mode="nearest"), reach / 8.0, mode="nearest")
    return np.clip((smooth - loudest) / _DYNAMIC_DB + 1.0, 0.0, 1.0) ** 1.25


def laugh_face(level_db: Floats, laughter: Floats, style: LaughStyle, strength: float = 1.0, seed: int = 0) -> Floats:
    """ARKit weights float32 [hops, 52] of a laugh with levels [hops] dB and probability [hops].

    `strength` 0..1 scales the face: the jaw by itself, the smile by less (a weak laugh still smiles).
    """
    if level_db.shape != laughter.shape or level_db.ndim != 1 or len(level_db) == 0:
        raise ValueError(f"levels {level_db.shape} and laughter {laughter.shape} must be rows of the same hops")
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength is {strength}; a laugh has 0..1")
    shown = presence(laughter, style.linger_s)
    smile = shown * (0.75 + 0.25 * strength)
    # The voice opens the jaw only while it laughs: within the bout, not in the smile that lingers.
    voiced = gaussian_filter1d(np.minimum(1.0, laughter.astype(np.float64)), 1.5, mode="nearest")
    opening = drive(level_db) * np.minimum(voiced, shown)
    slow = shown * gaussian_filter1d(opening, _SLOW_HOPS, mode="nearest")
    jaw = (0.5 + 0.5 * strength) * (style.jaw_base * slow / max(float(slow.max()), 0.5) + style.jaw_burst * opening)
    sway = _sway(len(level_db), seed)
    face = np.zeros((len(level_db), len(ARKIT_SHAPES)), np.float32)

    def move(shape: str, weights: Doubles) -> None:
        if shape in ARKIT_SHAPES:
            face[:, ARKIT_SHAPES.index(shape)] = np.clip(weights, 0.0, 1.0)
            return
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            face[:, ARKIT_SHAPES.index(shape + side)] = np.clip((1.0 + sign * style.asymmetry) * weights, 0.0, 1.0)

    pulse = 0.94 + 0.06 * opening  # cheeks and eyes bounce a little with the bursts
    move("mouthSmile", style.smile * smile * (1.0 + 0.05 * sway[0]))
    move("cheekSquint", style.cheek * smile * pulse * (1.0 + 0.05 * sway[1]))
    move("eyeSquint", style.squint * smile * pulse * (1.0 + 0.06 * sway[1]))
    move("noseSneer", style.nose * smile * strength * (0.7 + 0.3 * opening))
    move("mouthUpperUp", style.upper_lip * smile * (0.75 + 0.25 * opening))
    move("mouthLowerDown", style.lower_lip * smile * (0.6 + 0.4 * opening))
    move("mouthDimple", style.dimple * smile)
    move("mouthStretch", style.stretch * smile * (1.0 - 0.4 * opening))
    move("browInnerUp", 0.8 * style.brow * smile * (1.0 + 0.15 * sway[2]))
    move("browOuterUp", style.brow * smile * (1.0 + 0.15 * sway[2]))
    move("jawOpen", jaw)
    return face


def _sway(hops: int, seed: int) -> Doubles:
    """Three slow wanderings [3, hops], about -1..1: no smile is held perfectly still."""
    noise = np.random.default_rng([seed, 17]).normal(size=(3, hops + 400))
    slow = gaussian_filter1d(noise, _SWAY_S / HOP_S, axis=1)[:, 200 : 200 + hops]
    return np.tanh(slow * np.sqrt(2.0 * np.sqrt(np.pi) * _SWAY_S / HOP_S) / 2.0)
