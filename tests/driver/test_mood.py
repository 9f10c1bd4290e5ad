"""The mood of the fused face: from whatever moves it, smooth, and cheap."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from driver.fuse import Fused
from driver.mood import Mood, MoodSettings
from driver.motion_vector import LAYOUT, VECTOR_SIZE
from driver.runtime import OnnxNetwork
from driver.weights import MOOD_MODEL, find_weights
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES, Floats

MS = 1_000_000
FUSED = Fused(np.zeros(VECTOR_SIZE, np.float32), 0, np.ones(4, np.float32), None, 0.0, 0.0, 0.0, 0.0)
SMILE = {"mouthSmile": 0.8, "cheekSquint": 0.6, "eyeSquint": 0.3}
SCOWL = {"browDown": 0.9, "eyeSquint": 0.6, "mouthPress": 0.7, "noseSneer": 0.3}
STARTLE = {"browInnerUp": 0.8, "browOuterUp": 0.8, "eyeWide": 0.9, "jawOpen": 0.5}


def face_of(shapes: dict[str, float]) -> Floats:
    """The motion vector of ARKit shapes, both sides."""
    weights = np.zeros(len(ARKIT_SHAPES))
    for name, value in shapes.items():
        for side in (name,) if name in ARKIT_SHAPES else (f"{name}Left", f"{name}Right"):
            weights[ARKIT_SHAPES.index(side)] = value
    vector = np.zeros(VECTOR_SIZE, np.float32)
    expression, jaw, _, _ = ArkitMap(open_head()).to_motion(weights)
    vector[LAYOUT["expression"]], vector[LAYOUT["jaw"]] = expression, jaw
    return vector


def fixed(valence: float, arousal: float):
    def network(**_: np.ndarray) -> dict[str, np.ndarray]:
        return {"valence": np.array([valence]), "arousal": np.array([arousal])}

    return network


@pytest.fixture(scope="module")
def shipped() -> OnnxNetwork:
    return OnnxNetwork(find_weights(MOOD_MODEL), "cpu")


def at_once(network: OnnxNetwork, vector: Floats) -> tuple[float, float]:
    felt = Mood(network, MoodSettings(0.0)).felt(FUSED, vector, 0)
    return felt.valence, felt.arousal


def test_faces_feel_what_they_show(shipped: OnnxNetwork) -> None:
    rest, smile, scowl, startle = (at_once(shipped, face_of(shapes)) for shapes in ({}, SMILE, SCOWL, STARTLE))
    assert np.abs(rest).max() < 0.1
    assert smile[0] > 0.4
    assert smile[1] > 0.2
    assert scowl[0] < -0.3
    assert startle[1] > 0.4
    assert startle[0] > scowl[0]


def test_more_of_a_smile_is_more_pleasant(shipped: OnnxNetwork) -> None:
    valences = [
        at_once(shipped, face_of({name: share * value for name, value in SMILE.items()}))[0]
        for share in np.linspace(0.0, 1.0, 6)
    ]
    assert np.all(np.diff(valences) > 0.0)


def test_who_somebody_is_says_nothing_of_what_they_feel(shipped: OnnxNetwork) -> None:
    vector, mood = face_of(SMILE), Mood(shipped, MoodSettings(0.0))
    shapes = np.random.default_rng(0).normal(0.0, 0.7, (50, 100)).astype(np.float32)
    valences = [mood.felt(replace(FUSED, shape=shape), vector, 0).valence for shape in shapes]
    assert np.std(valences) < 0.1


@pytest.mark.parametrize("step_ms", [4, 16, 50])
def test_the_way_is_half_done_after_the_half_life_at_any_rate(step_ms: int) -> None:
    mood = Mood(fixed(0.0, 0.0), MoodSettings(200.0))
    mood.felt(FUSED, FUSED.vector, 0)
    mood._network = fixed(0.8, -0.4)
    felt = FUSED
    for at_ms in range(step_ms, 201, step_ms):
        felt = mood.felt(FUSED, FUSED.vector, at_ms * MS)
    share = 1.0 - math.exp2(-(200 // step_ms * step_ms) / 200.0)
    assert (felt.valence, felt.arousal) == pytest.approx((0.8 * share, -0.4 * share), abs=1e-5)


def test_the_stronger_of_face_and_voice_is_believed() -> None:
    mood = Mood(fixed(0.5, 0.1), MoodSettings(0.0))
    sobbing = replace(FUSED, valence=-0.7, arousal=0.4)
    felt = mood.felt(sobbing, FUSED.vector, 0)
    assert (felt.valence, felt.arousal) == pytest.approx((-0.7, 0.4))
    felt = mood.felt(replace(FUSED, valence=0.0, arousal=0.05), FUSED.vector, MS)
    assert (felt.valence, felt.arousal) == pytest.approx((0.5, 0.1))


def test_a_mood_stays_in_its_range_whatever_the_network_says() -> None:
    felt = Mood(fixed(3.0, -3.0), MoodSettings()).felt(FUSED, FUSED.vector, 0)
    assert (felt.valence, felt.arousal) == (1.0, -1.0)


def test_a_mood_costs_next_to_nothing(shipped: OnnxNetwork) -> None:
    """Under 0.1 ms on an idle machine; the least of many, since others may be computing too."""
    mood, vector = Mood(shipped, MoodSettings()), face_of(SMILE)
    took_ns = []
    for number in range(300):
        began_ns = time.perf_counter_ns()
        mood.felt(FUSED, vector, number * 16 * MS)
        took_ns.append(time.perf_counter_ns() - began_ns)
    assert min(took_ns) < 0.1 * MS


def test_the_shipped_network_is_small() -> None:
    assert find_weights(MOOD_MODEL).stat().st_size <= 200_000
