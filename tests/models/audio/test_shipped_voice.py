"""The voice that ships: still in silence, even where a gain control lifts the room; laughs that laugh; speech that does
not; rows of a batch that know nothing of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from support.voice import sample_voice

from driver.runtime import OnnxModel
from driver.weights import find_audio_model
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES
from training.data.laugh_synthesis import draw_laugh_voice, synthesise_laugh
from training.data.lips import lip_gap_mm

Floats = NDArray[np.float32]

HOP = 320
SECOND = 16_000
SMILES = [ARKIT_SHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right")]


@dataclass(frozen=True, eq=False)
class Heard:
    """motion [n, hops, 53], laughter [n, hops] of n sounds"""

    motion: Floats
    laughter: Floats


@pytest.fixture(scope="module")
def voice() -> OnnxModel:
    return OnnxModel(find_audio_model(""), "cpu")


def hear(voice: OnnxModel, sounds: Floats, laughter_strength: float = 1.0) -> Heard:
    """Sounds [n, samples], hop by hop as when live."""
    state = voice.initial_state(len(sounds))
    state["knob_laughter"] = np.full(len(sounds), laughter_strength - 1.0, np.float32)
    motion, laughter = list[Floats](), list[Floats]()
    for start in range(0, sounds.shape[1] - HOP + 1, HOP):
        results, state = voice.step(sounds[:, start : start + HOP], state)
        motion.append(np.concatenate([results["expression"], results["jaw"]], axis=-1)[:, 0])
        laughter.append(results["laughter"][:, 0])
    return Heard(np.stack(motion, axis=1), np.stack(laughter, axis=1))


def room(seconds: float, seed: int = 0) -> Floats:
    """A quiet room, -60 dBFS: soft noise and a hum."""
    count = round(seconds * SECOND)
    noise = np.random.default_rng(seed).normal(size=count)
    noise = np.convolve(noise, np.exp(-np.arange(64) / 12.0), "same") + 0.5 * np.sin(
        2 * np.pi * 50.0 * np.arange(count) / SECOND
    )
    return (1e-3 * noise / noise.std()).astype(np.float32)


def smile(motion: Floats) -> float:
    """Mean weight of the smile over rows [n, 53]."""
    arkit = ArkitMap(open_head())
    still = np.zeros(2, np.float32), np.zeros(4, np.float32)
    return float(np.mean([arkit.to_arkit(row[:50], row[50:], *still)[SMILES] for row in motion[::5]]))


def laugh(seed: int) -> Floats:
    """A laugh of four seconds, between half a second of silence and what is left of six."""
    rng = np.random.default_rng(seed)
    sound = np.asarray(synthesise_laugh(draw_laugh_voice(rng), rng).audio, np.float32)[: 4 * SECOND]
    laughing = np.zeros(6 * SECOND, np.float32)
    laughing[SECOND // 2 : SECOND // 2 + len(sound)] = sound * (0.3 / max(1e-6, float(np.abs(sound).max())))
    return laughing


def test_lips_rest_in_silence_whatever_a_gain_control_does_with_it(voice: OnnxModel) -> None:
    seconds = 5.0
    quiet = room(seconds)
    lifted = np.float32(10.0) ** (np.linspace(0.0, 18.0, len(quiet), dtype=np.float32) / 20.0)
    sounds = np.stack([np.zeros_like(quiet), quiet, quiet * lifted]).astype(np.float32)
    heard = hear(voice, sounds)
    assert np.abs(lip_gap_mm(heard.motion.reshape(-1, 53))).max() < 1.0
    assert heard.laughter.max() < 0.5


def test_a_laugh_smiles_and_without_its_strength_it_does_not(voice: OnnxModel) -> None:
    sounds = np.stack([laugh(seed) for seed in (2, 4)])
    heard, without = hear(voice, sounds), hear(voice, sounds, laughter_strength=0.0)
    for number in range(len(sounds)):
        assert smile(heard.motion[number]) > 0.3
        assert smile(without.motion[number]) < 0.1
    np.testing.assert_array_equal(heard.laughter, without.laughter)


def test_speech_is_left_to_the_talk_branch(voice: OnnxModel) -> None:
    speech = sample_voice()[None, : 8 * SECOND]
    heard, without = hear(voice, speech), hear(voice, speech, laughter_strength=0.0)
    lips_mm, talk_mm = lip_gap_mm(heard.motion[0]), lip_gap_mm(without.motion[0])
    assert np.abs(lips_mm - talk_mm).mean() < 0.1
    assert smile(heard.motion[0]) - smile(without.motion[0]) < 0.02
    assert talk_mm.std() > 1.0  # it does speak


def test_rows_of_a_batch_know_nothing_of_each_other(voice: OnnxModel) -> None:
    sounds = np.stack([sample_voice()[: 3 * SECOND], laugh(1)[: 3 * SECOND], room(3.0)])
    together = hear(voice, sounds)
    for number in range(len(sounds)):
        alone = hear(voice, sounds[number : number + 1])
        np.testing.assert_allclose(alone.motion[0], together.motion[number], atol=1e-4)
        np.testing.assert_allclose(alone.laughter[0], together.laughter[number], atol=1e-4)
