"""Utterances to clips: pauses are silence, rows match times, motion can be made again in place."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from training.data.build_speech import build_synthetic
from training.data.clips import HOP_S, ClipInfo, ClipStore
from training.data.lips import lip_gap_mm
from training.data.phones import INDEX_OF_PHONE, SILENCE, Phone
from training.data.speech_clips import SpeechWriter, phones_of_store, rewrite_motion, speech_clip, speech_rows, style_of
from training.data.styles import STYLES
from training.data.utterance import Utterance, joined, with_silences

INFO = ClipInfo("one", "nobody", "test", "speech", "free", "train", "clear")


def said(seconds: float = 1.0) -> Utterance:
    rng = np.random.default_rng(0)
    phones = [Phone("b", 0.30, 0.40, 2), Phone("ɑ", 0.40, 0.60, 2), Phone("m", 0.60, 0.72)]
    return Utterance((0.1 * rng.standard_normal(round(16_000 * seconds))).astype(np.float32), phones)


def test_joined_moves_phones_with_the_sound() -> None:
    first, second = said(), said()
    both = joined([first, second], [0.5, 0.25, 0.1])
    assert both.seconds == pytest.approx(2.85)
    assert both.phones[3].start_s == pytest.approx(0.5 + 1.0 + 0.25 + 0.30)
    begin = round(1.75 * 16_000)
    np.testing.assert_array_equal(both.audio[begin : begin + 16_000], second.audio)
    assert not both.audio[:8000].any()
    with pytest.raises(ValueError, match="3 pauses"):
        joined([first, second], [0.1, 0.2])


def test_trimmed_keeps_a_margin() -> None:
    cut = said(2.0).trimmed(0.05)
    assert cut.seconds == pytest.approx(0.52, abs=1e-4)
    assert cut.phones[0].start_s == pytest.approx(0.05, abs=1e-4)


def test_silences_fill_the_rest() -> None:
    filled = with_silences(said().phones, 1.0)
    assert [phone.symbol for phone in filled] == [SILENCE, "b", "ɑ", "m", SILENCE]
    assert filled[0].start_s == 0.0
    assert filled[-1].end_s == 1.0


def test_speech_rows_bridge_short_rests_only() -> None:
    phones = [Phone("a", 0.1, 0.2), Phone("p", 0.26, 0.3), Phone("a", 0.6, 0.7)]
    rows = speech_rows(phones, 50)
    times_s = (np.arange(50) + 1) * HOP_S
    assert rows[(times_s > 0.1) & (times_s < 0.3)].all()
    assert not rows[(times_s > 0.31) & (times_s < 0.59)].any()
    assert rows.sum() == 15


def test_a_clip_is_labelled() -> None:
    clip = speech_clip(INFO, said(), seed=3)
    assert clip.motion.shape == (50, 53)
    assert clip.phones[0] == INDEX_OF_PHONE[SILENCE]
    assert clip.phones[24] == INDEX_OF_PHONE["ɑ"]  # 0.5 s
    assert clip.speech[24] == 1.0
    assert clip.speech[0] == 0.0
    gap_mm = lip_gap_mm(clip.motion)
    assert gap_mm[24] > 4.0  # in the vowel
    assert gap_mm[17] < 1.0  # in the b
    assert not clip.motion[0].any()


def test_motion_is_rewritten_in_place(tmp_path: Path) -> None:
    with SpeechWriter(tmp_path) as writer:
        assert writer.add(INFO, said(), seed=3) is not None
        assert writer.add(INFO, said(), seed=3) is None
    before = np.array(ClipStore(tmp_path)[0].motion)
    motion = np.memmap(tmp_path / "motion.f16", "<f2", "r+", shape=(50, 53))
    motion[:] = 0.0
    motion.flush()
    assert rewrite_motion(tmp_path) == 50
    after = ClipStore(tmp_path)[0].motion
    # The sound of the store is rounded to 16 bits, so that its loudness differs in the fifth digit.
    np.testing.assert_allclose(after, before, atol=2e-3)
    seed, phones = phones_of_store(tmp_path)["one"]
    assert (seed, phones) == (3, said().phones)


def test_a_style_of_its_own_is_the_same_again() -> None:
    assert style_of("", 5) == style_of("", 5) != style_of("", 6)
    assert style_of("clear", 5) is STYLES["clear"]


def test_a_small_store_has_both_splits_and_pauses(tmp_path: Path) -> None:
    for library in ("libespeak-ng.so.1", "libflite.so.1"):
        try:
            ctypes.CDLL(library)
        except OSError:
            pytest.skip(f"{library} is not installed")
    build_synthetic(tmp_path, hours=0.02, seed=4)
    store = ClipStore(tmp_path)
    splits = [info.split for info in store.infos]
    assert set(splits) == {"train", "val"}
    assert sum(store.hops) * HOP_S > 0.02 * 3600
    is_silent = np.asarray(store.phones) == INDEX_OF_PHONE[SILENCE]
    assert 0.1 < is_silent.mean() < 0.6
    audio = np.asarray(store.audio, np.float32) / 32767.0
    power = np.mean(np.square(audio), axis=1)
    assert 10 * np.log10(power[~is_silent].mean() / power[is_silent].mean()) > 10.0
    count = len(store)
    build_synthetic(tmp_path, hours=0.02, seed=4)
    assert len(ClipStore(tmp_path)) <= count + 2
