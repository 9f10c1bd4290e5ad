"""Phones to motion, on the open head: what must touch touches, what anticipates comes early, silence is still."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.head.arkit import ArkitMap
from models.head.flame import GROUPS, JAW, FaceRig, open_head
from protocol.frame import ARKIT_SHAPES
from training.data.clips import HOP_S, hop_times_s
from training.data.coarticulation import (
    OPENING_S,
    RELEASE_S,
    STYLES,
    Style,
    draw_style,
    face_of_phones,
    motion_of_faces,
)
from training.data.lips import lip_gap_mm, lip_protrusion_mm, lip_width_mm
from training.data.phones import BILABIALS, CONSONANTS, LABIODENTALS, PHONES, VOWELS, Phone

PLAIN = Style(variation=0.0, brow=0.0)
JAW_OPEN, MOUTH_CLOSE = ARKIT_SHAPES.index("jawOpen"), ARKIT_SHAPES.index("mouthClose")


def said(symbols: str, length_s: float = 0.09, start_s: float = 0.4, stress: int = 1) -> list[Phone]:
    """Phones of equal length, one a letter."""
    return [
        Phone(symbol, start_s + i * length_s, start_s + (i + 1) * length_s, stress) for i, symbol in enumerate(symbols)
    ]


def hops_of(phones: list[Phone], rest_s: float = 0.5) -> int:
    return int(np.ceil((phones[-1].end_s + rest_s) / HOP_S))


def column(face: np.ndarray, shape: str) -> np.ndarray:
    return face[:, ARKIT_SHAPES.index(shape)]


def within(phone: Phone, hops: int) -> np.ndarray:
    """Rows whose instants lie within the phone."""
    times_s = hop_times_s(hops)
    return np.flatnonzero((times_s >= phone.start_s - 1e-9) & (times_s <= phone.end_s + 1e-9))


def random_speech(seed: int, count: int, shortest_s: float, longest_s: float) -> list[Phone]:
    """Nonsense: any phone after any other, pauses between some, every third phone with a contact."""
    rng = np.random.default_rng(seed)
    contacts = sorted(BILABIALS | LABIODENTALS)
    phones, time_s = [], 0.3
    for _ in range(count):
        symbols = (contacts, VOWELS, CONSONANTS)[rng.integers(3)]
        length_s = float(rng.uniform(shortest_s, longest_s))
        phones.append(Phone(symbols[rng.integers(len(symbols))], time_s, time_s + length_s, int(rng.integers(3))))
        time_s += length_s + (float(rng.uniform(0.02, 0.6)) if rng.random() < 0.06 else 0.0)
    return phones


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    style=st.one_of(st.sampled_from(list(STYLES.values())), st.integers(0, 999).map(lambda n: draw_style(rng_of(n)))),
    longest_s=st.sampled_from([0.03, 0.06, 0.15]),
)
def test_lips_seal_in_every_bilabial(seed: int, style: Style, longest_s: float) -> None:
    phones = random_speech(seed, 120, 0.0255, longest_s)
    hops = hops_of(phones)
    face = face_of_phones(phones, hops, style=style, seed=seed)
    gap_mm = lip_gap_mm(motion_of_faces(face))
    bilabials = [within(phone, hops) for phone in phones if phone.symbol in BILABIALS]
    assert bilabials
    assert max(gap_mm[rows].min() for rows in bilabials) < 0.0, "lips that touch are pressed, not just near"
    jaw_left = face[:, JAW_OPEN] - face[:, MOUTH_CLOSE]
    assert max(jaw_left[rows].min() for rows in bilabials) < 1e-6, "fully, at one instant at least"


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def slit_below_upper_teeth_mm(motion: np.ndarray) -> float:
    """What a front view shows between the upper teeth's edge and the lower lip; <= 0 is the lip at the teeth."""
    head = open_head()
    at_rest, jaw = 1e3 * head.v_template, head.weights[:, JAW]
    vertices_of = {name: np.unique(head.f[head.groups == GROUPS.index(name)]) for name in ("skin", "teeth")}
    in_middle = np.abs(at_rest[:, 0]) < 6.0
    upper_teeth = [v for v in vertices_of["teeth"] if in_middle[v] and jaw[v] < 0.5]
    lower_lip = [v for v in vertices_of["skin"] if in_middle[v] and jaw[v] > 0.9 and at_rest[v, 2] > 50.0]
    y_mm = 1e3 * FaceRig(head).vertices(motion[:50], motion[50:], np.zeros(2), np.zeros(4))[:, 1]
    return float(y_mm[upper_teeth].min() - y_mm[lower_lip].max())


@pytest.mark.parametrize("style", ["neutral", "clear", "mumbled", "jaw_talker", "lip_talker"])
@pytest.mark.parametrize("word", ["afa", "ɔvɔ", "ifi", "ufu", "ʃva"])
def test_the_lower_lip_touches_the_upper_teeth(word: str, style: str) -> None:
    phones = said(word)
    motion = motion_of_faces(face_of_phones(phones, hops_of(phones), style=STYLES[style]))
    rows = within(phones[1], len(motion))
    slits_mm = [slit_below_upper_teeth_mm(motion[row]) for row in rows]
    assert min(slits_mm) < 0.8
    if word != "ufu":  # in which all three have hardly any
        assert slit_below_upper_teeth_mm(motion[within(phones[0], len(motion))[1]]) > 2.0
    assert lip_gap_mm(motion[rows]).max() > 0.3, "the upper lip is raised from the teeth"


def test_rounding_starts_long_before_a_rounded_vowel_and_passes_through_consonants() -> None:
    rounded, plain = (
        face_of_phones(phones := said(word, 0.08), hops_of(phones), style=PLAIN) for word in ("ikstu", "iksti")
    )
    difference = column(rounded, "mouthPucker") - column(plain, "mouthPucker")
    vowel_s = 0.4 + 4 * 0.08
    row_before = round((vowel_s - 0.12) / HOP_S) - 1
    full = difference.max()
    assert full > 0.5
    assert difference[row_before] > 0.2 * full
    assert column(rounded, "mouthPucker")[round(0.44 / HOP_S) - 1] < 0.3 * full, "not yet within the spread vowel"
    # The jaw looks ahead less: this early it has half of its way to go.
    opened, closed = (face_of_phones(said(word, 0.08), len(rounded), style=PLAIN) for word in ("iksta", "iksti"))
    jaw = column(opened, "jawOpen") - column(closed, "jawOpen")
    assert jaw[row_before] < 0.5 * jaw.max()


def test_lips_stay_round_while_they_seal() -> None:
    phones = said("ɔpɔ")
    motion = motion_of_faces(face_of_phones(phones, hops_of(phones), style=PLAIN))
    sealed = within(phones[1], len(motion))[1]
    assert lip_gap_mm(motion[sealed]) < 0.0
    assert lip_protrusion_mm(motion[sealed]) > 0.7 * lip_protrusion_mm(motion).max() > 2.0


def test_vowels_look_like_themselves_on_the_head() -> None:
    def middle(vowel: str) -> np.ndarray:
        phones = said(vowel, 0.3)
        return motion_of_faces(face_of_phones(phones, hops_of(phones), style=PLAIN))[round(0.55 / HOP_S) - 1]

    gap, width = ({v: float(measure(middle(v))) for v in "aiueo"} for measure in (lip_gap_mm, lip_width_mm))
    assert 10.0 < gap["a"] < 18.0
    assert gap["a"] > gap["e"] > gap["i"] > gap["u"] > 1.5
    assert width["i"] > 5.0
    assert width["u"] < -5.0
    assert lip_protrusion_mm(middle("u")) > lip_protrusion_mm(middle("o")) > 3.0 > lip_protrusion_mm(middle("i"))


def test_running_speech_opens_as_far_as_people_do() -> None:
    phones = random_speech(3, 600, 0.05, 0.12)
    face = face_of_phones(phones, hops_of(phones))
    gap_mm = lip_gap_mm(motion_of_faces(face))[face.any(axis=1)]
    assert 2.0 < gap_mm.mean() < 8.0
    assert 8.0 < np.percentile(gap_mm, 95) < 18.0
    assert np.abs(np.diff(gap_mm)).max() / HOP_S < 700.0, "mm/s"


@pytest.mark.parametrize("style", STYLES)
def test_silence_is_exactly_neutral(style: str) -> None:
    phones = [*said("bapa"), Phone("sil", 0.76, 1.4), *said("ma", start_s=1.4), *said("ufi", start_s=2.2)]
    hops = hops_of(phones, 1.0)
    face = face_of_phones(phones, hops, style=STYLES[style], seed=5)
    times_s = hop_times_s(hops)
    still = np.ones(hops, bool)
    for start_s, end_s in ((0.4, 0.76), (1.4, 1.58), (2.2, 2.47)):
        still &= (times_s <= start_s - OPENING_S - 1e-3) | (times_s >= end_s + RELEASE_S + 1e-3)
        moving = (times_s > start_s - 0.09) & (times_s < end_s + 0.1)
        assert face[moving].any(axis=1).all()
    assert still.sum() > 50
    assert not face[still].any()
    assert not motion_of_faces(face)[still].any()
    assert not face_of_phones([Phone("sil", 0.0, 1.0)], 50).any()
    assert not face_of_phones([], 50).any()


def test_who_begins_with_closed_lips_does_not_open_them_before() -> None:
    phones = said("ma")
    gap_mm = lip_gap_mm(motion_of_faces(face_of_phones(phones, hops_of(phones))))
    assert gap_mm[: within(phones[0], len(gap_mm))[-1]].max() < 1.2
    vowel_first = lip_gap_mm(motion_of_faces(face_of_phones(said("am"), len(gap_mm))))
    assert vowel_first[round(0.39 / HOP_S) - 1] > 4.0, "but a vowel is prepared"


def test_all_weights_are_within_bounds_and_every_phone_can_be_said() -> None:
    phones = [
        Phone(symbol, 0.3 + 0.07 * i, 0.37 + 0.07 * i, i % 3) for i, symbol in enumerate((*PHONES, *PHONES[::-1]))
    ]
    hops = hops_of(phones)
    extreme = Style(jaw=1.8, rounding=1.8, spreading=1.8, upper_lip=1.8, lower_lip=1.8, smile_bias=0.4, asymmetry=0.5)
    for style in (*STYLES.values(), extreme):
        loudness_db = np.random.default_rng(0).normal(-20.0, 30.0, hops)
        face = face_of_phones(phones, hops, loudness_db, style, seed=1)
        assert face.dtype == np.float32
        assert face.shape == (hops, 52)
        assert face.min() >= 0.0
        assert face.max() <= 1.0
        assert (face[:, MOUTH_CLOSE] <= face[:, JAW_OPEN] + 1e-6).all()


def test_phones_at_and_beyond_the_clip_s_ends() -> None:
    phones = [Phone("p", -0.1, 0.02), Phone("a", 0.02, 0.3), Phone("m", 0.3, 0.5), Phone("f", 2.0, 2.1)]
    assert face_of_phones(phones, 20).shape == (20, 52)
    assert face_of_phones(phones, 0).shape == (0, 52)
    assert face_of_phones([Phone("m", 0.2, 0.2)], 30).shape == (30, 52)


def test_the_same_seed_gives_the_same_face_and_later_phones_do_not_change_it() -> None:
    phones = random_speech(8, 200, 0.04, 0.12)
    hops, style = hops_of(phones), STYLES["clear"]
    whole = face_of_phones(phones, hops, style=style, seed=7)
    assert np.array_equal(whole, face_of_phones(phones, hops, style=style, seed=7))
    assert not np.array_equal(whole, face_of_phones(phones, hops, style=style, seed=8))
    kept = phones[:100]
    rows = int((kept[-1].end_s - 1.0) / HOP_S)
    np.testing.assert_array_equal(face_of_phones(kept, rows, style=style, seed=7), whole[:rows])


def test_stress_and_loudness_open_the_jaw() -> None:
    def jaw(stress: int, loudness_db: float | None, style: Style = PLAIN) -> float:
        phones = [*said("tat"), *said("tat", start_s=1.4, stress=stress)]
        hops = hops_of(phones)
        loudness = None if loudness_db is None else np.where(np.arange(hops) * HOP_S > 1.0, loudness_db, -20.0)
        face = face_of_phones(phones, hops, loudness, style)
        return float(column(face, "jawOpen")[within(phones[4], hops)].max())

    assert jaw(2, None) > 1.02 * jaw(1, None) > 1.04 * jaw(0, None)
    assert jaw(1, -14.0) > 1.02 * jaw(1, -20.0) > 1.04 * jaw(1, -26.0)
    assert jaw(2, None, Style(variation=0.0, stress=0.0)) == pytest.approx(jaw(1, None))
    digital_silence = face_of_phones(said("tat"), 60, np.full(60, -np.inf), PLAIN)
    np.testing.assert_array_equal(digital_silence, face_of_phones(said("tat"), 60, None, PLAIN))


def test_styles_differ_as_their_names_say() -> None:
    phones = random_speech(2, 300, 0.05, 0.12)
    hops = hops_of(phones)
    faces = {name: face_of_phones(phones, hops, style=style) for name, style in STYLES.items()}
    motions = {name: motion_of_faces(face) for name, face in faces.items()}
    gap = {name: float(lip_gap_mm(motion).mean()) for name, motion in motions.items()}
    width = {name: float(lip_width_mm(motion).mean()) for name, motion in motions.items()}
    jaw = {name: float(column(face, "jawOpen").mean()) for name, face in faces.items()}
    assert gap["mumbled"] < 0.8 * gap["neutral"] < 0.8 * gap["clear"]
    assert width["wide"] > width["neutral"] + 1.0 > width["rounded"] + 2.0
    assert width["smiling"] > width["neutral"] + 1.0
    assert jaw["jaw_talker"] > 1.2 * jaw["neutral"] > 1.2 * 1.2 * jaw["lip_talker"]
    left, right = (column(faces["crooked"], "mouthStretch" + side).mean() for side in ("Left", "Right"))
    assert left > 1.5 * right
    named = list(motions)
    for i, one in enumerate(named):
        for other in named[:i]:
            assert np.abs(motions[one] - motions[other]).mean() > 0.01, (one, other)


def test_drawn_styles_are_reproducible_and_unlike() -> None:
    styles = [draw_style(rng_of(seed)) for seed in range(200)]
    assert styles[3] == draw_style(rng_of(3))
    assert len(set(styles)) == 200
    jaws = np.array([style.jaw for style in styles])
    assert 0.9 < jaws.mean() < 1.15
    assert 0.1 < jaws.std() < 0.35
    with pytest.raises(ValueError, match=r"jaw is 9.* may be 0\.3"):
        Style(jaw=9.0)


def test_brows_accentuate_slowly_and_by_style() -> None:
    phones = [Phone(s, 0.3 + 0.1 * i, 0.4 + 0.1 * i, 2) for i, s in enumerate("tasimuka" * 20)]
    hops = hops_of(phones)
    brows = column(face_of_phones(phones, hops), "browInnerUp")
    assert 0.1 < brows.max() <= 0.25
    assert np.abs(np.diff(brows)).max() < 0.03
    assert column(face_of_phones(phones, hops), "eyeSquintLeft").max() > 0.02
    assert column(face_of_phones(phones, hops, style=STYLES["mumbled"]), "browInnerUp").max() < 0.6 * brows.max()
    assert not column(face_of_phones(phones, hops, style=PLAIN), "browInnerUp").any()


def test_motion_is_the_head_s_own_map() -> None:
    weights = face_of_phones(said("pamuʃif"), 60, style=STYLES["crooked"])
    weights[0, MOUTH_CLOSE] = 0.7  # more than jawOpen: clipped to it
    motion = motion_of_faces(weights)
    arkit = ArkitMap(open_head())
    expected = np.stack([np.concatenate(arkit.to_motion(row)[:2]) for row in weights])
    np.testing.assert_allclose(motion, expected, atol=2e-4)
    assert motion.shape == (60, 53)
    with pytest.raises(ValueError, match="last axis must have ARKit's 52"):
        motion_of_faces(np.zeros((3, 53)))


def test_loudness_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="the clip has 30 hops"):
        face_of_phones(said("a"), 30, np.zeros(29))


def test_an_hour_of_speech_takes_seconds() -> None:
    phones = random_speech(1, 4000, 0.04, 0.14)
    hops = hops_of(phones)
    begun_s = time.process_time()
    motion_of_faces(face_of_phones(phones, hops, np.zeros(hops)))
    assert (time.process_time() - begun_s) / (hops * HOP_S) < 60.0 / 3600.0
