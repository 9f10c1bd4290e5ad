"""The envelope baseline: streaming, causality, and that it does what its name says on a real voice."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.voice import hop_loudness_db, sample_voice, speak, synthesiser  # noqa: E402
from torch import Tensor  # noqa: E402

from models.audio.envelope import ARTICULATIONS, EnvelopeBaseline, one_pole  # noqa: E402
from models.head.flame import open_head  # noqa: E402
from models.streaming import Outputs, check_causal, check_streaming, run  # noqa: E402
from training.audio_baseline import articulation_to_motion, speech_like  # noqa: E402

# What a face can be seen to do: 0.2 is a jaw wide open on the open head.
CLOSED_RAD = 0.01


@pytest.fixture(scope="module")
def baseline() -> EnvelopeBaseline:
    return EnvelopeBaseline(articulation_to_motion(open_head())).eval()


def motion_of(baseline: EnvelopeBaseline, samples: np.ndarray) -> Outputs:
    with torch.no_grad():
        return run(baseline, torch.from_numpy(samples)[None].split(320 * 200, dim=1))[0]


@pytest.mark.parametrize("seed", range(5))
def test_streaming_equals_offline(baseline: EnvelopeBaseline, seed: int) -> None:
    check_streaming(baseline, speech_like(batch=2, duration_s=3.0, seed=seed), seed)


@pytest.mark.parametrize("seed", range(3))
def test_it_never_hears_the_future(baseline: EnvelopeBaseline, seed: int) -> None:
    check_causal(baseline, speech_like(batch=2, duration_s=2.0, seed=seed), seed)


def test_one_pole_is_the_recurrence_that_it_stands_for() -> None:
    values, last = torch.randn(1, 40, generator=torch.Generator().manual_seed(0)), torch.tensor([0.7])
    decay, expected = float(np.exp(-0.02 / 0.05)), []
    state = 0.7
    for value in values[0].tolist():
        state = decay * state + (1 - decay) * value
        expected.append(state)
    smoothed = one_pole(values, last, 0.05, 0.02)
    np.testing.assert_allclose(smoothed[0].numpy(), expected, atol=1e-6)
    channels = one_pole(values[..., None].expand(-1, -1, 2), last[:, None].expand(-1, 2), 0.05, 0.02)
    assert torch.allclose(channels[..., 1], smoothed, atol=1e-6)


def test_a_voice_opens_the_jaw_in_step_with_its_loudness(baseline: EnvelopeBaseline) -> None:
    voice = sample_voice()
    motion = motion_of(baseline, voice)
    jaw = motion["jaw"][0, :, 0].numpy()
    correlation = np.corrcoef(jaw, hop_loudness_db(voice))[0, 1]
    assert correlation > 0.6  # 0.80 when written
    assert jaw.max() > 0.12
    assert motion["speech"][0].max() > 0.95


@pytest.mark.skipif(synthesiser() is None, reason="needs espeak-ng or flite")
def test_a_synthetic_voice_does_too(baseline: EnvelopeBaseline, tmp_path) -> None:
    voice = speak("Many a man has been amazed by open arms and by the moon above a calm sea.", tmp_path)
    jaw = motion_of(baseline, voice)["jaw"][0, :, 0].numpy()
    assert np.corrcoef(jaw, hop_loudness_db(voice))[0, 1] > 0.5


@pytest.mark.parametrize("level_db", [-200.0, -80.0, -62.0])
def test_silence_is_a_closed_mouth(baseline: EnvelopeBaseline, level_db: float) -> None:
    room = np.random.default_rng(0).normal(0, 10 ** (level_db / 20), 320 * 250).astype(np.float32)
    motion = motion_of(baseline, room)
    assert motion["jaw"][0, :, 0].max() < CLOSED_RAD
    assert motion["speech"].max() < 0.1
    assert motion["expression"].abs().max() < 0.1


def test_the_mouth_closes_after_speech(baseline: EnvelopeBaseline) -> None:
    voice = sample_voice()
    room = np.random.default_rng(0).normal(0, 3e-4, 320 * 60).astype(np.float32)
    motion = motion_of(baseline, np.concatenate([voice, room]))
    assert motion["jaw"][0, -10:, 0].max() < CLOSED_RAD
    assert motion["speech"][0, -10:].max() < 0.05


@pytest.mark.parametrize("gain_db", [-12.0, 12.0])
def test_gain_changes_little(baseline: EnvelopeBaseline, gain_db: float) -> None:
    voice = sample_voice()[: 320 * 340]
    plain = motion_of(baseline, voice)["jaw"][0, :, 0].numpy()
    other = motion_of(baseline, voice * np.float32(10 ** (gain_db / 20)))["jaw"][0, :, 0].numpy()
    # The first second still learns how loud this speaker is.
    assert np.abs(plain - other)[50:].mean() < 0.15 * plain[50:].mean()


def _tone(frequency_hz: float, samples: int = 320 * 50) -> np.ndarray:
    """A buzz at 130 Hz whose energy lies around `frequency_hz`."""
    time_s = np.arange(samples) / 16_000
    pulses = np.clip(np.sin(2 * np.pi * 130 * time_s), 0.9, None) - 0.9
    return (3 * pulses * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def _articulations(baseline: EnvelopeBaseline, samples: np.ndarray) -> dict[str, Tensor]:
    eye = torch.zeros(len(ARTICULATIONS), 53)
    eye[:, : len(ARTICULATIONS)] = torch.eye(len(ARTICULATIONS))
    expression = motion_of(EnvelopeBaseline(eye).eval(), samples)["expression"][0, -20:]
    return {name: expression[:, index].mean() for index, name in enumerate(ARTICULATIONS)}


def test_bright_sounds_spread_the_lips_and_dark_ones_round_them(baseline: EnvelopeBaseline) -> None:
    bright, dark = _articulations(baseline, _tone(2300)), _articulations(baseline, _tone(420))
    assert bright["spread"] > dark["spread"] + 0.3
    assert dark["rounded"] > bright["rounded"] + 0.2


def test_a_hiss_opens_less_than_a_vowel_of_the_same_loudness(baseline: EnvelopeBaseline) -> None:
    vowel = _tone(700)
    hiss = np.diff(np.random.default_rng(0).normal(size=len(vowel) + 2), 2).astype(np.float32)
    hiss *= np.sqrt(np.square(vowel).mean() / np.square(hiss).mean())
    assert _articulations(baseline, hiss)["open"] < 0.4 * _articulations(baseline, vowel)["open"]


def test_a_wrong_map_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(4, 53\)"):
        EnvelopeBaseline(torch.zeros(4, 50))
