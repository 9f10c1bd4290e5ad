"""From phones to the motion of a face: co-articulation by dominance, contacts that are always reached, accents.

Every phone p asks each articulator a for targets x_p, and dominates its surroundings by

    D_pa(t) = insistence_pa * exp(-d / T_a),   d = time outside the middle half of the phone, T_a by side

so that at any instant a shape is the mean  sum_p D_pa x_p / sum_p D_pa  (Cohen & Massaro 1993, "Modeling coarticulation
in synthetic visual speech", equations 1-4, with exponent 1 and a flat top). Rounding has a long T before the phone, and
consonants hardly insist on it: lips round through them before a rounded vowel. Fast speech undershoots by itself.

How far the lips part all in all is then made what filmed lips do (`training.data.aperture`), by the jaw.

Three things are not left to the mean: lips that seal and the lip at the teeth are blended in to the full within each of
their phones; the face opens shortly before speech and returns to exactly neutral after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES
from training.data.articulation import CLOSE, FUNNEL, JAW, PUCKER, Articulation, articulation, sided
from training.data.clips import HOP_S, MOTION_SIZE, hop_times_s, phone_rows
from training.data.kernels import REACH_HOPS, aperture_mm, kernels
from training.data.lips import lip_gap_mm
from training.data.phones import INDEX_OF_PHONE, SILENCE, VOWELS, Phone
from training.data.styles import STYLES, Style, draw_style

__all__ = ["STYLES", "Style", "draw_style", "face_of_phones", "motion_of_faces"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]

# The face leaves neutral this long before speech and is back this long after it.
OPENING_S, RELEASE_S = 0.15, 0.2

_REACH_S = 0.5  # nobody feels a phone from farther away
_FLAT_SHARE = 0.5
_STRESS_JAW = (0.96, 1.0, 1.04)  # vowels' jaw by stress
_JAW_PER_DB, _LOUDNESS_RANGE_DB = 0.008, 9.0
_QUIETEST_DB = -120.0  # digital silence may come as minus infinity
# A tight rounding stands in for an open one while the lips touch.
_PUCKER_FOR_FUNNEL = 0.7
# How much more or less than the plain speaker a style, a stress or a loud vowel may open.
_GAIN_RANGE = (0.5, 1.8)
# Lips that need not meet let the voice out.
_LEAST_MM = 1.7
# No contact is approached or left for longer than this share of the neighbouring phone.
_SHARE_OF_NEIGHBOUR = 0.8

_ACCENT_SHARE = 0.4  # of the primary stresses
_ACCENT_S = 0.26  # half width
_BROW_RANGE = (0.06, 0.22)
_SQUINT_SHARE = 0.3  # of the accents narrow the eyes instead of raising the brows


def face_of_phones(
    phones: Sequence[Phone],
    hops: int,
    loudness_db: NDArray[np.floating] | None = None,
    style: Style = STYLES["neutral"],
    seed: int = 0,
    filmed: bool = True,
) -> Floats:
    """What the face does while it says `phones`: ARKit weights float32 [hops, 52], 0..1, mouthClose <= jawOpen.

    Row t is the instant (t + 1) * 20 ms. `loudness_db` [hops] (any reference) opens the jaw more on vowels louder
    than the clip's median vowel. What is not covered by a phone is silence. The same arguments give the same face,
    and phones that are added more than a second later do not change it (but for the median loudness).
    How far the lips part is what `filmed` ones do, or what the table alone says.
    """
    if loudness_db is not None and np.shape(loudness_db) != (hops,):
        raise ValueError(f"loudness is {np.shape(loudness_db)}; the clip has {hops} hops")
    spoken = sorted((p for p in phones if p.symbol != SILENCE), key=lambda phone: (phone.start_s, phone.end_s))
    face = np.zeros((hops, len(ARKIT_SHAPES)), np.float32)
    if not spoken:
        return face
    table, speech = articulation(), _Speech(spoken, hops)
    targets = _targets(table, speech, loudness_db, style, seed)
    shapes = _dominated(table, speech, targets, style) * speech.presence[:, None]
    _bias(table, shapes, speech.presence, style)
    if filmed:
        gain = _gain(table, speech, shapes, style)
        # Phones that begin after the last row are felt before it.
        around = phone_rows(spoken, hops + REACH_HOPS)
        wanted_mm = np.maximum(gain * aperture_mm(around, kernels())[:hops], _LEAST_MM)
        _part_lips(table, shapes, speech.presence * wanted_mm)
    shapes = _with_contacts(table, speech, np.clip(shapes, 0.0, 1.0))
    for column, shape in enumerate(table.shapes):
        names = sided(shape)
        gains = (1.0,) if len(names) == 1 else (1.0 + style.asymmetry, 1.0 - style.asymmetry)
        for name, gain in zip(names, gains, strict=True):
            face[:, ARKIT_SHAPES.index(name)] = np.clip(gain * shapes[:, column], 0.0, 1.0)
    _accentuate(face, speech, style, seed)
    return face


def motion_of_faces(weights: NDArray[np.floating]) -> Floats:
    """The open head's motion float32 [..., 53], expression (sd) and jaw (rad), of ARKit weights [..., 52].

    Weights are clipped to 0..1 and mouthClose to jawOpen; eyelids and gaze, which motion does not have, are left out.
    """
    weights = np.clip(np.asarray(weights, np.float64), 0.0, 1.0)
    if weights.shape[-1:] != (len(ARKIT_SHAPES),):
        raise ValueError(f"there are {weights.shape} weights; the last axis must have ARKit's {len(ARKIT_SHAPES)}")
    close, opening = ARKIT_SHAPES.index(CLOSE), ARKIT_SHAPES.index(JAW)
    weights[..., close] = np.minimum(weights[..., close], weights[..., opening])
    table = open_head().arkit_motion
    assert table is not None  # the open head has one
    return (weights @ table[:, :MOTION_SIZE].astype(np.float64)).astype(np.float32)


class _Speech:
    """The phones as arrays [P], in the order of time, and how far the face takes part (`presence` [T], 0..1)."""

    def __init__(self, phones: list[Phone], hops: int) -> None:
        self.start_s = np.array([phone.start_s for phone in phones])
        self.end_s = np.array([phone.end_s for phone in phones])
        self.index = np.array([INDEX_OF_PHONE[phone.symbol] for phone in phones])
        self.stress = np.array([phone.stress for phone in phones])
        self.is_vowel = np.isin(self.index, [INDEX_OF_PHONE[vowel] for vowel in VOWELS])
        self.times_s = hop_times_s(hops)
        self.hops = hops
        self.presence = self._presence()

    @property
    def length_s(self) -> Doubles:
        return self.end_s - self.start_s

    def _presence(self) -> Doubles:
        ends = np.maximum.accumulate(self.end_s)
        begun = np.searchsorted(self.start_s, self.times_s, side="right")
        since = self.times_s - np.concatenate([[-np.inf], ends])[begun]
        until = np.concatenate([self.start_s, [np.inf]])[begun] - self.times_s
        return np.maximum(_eased(1.0 - since / RELEASE_S), _eased(1.0 - until / OPENING_S))

    def near(self, begin_s: Doubles, end_s: Doubles) -> tuple[Longs, Longs]:
        """Pairs (row of begin_s and end_s, hop) of all hops whose instants lie within begin_s .. end_s."""
        first = np.searchsorted(self.times_s, begin_s)
        counts = np.searchsorted(self.times_s, end_s, side="right") - first
        rows = np.repeat(np.arange(len(begin_s)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, first[rows] + within


def _targets(
    table: Articulation, speech: _Speech, loudness_db: NDArray[np.floating] | None, style: Style, seed: int
) -> Doubles:
    """What this speaker aims at [P, S], this time."""
    noise = np.random.default_rng([seed, 0]).normal(size=(len(speech.index), len(table.articulators)))
    of_articulator = dict(zip(table.articulators, 1.0 + style.variation * np.clip(noise, -2.0, 2.0).T, strict=True))
    for name in ("jaw", "rounding", "spreading", "upper_lip", "lower_lip"):
        of_articulator[name] = of_articulator[name] * getattr(style, name)
    prosody = np.array(_STRESS_JAW)[speech.stress]
    if loudness_db is not None and speech.is_vowel.any():
        loudness = _mean_within(speech, np.maximum(loudness_db, _QUIETEST_DB))
        above = np.clip(loudness - np.median(loudness[speech.is_vowel]), -_LOUDNESS_RANGE_DB, _LOUDNESS_RANGE_DB)
        prosody = prosody * (1.0 + _JAW_PER_DB * above)
    of_articulator["jaw"] = of_articulator["jaw"] * np.where(speech.is_vowel, 1.0 + style.stress * (prosody - 1.0), 1.0)
    gains = np.stack([of_articulator[name] for name in table.articulators], axis=1)
    belongs = table.articulator >= 0
    return table.targets[speech.index] * np.where(belongs, gains[:, table.articulator], 1.0)


def _mean_within(speech: _Speech, values: Doubles) -> Doubles:
    """The mean of `values` [T] over each phone [P]; of its nearest instant where it is shorter than a hop."""
    middle = np.clip(np.round(0.5 * (speech.start_s + speech.end_s) / HOP_S).astype(int) - 1, 0, speech.hops - 1)
    phones, hops = speech.near(speech.start_s, speech.end_s)
    counts = np.bincount(phones, minlength=len(middle))
    sums = np.bincount(phones, values[hops], minlength=len(middle))
    return np.where(counts > 0, sums / np.maximum(counts, 1), values[middle])


def _dominated(table: Articulation, speech: _Speech, targets: Doubles, style: Style) -> Doubles:
    """The shapes [T, S] as means of the targets by dominance; those of contacts alone stay 0."""
    phones, hops = speech.near(speech.start_s - _REACH_S, speech.end_s + _REACH_S)
    inset_s = 0.5 * (1.0 - _FLAT_SHARE) * speech.length_s[phones]
    before_s = speech.start_s[phones] + inset_s - speech.times_s[hops]
    after_s = speech.times_s[hops] - speech.end_s[phones] + inset_s
    # The influence ends at _REACH_S, without a step.
    fading = _eased(2.0 - np.maximum(before_s, after_s) / (0.5 * _REACH_S))
    shapes = np.zeros((speech.hops, len(table.shapes)))
    for articulator in range(len(table.articulators)):
        distance = np.maximum(
            before_s / (style.anticipation * table.before_s[articulator]),
            after_s / (style.carry_over * table.after_s[articulator]),
        )
        insistence = table.insistence[speech.index, articulator]
        dominance = insistence[phones] * np.exp(-np.maximum(distance, 0.0)) * fading
        total = np.bincount(hops, dominance, minlength=speech.hops)
        for shape in np.flatnonzero(table.articulator == articulator):
            asked = np.bincount(hops, dominance * targets[phones, shape], minlength=speech.hops)
            shapes[:, shape] = asked / np.maximum(total, 1e-12)
    return shapes


def _bias(table: Articulation, shapes: Doubles, presence: Doubles, style: Style) -> None:
    """Add what this speaker's mouth does as long as it speaks, as far as the lips are not busy with rounding."""
    free = presence * (1.0 - np.clip(shapes[:, table.column(PUCKER)] + shapes[:, table.column(FUNNEL)], 0.0, 1.0))
    shapes[:, table.column("mouthSmile")] += free * style.smile_bias
    shapes[:, table.column("mouthStretch")] += free * max(style.spread_bias, 0.0)
    shapes[:, table.column(PUCKER)] += free * max(-style.spread_bias, 0.0)


def _gain(table: Articulation, speech: _Speech, shapes: Doubles, style: Style) -> Doubles:
    """How much wider [T] the jaw opens than a plain speaker's would who says the same."""
    jaw = table.column(JAW)
    plain = _dominated(table, speech, table.targets[speech.index], style)[:, jaw] * speech.presence
    return np.clip((shapes[:, jaw] + 1e-3) / (plain + 1e-3), *_GAIN_RANGE)


def _part_lips(table: Articulation, shapes: Doubles, wanted_mm: Doubles) -> None:
    """Open `shapes` [T, S] as wide as is wanted [T]: the jaw gives what the lips do not, a funnel too wide purses."""
    jaw, funnel, pucker = table.column(JAW), table.column(FUNNEL), table.column(PUCKER)
    opens_mm = _opens_mm(table.shapes)
    of_lips_mm = np.clip(shapes, 0.0, 1.0) @ np.where(np.arange(len(opens_mm)) == jaw, 0.0, opens_mm)
    cut = np.minimum(shapes[:, funnel], np.maximum(of_lips_mm - wanted_mm, 0.0) / opens_mm[funnel])
    shapes[:, funnel] -= cut
    shapes[:, pucker] += _PUCKER_FOR_FUNNEL * cut
    shapes[:, jaw] = np.maximum(wanted_mm - (of_lips_mm - cut * opens_mm[funnel]), 0.0) / opens_mm[jaw]


@cache
def _opens_mm(shapes: tuple[str, ...]) -> Doubles:
    """By how much each of `shapes` parts the lips [S], mm at full weight, from what a third of it does."""
    faces = np.zeros((len(shapes), len(ARKIT_SHAPES)))
    for row, shape in enumerate(shapes):
        faces[row, [ARKIT_SHAPES.index(name) for name in sided(shape)]] = 1.0 / 3.0
    return 3.0 * lip_gap_mm(motion_of_faces(faces)).astype(np.float64)


def _with_contacts(table: Articulation, speech: _Speech, shapes: Doubles) -> Doubles:
    """`shapes` [T, S] with every contact reached within its phones."""
    jaw, close = table.column(JAW), table.column(CLOSE)
    funnel, pucker = table.column(FUNNEL), table.column(PUCKER)
    for number in reversed(range(len(table.contacts))):  # the seal last: what it shuts stays shut
        contact = table.contacts[number]
        touch = _touch(table, speech, number)[:, None]
        kept = np.minimum(shapes, contact.at_most)
        lost = shapes[:, funnel] - kept[:, funnel]
        kept[:, pucker] = np.minimum(kept[:, pucker] + _PUCKER_FOR_FUNNEL * lost, contact.at_most[pucker])
        there = np.maximum(kept, contact.adds)
        there[:, close] = there[:, jaw]
        shapes = (1.0 - touch) * shapes + touch * there
    return shapes


def _touch(table: Articulation, speech: _Speech, number: int) -> Doubles:
    """How far one contact is reached [T], 0..1: full as long as its phones hold it, at one instant of each at least."""
    touch = np.zeros(speech.hops)
    rows = np.flatnonzero(table.contact[speech.index] == number)
    contact, held = table.contacts[number], table.held[speech.index[rows]]
    start_s, end_s, length_s = speech.start_s[rows], speech.end_s[rows], speech.length_s[rows]
    from_s, to_s = start_s + held[:, 0] * length_s, start_s + held[:, 1] * length_s
    # In a phone longer than a hop the instant nearest to its middle is always within.
    middle_s = np.maximum(0.5 * (from_s + to_s), start_s + 0.5 * np.minimum(HOP_S, length_s))
    nearest_s = np.round(middle_s / HOP_S) * HOP_S
    from_s, to_s = np.minimum(from_s, nearest_s), np.maximum(to_s, nearest_s)

    before, after = np.maximum(rows - 1, 0), np.minimum(rows + 1, len(speech.index) - 1)
    is_first = (rows == 0) | (speech.end_s[before] < start_s - OPENING_S)
    is_last = (rows == after) | (speech.start_s[after] > end_s + RELEASE_S)
    close_s = _way_s(contact.close_s, speech.length_s[before], is_first)
    open_s = _way_s(contact.open_s, speech.length_s[after], is_last)
    # Who begins with closed lips does not open them before.
    from_s = np.where(is_first, np.minimum(from_s, start_s + close_s - OPENING_S), from_s)
    to_s = np.where(is_last & (held[:, 1] == 1.0), np.maximum(to_s, end_s + RELEASE_S - open_s), to_s)
    phones, hops = speech.near(from_s - close_s, to_s + open_s)
    early = (from_s[phones] - speech.times_s[hops]) / close_s[phones]
    late = (speech.times_s[hops] - to_s[phones]) / open_s[phones]
    np.maximum.at(touch, hops, _eased(1.0 - np.maximum(np.maximum(early, late), 0.0)))
    return touch


def _way_s(way_s: float, neighbour_s: Doubles, is_alone: NDArray[np.bool_]) -> Doubles:
    """How long a contact's way there or back takes [N], less where it crosses a short neighbour."""
    return np.where(is_alone, way_s, np.minimum(way_s, np.maximum(_SHARE_OF_NEIGHBOUR * neighbour_s, HOP_S)))


def _accentuate(face: Floats, speech: _Speech, style: Style, seed: int) -> None:
    """Raise the brows, or narrow the eyes, slowly on some of the primary stresses."""
    draws = np.random.default_rng([seed, 1]).uniform(size=(len(speech.index), 3))
    chosen = np.flatnonzero(speech.is_vowel & (speech.stress == 2) & (draws[:, 0] < _ACCENT_SHARE))
    middle_s = 0.5 * (speech.start_s + speech.end_s)[chosen]
    accents, hops = speech.near(middle_s - _ACCENT_S, middle_s + _ACCENT_S)
    low, high = _BROW_RANGE
    strength = style.brow * (low + (high - low) * draws[chosen, 1])
    bump = _eased(1.0 - np.abs(speech.times_s[hops] - middle_s[accents]) / _ACCENT_S)
    amount = bump * strength[accents] * speech.presence[hops]
    narrows = (draws[chosen, 2] < _SQUINT_SHARE)[accents]
    for shape, share, mine in (
        ("browInnerUp", 1.0, ~narrows),
        ("browOuterUp", 0.6, ~narrows),
        ("eyeSquint", 0.6, narrows),
        ("cheekSquint", 0.4, narrows),
        ("browDown", 0.3, narrows),
    ):
        for name in sided(shape):
            peak = np.zeros(speech.hops)
            np.maximum.at(peak, hops[mine], share * amount[mine])
            face[:, ARKIT_SHAPES.index(name)] = np.clip(peak, 0.0, 1.0)


def _eased(share: Doubles) -> Doubles:
    """0..1 with a soft start and end (smoothstep); clipped outside."""
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
