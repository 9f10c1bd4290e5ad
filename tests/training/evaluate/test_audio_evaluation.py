"""From sound to the table: subjects keep time, material is held out, and what is missing is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driver.runtime import ModelMetadata
from models.head.flame import open_head
from training.data.clips import HOP_SAMPLES, Clip, ClipInfo, ClipWriter
from training.data.lips import lip_gap_mm, lip_width_mm
from training.evaluate import audio, audio_subjects
from training.evaluate.audio_columns import COLUMNS, Judged
from training.evaluate.audio_material import FACES, SILENCE, SYNTHETIC, TALKERS, TUNING_FACES, listened, load, silences
from training.evaluate.audio_subjects import HeadAudio, Heard, Unavailable, VoiceModel
from training.evaluate.visemes import VISEMES, viseme_motions

ENVELOPE = audio.WEIGHTS / "envelope.onnx"


def voice(hops: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    strength = np.repeat(np.clip(rng.normal(0.1, 0.15, -(-hops // 8)), 0.0, 0.5), 8)[:hops]
    return (np.repeat(strength, HOP_SAMPLES) * rng.normal(size=hops * HOP_SAMPLES)).astype(np.float32)


def face_store(folder: Path, *clips: tuple[str, str], store: str = "faces") -> None:
    """(name, split) each: clips whose true motion is the envelope's own, 60 ms later."""
    model = VoiceModel(ENVELOPE)
    (folder / f"{store}_lips").mkdir(parents=True)
    with ClipWriter(folder / store) as writer:
        for seed, (name, split) in enumerate(clips):
            sound = voice(200, seed)
            motion = np.roll(model.hear([sound])[0].motion, 3, axis=0)
            writer.add(Clip(ClipInfo(name, name, "test", "talking", "free", split), sound, motion, np.ones(200)))
            np.savez(folder / f"{store}_lips" / f"{name}.npz", gap=lip_gap_mm(motion), weight=np.ones(200, np.float32))


class Echo:
    """A subject that shows what it was told, and counts how often it is asked."""

    name, latency_s, hears_laughter, hears_speech = "echo", 0.0, False, False
    fingerprint, size_mb = "echo-1", 0.0

    def __init__(self) -> None:
        self.asked = 0

    def hear(self, sounds: list[np.ndarray]) -> list[Heard]:
        self.asked += 1
        return [
            Heard(np.full((len(sound) // 320, 53), sound[0], np.float32), *np.zeros((2, len(sound) // 320), np.float32))
            for sound in sounds
        ]

    def step_ms(self) -> float:
        return 1.0


def test_a_batch_of_sounds_hears_as_each_alone() -> None:
    model = VoiceModel(ENVELOPE)
    sounds = [voice(hops, seed=hops) for hops in (50, 7, 120)]
    for alone, together in zip(sounds, model.hear(sounds), strict=True):
        expected = model.hear([alone])[0]
        assert len(together.motion) == len(alone) // HOP_SAMPLES
        np.testing.assert_allclose(together.motion, expected.motion, atol=1e-5)
        np.testing.assert_allclose(together.speech, expected.speech, atol=1e-5)


def test_a_model_without_a_knob_has_no_look_ahead_to_choose() -> None:
    with pytest.raises(ValueError, match="no look-ahead to choose"):
        VoiceModel(ENVELOPE, lookahead_s=0.04)


class Delay:
    """A model that says what it heard as many hops ago as its knob and 80 ms want."""

    def __init__(self, path: Path, device: str) -> None:
        self.metadata = ModelMetadata("delay", "1", "open-head/1", HOP_SAMPLES, 0.02, 0.08)

    def initial_state(self, batch: int = 1) -> dict[str, np.ndarray]:
        return {"knob_lookahead": np.zeros(batch, np.float32), "past": np.zeros((batch, 13), np.float32)}

    def step(self, signal: np.ndarray, state: dict[str, np.ndarray]) -> tuple[dict, dict]:
        past = np.concatenate([state["past"][:, 1:], signal[:, :1]], axis=1)
        ago = 4 + state["knob_lookahead"].astype(int)
        value = past[np.arange(len(past)), -1 - ago][:, None]
        expression = np.repeat(value[..., None], 50, axis=2)
        return {"expression": expression, "jaw": expression[..., :3], "laughter": value, "speech": value}, {
            "knob_lookahead": state["knob_lookahead"],
            "past": past,
        }


@pytest.mark.parametrize("lookahead_s", [0.0, 0.04, 0.08, 0.24, None])
def test_rows_are_about_their_own_instant_whatever_the_look_ahead(
    lookahead_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_subjects, "OnnxModel", Delay)
    sounds = [np.repeat(np.arange(1.0, hops + 1.0, dtype=np.float32), HOP_SAMPLES) for hops in (30, 20)]
    model = VoiceModel(ENVELOPE, lookahead_s)
    for sound, heard in zip(sounds, model.hear(sounds), strict=True):
        np.testing.assert_array_equal(heard.motion[:, 52], sound[::HOP_SAMPLES])
        np.testing.assert_array_equal(heard.laughter, sound[::HOP_SAMPLES])
    assert model.latency_s == (0.08 if lookahead_s is None else lookahead_s)


def test_without_node_the_peer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="no node and no npm"):
        HeadAudio(tmp_path)


def test_visemes_look_like_what_they_are_called() -> None:
    motions = dict(zip(VISEMES, viseme_motions(open_head()), strict=True))
    gaps = {name: float(lip_gap_mm(motion)) for name, motion in motions.items()}
    assert max(gaps, key=lambda name: gaps[name]) == "aa"
    assert gaps["PP"] < 1.0
    assert gaps["sil"] == 0.0
    widths = {name: float(lip_width_mm(motion)) for name, motion in motions.items()}
    assert min(widths, key=lambda name: widths[name]) == "U"
    assert widths["I"] > 1.0


def test_silences_are_five_quiet_seconds() -> None:
    zeros, room, typing = silences()
    assert {clip.hops for clip in silences()} == {250}
    assert not zeros.audio.any()
    assert 20 * np.log10(np.std(room.audio)) == pytest.approx(-60.0, abs=1.0)
    assert 0.02 < np.max(np.abs(typing.audio)) < 0.2


def test_a_subject_is_asked_once(tmp_path: Path) -> None:
    subject, clips = Echo(), silences()
    first, again = (listened(subject, SILENCE, clips, tmp_path) for _ in range(2))
    assert subject.asked == 1
    np.testing.assert_array_equal(first[2].motion, again[2].motion)
    assert [len(heard.motion) for heard in again] == [250, 250, 250]
    listened(subject, SILENCE, clips[:2], tmp_path)
    assert subject.asked == 2


def test_material_holds_out_and_says_what_is_missing(tmp_path: Path) -> None:
    face_store(tmp_path, ("ann", "test"), ("bob", "val"), ("cat", "train"))
    material = load(tmp_path)
    assert [clip.info.name for clip in material.clips[FACES]] == ["ann"]
    assert [clip.info.name for clip in material.clips[TUNING_FACES]] == ["bob"]
    assert "synthetic" in material.missing[SYNTHETIC]
    assert "talkers" in material.missing[TALKERS]


def test_talkers_as_they_come_are_a_part_of_their_own(tmp_path: Path) -> None:
    face_store(tmp_path, ("ann", "test"), ("bob", "val"))
    face_store(tmp_path, ("dan", "test"), ("eve", "test"), store="talkers")
    with np.load(tmp_path / "talkers_lips" / "eve.npz") as archive:
        gap = archive["gap"]
    np.savez(tmp_path / "talkers_lips" / "eve.npz", gap=gap[::-1], weight=np.ones(200, np.float32))
    judged = audio.judge(VoiceModel(ENVELOPE), load(tmp_path), tmp_path)
    found = {column.title: audio.cell(column, judged) for column in COLUMNS}
    of = judged.aperture_r(TALKERS, judged.lag)
    assert sorted(of) == ["dan", "eve"]
    assert of["eve"] < 0.5 < of["dan"]
    assert found["aperture r, fixed lag"] == "1.00"
    assert float(found["aperture r, talkers"]) == pytest.approx((of["dan"] + of["eve"]) / 2, abs=0.01)
    assert float(found["aperture r, all"]) == pytest.approx(of["dan"], abs=0.01)


def test_the_lag_is_chosen_on_the_tuning_faces(tmp_path: Path) -> None:
    face_store(tmp_path, ("ann", "test"), ("bob", "val"))
    material = load(tmp_path)
    judged = audio.judge(VoiceModel(ENVELOPE), material, tmp_path)
    assert judged.lag == 3
    found = {column.title: audio.cell(column, judged) for column in COLUMNS}
    assert found["aperture r, fixed lag"] == "1.00"
    assert found["fixed lag, ms"] == "60"
    assert found["closure recall, synthetic"] == "n/a"
    assert found["laughter AUC, clips"] == "n/a"
    assert float(found["silence: zeros, mm"]) < 0.1
    assert float(found["LVE, real faces"]) > 1.0


def test_the_target_makes_no_error(tmp_path: Path) -> None:
    face_store(tmp_path, ("ann", "test"), ("bob", "val"))
    judged = audio.target(load(tmp_path))
    found = {column.title: audio.cell(column, judged) for column in COLUMNS}
    assert found["LVE, real faces"] == "0.00"
    assert found["MTM, real faces"] == "0"
    assert found["silence: zeros, mm"] == "n/a"


def test_the_page_has_every_measure_and_every_subject(tmp_path: Path) -> None:
    face_store(tmp_path, ("ann", "test"), ("bob", "val"))
    material = load(tmp_path)
    rows = [Judged("nobody", material, {}, hears_laughter=False), audio.target(material)]
    cells = [[audio.cell(column, judged) for judged in rows] for column in COLUMNS]
    text = audio.page(rows[1:], [values[1:] for values in cells], ["a note"], material)
    assert all(f"| {column.title} | " in text and f"**{column.title}**" in text for column in COLUMNS)
    assert "- a note" in text
    assert "| ann | ann | 4.0 | 1.00 |" in text
    assert {values[0] for values in cells} == {"n/a"}
