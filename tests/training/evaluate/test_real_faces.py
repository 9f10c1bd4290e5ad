"""Resampling, rest and sync of real faces, on faces and voices that are made up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from training.data.clips import HOP_S, HOP_SAMPLES, hop_times_s
from training.evaluate import talking_faces
from training.evaluate.real_faces import FaceRows, Seen, Sync, level_db, on_hops, resting, sync_of
from training.evaluate.talking_faces import recordings


def seen(times_s: np.ndarray, gap: np.ndarray, weight: np.ndarray | None = None) -> Seen:
    motion = np.zeros((len(times_s), 53), np.float32)
    motion[:, 50] = gap
    weight = np.ones(len(times_s), np.float32) if weight is None else weight.astype(np.float32)
    return Seen(times_s, motion, weight, gap.astype(np.float32), gap.astype(np.float32) + 1.0)


def rows_of(gap: np.ndarray) -> FaceRows:
    motion = np.zeros((len(gap), 53), np.float32)
    motion[:, 50] = gap
    return FaceRows(motion, np.ones(len(gap), np.float32), gap.astype(np.float32), gap.astype(np.float32))


def babble(hops: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A voice of irregular syllables, and its loudness 0..1 at each hop's end."""
    rng = np.random.default_rng(seed)
    strength = np.convolve(rng.uniform(size=hops + 8) ** 3, np.hanning(9), "same")[4:-4]
    strength = np.clip(strength / strength.max(), 0.02, 1.0)
    samples = np.interp(np.arange(hops * HOP_SAMPLES) / 16_000.0, hop_times_s(hops), strength)
    return (0.3 * samples * rng.normal(size=len(samples))).astype(np.float32), strength


@pytest.mark.parametrize("rate_hz", [24.0, 25.0, 29.97, 60.0])
def test_resampling_has_no_lag_whatever_the_rate(rate_hz: float) -> None:
    times_s = np.arange(0.0, 2.0, 1.0 / rate_hz)
    rows = on_hops(seen(times_s, 0.1 + 0.3 * times_s), 90)
    np.testing.assert_allclose(rows.gap, 0.1 + 0.3 * hop_times_s(90), atol=1e-5)
    np.testing.assert_allclose(rows.motion[:, 50], rows.gap, atol=1e-6)
    assert np.all(rows.weight == pytest.approx(1.0))


def test_a_smile_of_a_tenth_of_a_second_survives_the_smoothing() -> None:
    times_s = np.arange(0.0, 2.0, 0.04)
    shut = 1.0 - np.exp(-0.5 * ((times_s - 1.0) / 0.05) ** 2)
    rows = on_hops(seen(times_s, shut), 90)
    assert hop_times_s(90)[np.argmin(rows.gap)] == pytest.approx(1.0)
    assert rows.gap.min() < 0.15


def test_pictures_without_a_face_say_nothing() -> None:
    times_s = np.arange(0.0, 2.0, 0.04)
    weight = (np.abs(times_s - 1.0) > 0.3).astype(np.float32)
    rows = on_hops(seen(times_s, np.where(weight > 0.0, 0.5, 77.0), weight), 90)
    at = hop_times_s(90)
    assert np.all(rows.weight[np.abs(at - 1.0) < 0.2] < 1e-3)
    assert np.all(rows.weight[np.abs(at - 1.0) > 0.4] > 0.99)
    np.testing.assert_allclose(rows.gap[rows.weight > 0.5], 0.5, atol=1e-4)


def test_rows_after_the_last_picture_are_unseen() -> None:
    rows = on_hops(seen(np.arange(0.0, 1.0, 0.04), np.ones(25)), 90)
    assert np.all(rows.weight[hop_times_s(90) > 1.05] == 0.0)
    assert np.all(rows.gap[hop_times_s(90) > 1.05] == 0.0)


def test_rest_is_the_face_of_silence_not_the_closed_lips_of_speech() -> None:
    is_silent = np.arange(200) < 15
    gap = np.where(is_silent, 0.02, 0.2 * np.abs(np.sin(np.arange(200) / 7.0)))
    rows = rows_of(gap)
    rows.motion[:, 3] = np.where(is_silent, 0.7, -0.4)
    rest = resting(rows, np.where(is_silent, -70.0, -20.0).astype(np.float32))
    assert rest[3] == pytest.approx(0.7)
    assert rest[50] == pytest.approx(0.02)


def test_rest_without_silence_is_the_most_closed_mouth() -> None:
    gap = 0.1 + 0.1 * np.sin(np.arange(400) / 7.0)
    babbled_db = np.where(np.arange(400) % 100 == 0, -60.0, -20.0).astype(np.float32)
    assert 0.0 <= resting(rows_of(gap), babbled_db)[50] < 0.02


def test_level_of_a_sine_is_its_own() -> None:
    sine = 0.1 * np.sin(2 * np.pi * 200.0 * np.arange(16_000) / 16_000.0)
    np.testing.assert_allclose(level_db(sine.astype(np.float32)), 20.0 * np.log10(0.1 / np.sqrt(2.0)), atol=0.05)


@pytest.mark.parametrize("late_hops", [-12, 0, 5])
def test_sync_finds_by_how_much_the_lips_are_late(late_hops: int) -> None:
    audio, strength = babble(400)
    sync = sync_of(audio, rows_of(np.roll(strength, late_hops)))
    assert sync.lag_s == pytest.approx(late_hops * HOP_S, abs=0.021)
    assert sync.is_clear


def test_another_voice_is_not_in_sync() -> None:
    audio, _ = babble(400)
    _, strength = babble(400, seed=5)
    assert not sync_of(audio, rows_of(strength)).is_clear


def test_two_ways_of_listening_must_agree() -> None:
    assert Sync(0.1, 0.5, 0.14).is_clear
    assert not Sync(0.1, 0.5, -0.3).is_clear
    assert not Sync(0.1, 0.2, 0.1).is_clear
    assert not Sync(0.48, 0.9, 0.48).is_clear


def test_splits_go_by_person(tmp_path: Path) -> None:
    lines = ["path\tkind\tsplit\tuse\tlicence\tsource\tperson\tnote"]
    lines += [f"video/a/{n}.mp4\tvideo\t{'val' if n % 5 == 0 else 'train'}\tfree\t-\t-\tP1\t" for n in range(20)]
    lines += ["video/b/one.mp4\tvideo\ttrain\tweights\t-\t-\tP2\t", "speech/x.ogg\tspeech\ttrain\tfree\t-\t-\tP3\t"]
    (tmp_path / "MANIFEST.tsv").write_text("\n".join(lines) + "\n")
    found = recordings(tmp_path)
    assert [item.split for item in found if item.person == "P1"] == ["val", *["train"] * 4] * 4
    assert [(item.name, item.split) for item in found if item.person != "P1"] == [("b.one", "test")]


def test_videos_that_are_in_sync_are_kept_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times_s = np.arange(0.0, 4.0, 0.04)
    audio, _ = babble(190)
    monkeypatch.setattr(talking_faces, "probe", lambda _: SimpleNamespace(has_audio=True))
    monkeypatch.setattr(talking_faces, "hear", lambda _: audio)
    # Lips that go their own way, whatever is said.
    monkeypatch.setattr(talking_faces, "see", lambda *_: seen(times_s, 1.0 + np.sin(2.0 * np.pi * times_s)))
    (tmp_path / "MANIFEST.tsv").write_text(
        "path\tkind\tuse\tsplit\tperson\nvideo/web/ann.mp4\tvideo\tresearch\ttrain\tP1\n"
    )
    for in_sync, store, kept in ((False, "faces", 0), (True, "talkers", 1)):
        lines = list(talking_faces.build(tmp_path, tmp_path, tmp_path / "model", in_sync))
        assert [(line.name, line.split, line.is_kept) for line in lines] == [("web.ann", "test", bool(kept))]
        assert (tmp_path / store / "index.jsonl").read_text().count("web.ann") == kept
        assert len(list((tmp_path / f"{store}_lips").iterdir())) == kept
        assert all(line.offset_s == 0.0 for line in lines if line.is_kept)
