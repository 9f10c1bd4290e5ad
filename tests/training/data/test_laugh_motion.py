"""A laughing face follows its sound: when it begins, when its jaw is widest, when it ends."""

from itertools import pairwise

import numpy as np
import pytest

from protocol.frame import ARKIT_SHAPES
from training.data.bursts import burst_peaks, loudness_db
from training.data.clips import HOP_S
from training.data.laugh_clips import laugh_from_bursts
from training.data.laugh_motion import LAUGH_STYLES, draw_laugh_style, laugh_face, presence
from training.data.laugh_synthesis import LaughVoice, synthesise_laugh

JAW, SMILE = ARKIT_SHAPES.index("jawOpen"), ARKIT_SHAPES.index("mouthSmileLeft")
VOICE = LaughVoice(
    f0_hz=280.0, tract=1.0, vowel="a", voicing="voiced", rate_hz=4.5, bursts=(7,), breath=0.3, effort=0.7
)


@pytest.fixture(scope="module")
def laugh() -> tuple[np.ndarray, np.ndarray]:
    """(levels dB, laughter) of a synthesised laugh and two seconds of nothing behind it."""
    made = synthesise_laugh(VOICE, np.random.default_rng(5))
    quiet = 1e-4 * np.random.default_rng(6).normal(size=32_000).astype(np.float32)
    audio, laughter = laugh_from_bursts(np.concatenate([made.audio, quiet]), made.bursts)
    return loudness_db(audio), laughter


def test_the_jaw_is_widest_within_40_ms_of_each_burst(laugh: tuple[np.ndarray, np.ndarray]) -> None:
    level_db, laughter = laugh
    jaw = laugh_face(level_db, laughter, LAUGH_STYLES["hearty"])[:, JAW]
    peaks = [hop for hop in burst_peaks(level_db) if laughter[hop] > 0.5]
    assert len(peaks) >= 5
    for hop in peaks:
        around = jaw[hop - 4 : hop + 5]
        assert abs(int(np.argmax(around)) - 4) * HOP_S <= 0.04 + 1e-9, f"burst at {hop * HOP_S:.2f} s"


def test_the_jaw_bounces(laugh: tuple[np.ndarray, np.ndarray]) -> None:
    level_db, laughter = laugh
    jaw = laugh_face(level_db, laughter, LAUGH_STYLES["hearty"])[:, JAW]
    peaks = [hop for hop in burst_peaks(level_db) if laughter[hop] > 0.5]
    dips = [jaw[first:second].min() for first, second in pairwise(peaks)]
    assert np.median(jaw[peaks]) > 0.35
    assert np.median(dips) < 0.6 * np.median(jaw[peaks])


def test_the_smile_comes_just_before_the_voice_and_stays_after_it() -> None:
    laughter = np.zeros(300, np.float32)
    laughter[100:150] = 1.0
    shown = presence(laughter, linger_s=0.9)
    assert shown[100 - 5] == 0.0
    assert shown[100] > 0.05
    assert shown[100 + 8] > 0.98, "full within 0.16 s of the first burst"
    end = 149
    assert shown[end + round(0.5 / HOP_S)] > 0.4
    assert shown[end + round(1.15 / HOP_S)] < 0.02


def test_without_laughter_the_face_is_neutral() -> None:
    level_db = np.random.default_rng(0).uniform(-60.0, -10.0, 200).astype(np.float32)
    assert not np.any(laugh_face(level_db, np.zeros(200, np.float32), LAUGH_STYLES["hearty"]))


def test_the_microphones_gain_does_not_matter(laugh: tuple[np.ndarray, np.ndarray]) -> None:
    level_db, laughter = np.maximum(laugh[0], np.float32(-70.0)), laugh[1]
    style = LAUGH_STYLES["giggle"]
    quiet, loud = (laugh_face(level_db + gain_db, laughter, style) for gain_db in (-12.0, 6.0))
    np.testing.assert_allclose(quiet, loud, atol=1e-5)


def test_hearty_laughs_are_more_than_polite_ones(laugh: tuple[np.ndarray, np.ndarray]) -> None:
    level_db, laughter = laugh
    hearty, polite = (laugh_face(level_db, laughter, LAUGH_STYLES[name]) for name in ("hearty", "polite"))
    for shape in ("jawOpen", "mouthSmileLeft", "cheekSquintRight", "eyeSquintLeft", "noseSneerLeft"):
        index = ARKIT_SHAPES.index(shape)
        assert hearty[:, index].max() > 1.1 * polite[:, index].max(), shape
    weak = laugh_face(level_db, laughter, LAUGH_STYLES["hearty"], strength=0.2)
    assert weak[:, JAW].max() < 0.7 * hearty[:, JAW].max()
    assert weak[:, SMILE].max() > 0.7 * hearty[:, SMILE].max(), "a weak laugh still smiles"


def test_a_laugh_shows_teeth_and_cheeks(laugh: tuple[np.ndarray, np.ndarray]) -> None:
    face = laugh_face(*laugh, LAUGH_STYLES["hearty"])
    top = face[np.argmax(face[:, JAW])]
    for shape, least in (("mouthSmileLeft", 0.85), ("cheekSquintLeft", 0.85), ("eyeSquintRight", 0.85)):
        assert top[ARKIT_SHAPES.index(shape)] > least, shape
    assert 0.4 < top[ARKIT_SHAPES.index("mouthUpperUpLeft")] < 0.8
    assert face.min() >= 0.0
    assert face.max() <= 1.0


def test_asymmetry_favours_a_side(laugh: tuple[np.ndarray, np.ndarray]) -> None:
    style = draw_laugh_style(np.random.default_rng(3), "polite")
    face = laugh_face(*laugh, style)
    left, right = face[:, SMILE].max(), face[:, ARKIT_SHAPES.index("mouthSmileRight")].max()
    assert style.asymmetry != 0.0
    assert np.sign(left - right) == np.sign(style.asymmetry)


def test_wrong_arguments_are_named() -> None:
    rows = np.zeros(10, np.float32)
    with pytest.raises(ValueError, match="rows of the same hops"):
        laugh_face(rows, rows[:5], LAUGH_STYLES["polite"])
    with pytest.raises(ValueError, match=r"strength is 1\.5"):
        laugh_face(rows, rows, LAUGH_STYLES["polite"], strength=1.5)
