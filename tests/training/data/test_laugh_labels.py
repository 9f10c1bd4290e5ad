"""Labels, groups and clips of the laughter corpus, on sounds made for the purpose."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.data.build_laughter import area_under_roc
from training.data.clips import HOP_SAMPLES, Clip, ClipInfo
from training.data.laugh_clips import Laugh, clips_of, laugh_from_bursts, laughing_speech, phrase, sped
from training.data.laugh_decoys import shouted
from training.data.laugh_synthesis import LaughVoice, synthesise_laugh
from training.data.laughter import Recording, correlation, effort, kind_and_group, labels, recordings, split
from training.data.lips import lip_gap_mm
from training.data.phones import INDEX_OF_PHONE

VOICE = LaughVoice(280.0, 1.0, "a", "voiced", 4.5, (6,), 0.3, 0.7)


def laugh(seed: int = 1, split_name: str = "train") -> Laugh:
    made = synthesise_laugh(VOICE, np.random.default_rng(seed))
    audio, laughter = laugh_from_bursts(made.audio, made.bursts)
    return Laugh("laugh", "someone", "here", "free", split_name, audio, laughter, np.zeros_like(laughter))


def scores(hops: int, speech: float, laughs: float) -> np.ndarray:
    rows = np.zeros((hops, 521), np.float32)
    rows[:, 0], rows[:, 13] = speech, laughs
    return rows


def test_kind_and_person_are_read_off_the_path() -> None:
    assert kind_and_group("laughter/Sharwin24+x/A1/21524/cough_large_9.ogg") == ("cough", "student")
    assert kind_and_group("laughter/Sharwin24+x/A1/21524/laugh/file3.ogg") == ("laugh", "laugh_file3")
    assert kind_and_group("laughter/Sri-Harsha+x/neut3.ogg") == ("speech", "speech_laughs")
    assert kind_and_group("laughter/WesDeng+x/wav/paris.ogg")[0] == "noise"
    himan = [kind_and_group(f"laughter/pypi_x/male/Evil_{name}.ogg")[1] for name in ("1-Himan-13599", "2-Himan-15983")]
    assert himan == ["himan", "himan"]
    assert kind_and_group("laughter/pypi_x/female/275652__me-is-chaos__female-evil.ogg")[1] == "me-is-chaos"


def test_a_copy_is_found_wherever_it_was_cut_out() -> None:
    rng = np.random.default_rng(0)
    whole, other = rng.normal(size=(2, 20_000))
    piece = 0.3 * whole[7000:12_000] + 0.05 * rng.normal(size=5000)
    assert correlation(piece, whole) > 0.9
    assert correlation(piece, other) < 0.2


def test_copies_and_persons_stay_on_one_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = ["path\tkind\tsplit\tuse\tlicence\tsource\tperson\tnote"]
    folder = tmp_path / "laughter" / "deb_hedgewars-data"
    folder.mkdir(parents=True)
    for number in range(12):
        sound = 0.1 * rng.normal(size=16_000)
        soundfile.write(folder / f"Voice{number}_Laugh.ogg", sound, 16_000)
        soundfile.write(folder / f"Copy{number}_Laugh.ogg", 0.5 * sound[3000:14_000], 16_000)
        lines += [
            f"laughter/deb_hedgewars-data/{name}{number}_Laugh.ogg\tlaughter\ttrain\tweights\t\tdeb:hedgewars:{name}\t\t"
            for name in ("Voice", "Copy")
        ]
    (tmp_path / "MANIFEST.tsv").write_text("\n".join(lines))
    found = recordings(tmp_path)
    assert len(found) == 12
    assert all(one.path.name.startswith("Voice") for one in found), "the longer one is kept"
    assert 2 <= sum(one.split == "test" for one in found) <= 4


def test_the_split_goes_by_group(tmp_path: Path) -> None:
    found = []
    for number in range(30):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.zeros(16_000), 16_000)
        found.append(Recording(path, "laugh", f"person{number // 3}", "deb:somewhere:x", "weights"))
    divided = split(found, seed=3)
    sides = {one.group: {other.split for other in divided if other.group == one.group} for one in divided}
    assert all(len(side) == 1 for side in sides.values())
    assert sum(one.split == "test" for one in divided) == 6


def test_a_laugh_is_laughter_from_its_first_burst_to_its_last() -> None:
    one = laugh()
    known = labels(one.audio, "laugh", scores(len(one.laughter), speech=0.9, laughs=0.4))
    assert known is not None
    agree = np.mean((known.laughter > 0.5) == (one.laughter > 0.5))
    assert agree > 0.9
    assert not known.speech.any()


def test_what_the_teacher_calls_speech_alone_is_no_laugh() -> None:
    one = laugh()
    assert labels(one.audio, "laugh", scores(len(one.laughter), speech=0.99, laughs=0.0)) is None
    assert labels(one.audio, "conversation", scores(len(one.laughter), speech=0.99, laughs=0.01)) is None


def test_doubt_is_unknown_in_a_conversation() -> None:
    one = laugh()
    hops = len(one.laughter)
    mixed = np.concatenate([scores(hops // 2, 0.1, 0.5), scores(hops - hops // 2, 0.9, 0.17)])
    known = labels(one.audio, "conversation", mixed)
    assert known is not None
    inside = np.flatnonzero(one.laughter > 0.5)
    early, late = inside[inside < hops // 2 - 5], inside[inside > hops // 2 + 5]
    assert np.nanmin(known.laughter[early[5:]]) > 0.7
    assert np.isnan(known.laughter[late[:-8]]).mean() > 0.7


def test_effort_is_heard_whatever_the_gain() -> None:
    one = laugh().audio
    dull = np.convolve(one, np.ones(12) / 12.0, "same").astype(np.float32)
    assert effort(dull) < effort(one) - 0.1
    assert effort(0.2 * one) == pytest.approx(effort(one), abs=0.02)


def test_clips_are_two_to_twelve_seconds_and_lose_nothing_of_a_laugh() -> None:
    long = laugh()
    long = Laugh(
        **{**vars(long), "audio": np.tile(long.audio, 14), "laughter": np.tile(long.laughter, 14)}
        | {"speech": np.zeros(14 * len(long.speech), np.float32)}
    )
    clips = list(clips_of(long, np.random.default_rng(0), 0))
    assert len(clips) > 2
    assert all(100 <= clip.hops <= 600 for clip in clips)
    assert sum(float(clip.laughter.sum()) for clip in clips) >= 0.95 * long.laughter.sum()
    assert all(clip.motion.shape == (clip.hops, 53) for clip in clips)
    assert max(float(clip.motion[:, 50].max()) for clip in clips) > 0.1  # rad


def test_motion_is_not_believed_where_laughter_is_unknown() -> None:
    one = laugh()
    doubtful = np.where(one.laughter > 0.5, np.nan, one.laughter).astype(np.float32)
    (clip,) = clips_of(Laugh(**{**vars(one), "laughter": doubtful}), np.random.default_rng(0), 0)
    unknown = np.isnan(clip.laughter)
    assert unknown.any()
    assert not clip.motion_weight[unknown].any()
    assert clip.motion_weight[: np.flatnonzero(unknown)[0] - 1].all()


def speech_clip(hops: int = 200) -> Clip:
    rng = np.random.default_rng(2)
    phones = np.full(hops, INDEX_OF_PHONE["a"], np.uint8)
    phones[::10] = phones[1::10] = phones[2::10] = phones[3::10] = INDEX_OF_PHONE["m"]
    audio = (0.1 * rng.normal(size=hops * HOP_SAMPLES)).astype(np.float32)
    info = ClipInfo("said", "speaker", "espeak", "speech", "free", "train")
    still, spoken = np.zeros((hops, 53), np.float32), np.ones(hops, np.float32)
    return Clip(info, audio, still, spoken, phones, speech=spoken)


def first_with(said: Clip, is_wanted: Callable[[Clip], object]) -> Clip:
    """The first draw of laughing speech that is of the wanted kind."""
    clips = (laughing_speech(said, laugh(), np.random.default_rng(seed), seed) for seed in range(40))
    return next(clip for clip in clips if clip is not None and is_wanted(clip))


def test_lips_still_meet_in_laughing_speech() -> None:
    clip = first_with(speech_clip(), lambda clip: np.sum((clip.laughter > 0.5) & (clip.speech > 0.5)) > 40)
    both = (clip.laughter > 0.5) & (clip.speech > 0.5)
    gap_mm = lip_gap_mm(clip.motion)
    closed = both & (clip.phones == INDEX_OF_PHONE["m"]) & (np.roll(clip.phones, 1) == INDEX_OF_PHONE["m"])
    closed &= np.roll(clip.phones, -1) == INDEX_OF_PHONE["m"]
    opened = both & (clip.phones == INDEX_OF_PHONE["a"])
    assert np.median(gap_mm[closed]) < 1.5
    assert np.percentile(gap_mm[opened], 80) > np.median(gap_mm[closed]) + 1.0
    assert clip.info.kind == "laughing_speech"


def test_a_laugh_behind_speech_leaves_the_speech_alone() -> None:
    said = speech_clip(100)
    said.motion[:, 50] = 0.2
    clip = first_with(said, lambda clip: np.argmax(clip.laughter) > 105)
    first = int(np.argmax(clip.laughter))
    np.testing.assert_allclose(clip.motion[: first - 5], np.pad(said.motion, ((0, first - 105), (0, 0))), atol=1e-6)
    assert clip.valence[first + 20] > 0.7


def test_a_phrase_goes_from_pause_to_pause() -> None:
    said = speech_clip(900)
    for pause in (0, 200, 400, 890):
        said.phones[pause : pause + 10] = INDEX_OF_PHONE["sil"]
    starts: set[int] = set()
    for seed in range(12):
        one = phrase(said, np.random.default_rng(seed))
        assert one is not None
        assert one.hops == 200
        assert one.phones[0] == one.phones[-1] == INDEX_OF_PHONE["sil"]
        starts.add(int(one.info.name.rsplit("/", 1)[1]))
    assert starts == {5, 205}
    assert phrase(speech_clip(900), np.random.default_rng(0)) is None


def test_speed_is_pitch() -> None:
    tone = np.sin(2.0 * np.pi * 400.0 * np.arange(16_000) / 16_000).astype(np.float32)
    fast = sped(tone, 1.25)
    assert len(fast) == 12_800
    assert np.argmax(np.abs(np.fft.rfft(fast))) * 16_000 / len(fast) == pytest.approx(500.0, abs=3.0)


def test_shouts_are_louder_and_brighter() -> None:
    calm = 0.05 * laugh().audio
    shout = shouted(calm, np.random.default_rng(0))
    assert np.std(shout) > 3.0 * np.std(calm)
    assert effort(shout[: len(shout) // HOP_SAMPLES * HOP_SAMPLES]) > effort(calm)


def test_area_under_roc_counts_pairs() -> None:
    assert area_under_roc(np.array([3.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx(3.5 / 4)
    assert area_under_roc(np.array([0.0]), np.array([1.0, 2.0])) == 0.0
