from __future__ import annotations

import numpy as np
import pytest

from driver.capture.channels import ChannelMixer
from driver.types import HOP_SAMPLES


def voice(hops: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(hops * HOP_SAMPLES) * 0.1).astype(np.float32)


def mixed(channels: np.ndarray) -> np.ndarray:
    mixer = ChannelMixer(channels.shape[1])
    return np.concatenate([mixer.mix(hop) for hop in channels.reshape(-1, HOP_SAMPLES, channels.shape[1])])


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1).astype(np.float32)


def test_one_channel_passes_untouched():
    sound = voice(5)
    np.testing.assert_array_equal(mixed(sound[:, None]), sound)


@pytest.mark.parametrize("side", [0, 1])
def test_a_microphone_on_one_side_only_keeps_its_full_level_from_the_first_hop(side):
    sound, hum = voice(20), voice(20, seed=1) * 0.01
    channels = stereo(sound, hum) if side == 0 else stereo(hum, sound)
    np.testing.assert_allclose(mixed(channels), sound, atol=1e-6)


def test_the_same_on_both_sides_keeps_its_level():
    sound = voice(20)
    np.testing.assert_allclose(mixed(stereo(sound, sound)), sound, atol=1e-6)


def test_channels_out_of_phase_do_not_cancel():
    sound = voice(20)
    assert np.abs(mixed(stereo(sound, -sound))).mean() == pytest.approx(np.abs(sound).mean(), rel=1e-3)


def test_two_microphones_are_averaged():
    left, right = voice(20), voice(20, seed=1)
    np.testing.assert_allclose(mixed(stereo(left, right)), (left + right) / 2, atol=1e-6)


def test_silence_changes_no_mind_and_an_offset_is_no_sound():
    sound, silence = voice(20), np.zeros(400 * HOP_SAMPLES)
    left = np.concatenate([silence + 0.2, silence + 0.2])
    right = np.concatenate([silence[: len(silence) - len(sound)], sound, silence])
    out = mixed(stereo(left, right))
    np.testing.assert_allclose(out[len(silence) - len(sound) : len(silence)], sound, atol=1e-6)
    assert np.abs(out[-HOP_SAMPLES:]).max() == 0


def test_when_the_voice_changes_sides_it_is_followed_without_a_click():
    time_s = np.arange(200 * HOP_SAMPLES) / 16_000
    tone = np.sin(2 * np.pi * 212.5 * time_s) * 0.3  # at its peak where hops meet
    is_late = time_s > time_s[len(time_s) // 8]
    out = mixed(stereo(tone * ~is_late, tone * is_late))
    assert np.abs(out[-HOP_SAMPLES:]).max() == pytest.approx(0.3, rel=0.02)
    steepest = np.abs(np.diff(tone)).max()
    after_the_cut = out[len(out) // 8 + 2 :]
    assert np.abs(np.diff(after_the_cut)).max() < 1.2 * steepest
