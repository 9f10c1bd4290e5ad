"""What each stage keeps and turns down, on pieces whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.curated import piece
from support.media_files import write_sound, write_video

from models.head.landmarks import FACE_POINTS, INNER_LIPS
from training.curation import sound as hearing
from training.curation.clips import clips
from training.curation.cuts import cuts, pieces
from training.curation.faces import of_one_face
from training.curation.item import Item
from training.curation.media import pictures, sound, write_clip
from training.curation.probe import probe
from training.curation.settings import CurationSettings, read_settings
from training.curation.sound import laughter_in, listen, longest_bout_s
from training.curation.speaker import speaker
from training.curation.stages import Stage, run_stages
from training.curation.steady import steady
from training.data.clips import HOP_SAMPLES
from training.recipe import RecipeError

SETTINGS = CurationSettings()


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items]


# Settings


def test_settings_come_from_the_recipe_and_unknown_ones_are_refused() -> None:
    assert read_settings("laughtalk_data") == SETTINGS
    assert read_settings("laughtalk_data", ["curation.clip_s=5"]).digest != SETTINGS.digest
    with pytest.raises(RecipeError, match="clip_seconds is no setting"):
        read_settings("laughtalk_data", ["curation.clip_seconds=5"])
    with pytest.raises(RecipeError, match="cut_detector is 'fast'"):
        CurationSettings(cut_detector="fast")
    with pytest.raises(RecipeError, match=r"give the path of yamnet\.tflite"):
        CurationSettings(laughter_detector="yamnet")
    for seconds in (0.0, 3.51):
        with pytest.raises(RecipeError, match=f"clip_s is {seconds}"):
            CurationSettings(clip_s=seconds)


# Files


def test_files_of_no_use_are_turned_down_in_a_sentence(tmp_path: Path) -> None:
    times_ms, hum = list(range(0, 4000, 40)), 0.1 * np.ones((1, 64_000), np.float32)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all" * 100)
    files = {
        broken: "cannot be read as video or sound",
        write_video(tmp_path / "mute.mkv", times_ms): "the file has no sound",
        write_sound(tmp_path / "voice.wav", hum, 16_000): "the file has no moving picture",
        write_video(tmp_path / "short.mkv", times_ms[:50], sound=hum[:, :32_000]): "a clip is 3.5 s",
        tmp_path / "gone.mp4": "does not exist",
    }
    for path, expected in files.items():
        (item,) = run_stages([Item.of_file(path)], SETTINGS)
        assert item.rejected_by == "probe"
        assert expected in item.reason
        assert "\n" not in item.reason


def test_a_silent_track_is_turned_down(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", list(range(0, 4000, 40)), sound=np.zeros((1, 64_000), np.float32))
    (whole,) = probe(Item.of_file(path), SETTINGS)
    (item,) = listen(whole, SETTINGS)
    assert item.rejected_by == "sound"
    assert item.reason.startswith("silent")


def test_a_stretch_is_read_as_it_lies_in_the_file(tmp_path: Path) -> None:
    """Pictures and sound of a stretch are those of the whole file, though the file is not read from its start."""
    rng = np.random.default_rng(0)
    heard = np.cumsum(rng.normal(0.0, 0.02, 160_000)).astype(np.float32)
    heard = np.clip(heard - np.convolve(heard, np.ones(400) / 400, "same"), -0.9, 0.9).astype(np.float32)
    path = write_video(tmp_path / "a.mkv", list(range(0, 10_000, 40)), sound=heard[np.newaxis])
    whole = sound(path, 0.0, 10.0)
    assert np.abs(whole[: len(heard)] - heard).max() < 1e-3
    assert np.abs(sound(path, 6.0, 8.0) - whole[96_000:128_000]).max() < 1e-3
    every, some = list(pictures(path)), list(pictures(path, 6.0, 8.0))
    assert [round(time_s, 3) for time_s, _ in some] == [round(0.04 * n, 3) for n in range(150, 200)]
    assert np.array_equal(some[0][1], every[150][1])
    small = next(pictures(path, long_side_px=32))[1]
    assert small.shape == (24, 32, 3)


# Cuts


def textured(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 8, 3), np.uint8)
    return np.kron(small, np.ones((20, 20, 1), np.uint8))


def test_a_cut_splits_a_clip_where_it_is(tmp_path: Path) -> None:
    shown = [*[textured(1)] * 100, *[textured(2)] * 130, *[textured(3)] * 30]
    path = tmp_path / "cut.mp4"
    write_clip(path, iter(shown), 25.0, np.zeros(166_400, np.float32))
    (whole,) = probe(Item.of_file(path), SETTINGS)
    first, second, third = cuts(whole, SETTINGS)
    assert first.end_s == second.begin_s == pytest.approx(4.0, abs=0.041)
    assert second.end_s == pytest.approx(9.2, abs=0.041)
    assert not first.is_rejected
    assert not second.is_rejected
    assert third.rejected_by == "cuts"
    assert "from cut to cut" in third.reason
    assert len(list(cuts(whole, replace(SETTINGS, cut_detector="none")))) == 1


def test_long_shots_are_taken_in_equal_pieces() -> None:
    parts = list(pieces(Item("a.mp4", end_s=50.0), replace(SETTINGS, longest_s=20.0)))
    assert [round(part.seconds, 2) for part in parts] == [16.66, 16.68, 16.66]
    assert parts[0].end_s == parts[1].begin_s
    assert parts[-1].end_s == 50.0


# Faces


def test_two_faces_no_face_and_a_small_face_are_turned_down() -> None:
    count = np.ones(200, np.float32)
    count[100:] = 2.0
    one, two = of_one_face(piece(8.0, face_count=count), SETTINGS)
    assert (one.begin_s, one.end_s, one.is_rejected) == (0.0, 4.0, False)
    assert (two.rejected_by, two.reason) == ("faces", "more than one face")
    nobody = list(of_one_face(piece(4.0, face_count=np.zeros(100, np.float32)), SETTINGS))
    assert reasons(nobody) == ["no face"]
    small = list(of_one_face(piece(4.0, side_px=np.full(100, 60.0, np.float32)), SETTINGS))
    assert "too small" in small[0].reason


def test_a_stumble_of_the_network_is_no_event() -> None:
    count = np.ones(100, np.float32)
    count[50:53] = 0.0
    (kept,) = of_one_face(piece(4.0, face_count=count), SETTINGS)
    assert not kept.is_rejected
    count[50:54] = 0.0
    assert all(item.is_rejected for item in of_one_face(piece(4.0, face_count=count), SETTINGS))


def test_two_filmed_faces_are_counted(shared_data: Path, tmp_path: Path) -> None:
    """The detector and the face network, on a real clip: alone, and beside itself."""
    from training.curation.faces import look

    clip = shared_data / "video" / "grid_s1" / "bbie9s.mp4"
    alone = [image for _, image in pictures(clip, 0.0, 0.4)]
    together = [np.hstack([image, image[:, ::-1]]) for image in alone]
    for shown, expected in ((alone, 1.0), (together, 2.0)):
        path = tmp_path / f"{expected}.mp4"
        write_clip(path, iter(shown), 25.0, np.zeros(6400, np.float32))
        seen = look(replace(Item.of_file(path), end_s=0.4), SETTINGS)
        assert seen.arrays["face_count"].tolist() == [expected] * 10
        assert seen.arrays["side_px"] == pytest.approx(165.0, abs=25.0)  # a head of 24 cm, as the picture shows it


# Heads


@pytest.mark.parametrize(
    ("axis", "angle_deg", "reason"),
    [
        (1, 40.0, "turned aside"),
        (1, -40.0, "turned aside"),
        (0, 35.0, "turned up or down"),
        (1, 20.0, ""),
        (2, 40.0, ""),
    ],
)
def test_a_face_that_is_turned_away_is_turned_down(axis: int, angle_deg: float, reason: str) -> None:
    turned = np.zeros((100, 3), np.float32)
    turned[:, axis] = np.radians(angle_deg)
    (item,) = steady(piece(4.0, head_rotation=turned), SETTINGS)
    assert item.is_rejected == bool(reason)
    assert item.reason.startswith(reason)


def test_the_pieces_around_a_turn_are_kept() -> None:
    yaw = np.zeros((250, 3), np.float32)
    yaw[100:125, 1] = np.radians(50.0)
    found = list(steady(piece(10.0, head_rotation=yaw), SETTINGS))
    assert [item.is_rejected for item in found] == [False, True, False]
    assert found[0].begin_s == 0.0
    assert found[-1].end_s == 10.0
    assert sum(item.seconds for item in found) == pytest.approx(10.0)


@pytest.mark.parametrize(("peak_deg_s", "is_kept"), [(60.0, True), (200.0, False)])
def test_a_head_that_whirls_is_turned_down(peak_deg_s: float, is_kept: bool) -> None:
    time_s = np.arange(100) / 25.0
    amplitude = np.radians(peak_deg_s) / (2.0 * np.pi)
    nod = np.zeros((100, 3), np.float32)
    nod[:, 2] = amplitude * np.sin(2.0 * np.pi * time_s)
    found = list(steady(piece(4.0, head_rotation=nod), SETTINGS))
    assert all(not item.is_rejected for item in found) == is_kept


def test_a_hidden_mouth_is_turned_down() -> None:
    (item,) = steady(piece(4.0, mouth_seen=np.full(100, 0.2, np.float32)), SETTINGS)
    assert item.reason == "the mouth is hidden"


# Lips and voice


def talker(lag_s: float = 0.0, seconds: float = 8.0) -> Item:
    """Lips that part as a noise is loud, `lag_s` later."""
    hops = round(50 * seconds)
    rng = np.random.default_rng(5)
    loud = np.convolve(rng.normal(size=hops + 400), np.hanning(9), "same")
    loud = np.maximum(loud, 0.0) / loud.max()
    heard = loud[200 : 200 + hops]
    audio = np.repeat(heard, HOP_SAMPLES) * rng.normal(0.0, 0.2, hops * HOP_SAMPLES)
    at = 200 + np.arange(0, hops, 2) - round(50 * lag_s)
    whole = piece(seconds, audio=audio.astype(np.float32), voice_gap=heard.astype(np.float32))
    points = whole.arrays["points"].copy()
    lower = [FACE_POINTS.index(landmark) for landmark in INNER_LIPS[1][3:6]]
    points[:] = points[:1]
    points[:, lower, 1] += 15.0 * loud[at][:, None]
    return whole.with_arrays({"points": points})


@pytest.mark.parametrize(("lag_s", "is_kept"), [(0.0, True), (0.12, True), (1.3, False)])
def test_lips_of_another_voice_are_turned_down(lag_s: float, is_kept: bool) -> None:
    (item,) = speaker(talker(lag_s), SETTINGS)
    assert item.is_rejected != is_kept
    if is_kept:
        assert item.figures["sync_lag_s"] == pytest.approx(lag_s, abs=0.041)
    else:
        assert "lips and voice do not agree" in item.reason


def test_still_lips_are_turned_down() -> None:
    whole = talker()
    (item,) = speaker(whole.with_arrays({"points": np.repeat(whole.arrays["points"][:1], 200, axis=0)}), SETTINGS)
    assert "the lips are still" in item.reason


# Clips


def laughing(seconds: float, laughs_s: float, pause_s: float = 0.0) -> Item:
    """A piece whose voice laughs from 1 s on, with a pause in the middle, and is silent else."""
    laughter = np.zeros(round(50 * seconds), np.float32)
    laughter[50 : 50 + round(50 * laughs_s)] = 1.0
    middle = 50 + round(25 * laughs_s)
    laughter[middle : middle + round(50 * pause_s)] = 0.0
    return piece(seconds, laughter=laughter, speech=np.zeros(len(laughter), np.float32))


def test_laughter_of_three_and_a_half_seconds_is_a_clip_and_a_tenth_less_is_none() -> None:
    (less,) = [item for item in clips(laughing(8.0, 3.4), SETTINGS) if item.figures.get("laughter_s")]
    assert less.rejected_by == "clips"
    assert less.reason == "3.40 s of laughter; a laughing clip has 3.5 s"
    (enough,) = [item for item in clips(laughing(8.0, 3.5), SETTINGS) if not item.is_rejected]
    assert (enough.subset, enough.begin_s, enough.end_s) == ("laugh", 1.0, 4.5)
    assert len(enough.arrays["laughter"]) == 175
    assert enough.arrays["laughter"].min() == 1.0


def test_yamnet_is_believed_from_a_low_score_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Told:
        def rows(self, audio: np.ndarray) -> np.ndarray:
            scores = np.zeros((len(audio) // HOP_SAMPLES, 521), np.float32)
            scores[1:, 15], scores[2:, 0] = 0.04, 0.9
            scores[3:, 16] = 0.06
            return scores

    monkeypatch.setattr(hearing, "_yamnet", lambda path: Told())
    settings = replace(SETTINGS, laughter_detector="yamnet", yamnet="yamnet.tflite")
    told = laughter_in(np.zeros(4 * HOP_SAMPLES, np.float32), settings)
    assert (told >= settings.laughter_minimum).tolist() == [False, False, False, True]


def test_a_breath_does_not_end_a_laugh_and_a_pause_does() -> None:
    for pause_s, expected_s in ((0.4, 5.0), (0.5, 2.5)):
        rows = laughing(8.0, 5.0, pause_s).arrays["laughter"]
        assert longest_bout_s(rows, SETTINGS) == pytest.approx(expected_s)


def test_talk_is_cut_into_clips_and_silence_is_none() -> None:
    speech = np.ones(600, np.float32)
    speech[:200] = 0.0
    found = list(clips(piece(12.0, begin_s=2.0, speech=speech), SETTINGS))
    assert [(item.subset, item.is_rejected) for item in found] == [("", True), ("talk", False), ("talk", False)]
    assert "of it is speech" in found[0].reason
    for item in found[1:]:
        assert item.seconds == pytest.approx(3.5)
        assert len(item.arrays["audio"]) == 56_000
        assert len(item.arrays["times_s"]) in (87, 88)
        assert item.arrays["times_s"][0] == pytest.approx(item.begin_s, abs=0.04)


# All of it


def test_what_was_turned_down_passes_untouched_and_errors_turn_down_one_file() -> None:
    def breaks(item: Item, settings: CurationSettings) -> list[Item]:
        raise ValueError("not a number")

    stage = Stage("breaks", breaks)
    gone = Item("a.mp4").reject("before", "it was bad")
    assert list(stage(gone, SETTINGS)) == [gone]
    (item,) = stage(Item("b.mp4"), SETTINGS)
    assert (item.rejected_by, item.reason) == ("breaks", "ValueError: not a number")

    def refuses(item: Item, settings: CurationSettings) -> list[Item]:
        raise RecipeError("install it")

    with pytest.raises(RecipeError):
        list(Stage("refuses", refuses)(Item("b.mp4"), SETTINGS))


def test_a_filmed_talker_becomes_a_clip_and_dubbed_he_does_not(shared_data: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, clip_s=2.6)
    clip, other = (shared_data / "video" / "grid_s1" / name for name in ("bbal8p.mp4", "swiu5s.mp4"))
    clip = clip if clip.is_file() else sorted((shared_data / "video" / "grid_s1").glob("*.mp4"))[0]
    (kept,) = [item for item in run_stages([Item.of_file(clip)], settings) if not item.is_rejected]
    assert kept.subset == "talk"
    assert kept.figures["reprojection"] < kept.figures["reprojection_before"]
    assert kept.figures["roughness_mm"] < kept.figures["roughness_before_mm"]
    dubbed = tmp_path / "dubbed.mp4"
    write_clip(dubbed, (image for _, image in pictures(clip)), 25.0, sound(other, 0.0, 3.0))
    found = list(run_stages([Item.of_file(dubbed)], settings))
    assert [item.rejected_by for item in found if item.subset == ""] == ["speaker"]
