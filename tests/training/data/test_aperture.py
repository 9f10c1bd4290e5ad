"""Kernels are found again in what they made, and phones that nobody filmed keep what the table says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.data import aperture
from training.data import kernels as kernels_file
from training.data.aperture import held, learnt, main
from training.data.clips import UNKNOWN_PHONE, Clip, ClipInfo, ClipStore, ClipWriter
from training.data.coarticulation import face_of_phones, motion_of_faces
from training.data.kernels import (
    REACH_HOPS,
    aperture_mm,
    kernels,
    phones_around,
    read_kernels,
    write_kernels,
)
from training.data.lips import lip_gap_mm
from training.data.phones import INDEX_OF_PHONE, PHONES, SILENCE, VOWELS, Phone
from training.data.speech_clips import SpeechWriter
from training.data.utterance import Utterance

COUNT = 2 * REACH_HOPS + 1


def spoken(seed: int, phones: tuple[str, ...], hops: int = 400) -> np.ndarray:
    rng = np.random.default_rng(seed)
    numbers = [INDEX_OF_PHONE[phone] for phone in phones]
    return np.repeat(rng.choice(numbers, hops // 4), 4).astype(np.uint8)


def test_kernels_are_found_again() -> None:
    true = np.random.default_rng(0).normal(size=(len(PHONES), COUNT))
    clips = [spoken(seed, ("a", "i", "m", "s")) for seed in range(12)]
    gaps = [true.reshape(-1)[phones_around(clip)].sum(axis=1) for clip in clips]
    found = learnt(gaps, clips, np.zeros_like(true), 0.01)
    other = spoken(99, ("a", "i", "m", "s"))
    right = true.reshape(-1)[phones_around(other)].sum(axis=1)
    np.testing.assert_allclose(found.reshape(-1)[phones_around(other)].sum(axis=1), right, atol=0.1)


def test_a_phone_that_nobody_said_keeps_its_prior_and_unknown_rows_teach_nothing() -> None:
    prior = held()
    clip = spoken(0, ("a", "m"))
    gap = np.full(len(clip), 9.0)
    gap[200:] = np.nan
    found = learnt([gap], [clip], prior, 10.0)
    np.testing.assert_array_equal(found[INDEX_OF_PHONE["u"]], prior[INDEX_OF_PHONE["u"]])
    assert not np.allclose(found[INDEX_OF_PHONE["a"]], prior[INDEX_OF_PHONE["a"]])
    gap[200:] = 1e6
    with_nonsense = learnt([gap], [clip], prior, 10.0)
    assert not np.allclose(with_nonsense, found)


def test_the_past_of_a_kernel_is_the_past_of_the_speech() -> None:
    """A phone whose kernel acts only three hops after it parts the lips then and not before."""
    values = np.zeros((len(PHONES), COUNT))
    # Column 8 + k is about the phone k hops from now: what acts afterwards is about the past.
    values[INDEX_OF_PHONE["a"], REACH_HOPS - 3] = 5.0
    clip = np.full(40, INDEX_OF_PHONE[SILENCE], np.uint8)
    clip[20] = INDEX_OF_PHONE["a"]
    clip[0] = UNKNOWN_PHONE
    assert np.flatnonzero(aperture_mm(clip, values)).tolist() == [23]


def test_a_file_of_kernels_comes_back_and_says_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "aperture.tsv"
    write_kernels(path, kernels())
    np.testing.assert_array_equal(read_kernels(path), kernels())
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("m\t")))
    with pytest.raises(ValueError, match=r"\['m'\]"):
        read_kernels(path)


def test_what_ships_opens_for_vowels_and_closes_for_lips_that_meet() -> None:
    steady = kernels().sum(axis=1)
    vowels = np.array([steady[INDEX_OF_PHONE[vowel]] for vowel in VOWELS])
    assert (vowels > 0.5).mean() > 0.9
    assert steady[INDEX_OF_PHONE["a"]] > steady[INDEX_OF_PHONE["i"]] > steady[INDEX_OF_PHONE["u"]]
    assert max(steady[INDEX_OF_PHONE[phone]] for phone in "pbm") < 0.0


def test_speech_opens_as_the_kernels_say_where_lips_are_free() -> None:
    phones = [Phone(symbol, 0.4 + 0.1 * number, 0.5 + 0.1 * number) for number, symbol in enumerate("alitesakoni")]
    hops = 90
    gap = lip_gap_mm(motion_of_faces(face_of_phones(phones, hops)))
    rows = np.full(hops, INDEX_OF_PHONE[SILENCE], np.uint8)
    times_s = (np.arange(hops) + 1.0) * 0.02
    for phone in phones:
        rows[(times_s >= phone.start_s) & (times_s < phone.end_s)] = INDEX_OF_PHONE[phone.symbol]
    wanted = aperture_mm(rows, kernels())
    inside = slice(26, 68)
    assert np.corrcoef(gap[inside], wanted[inside])[0, 1] > 0.9
    table = lip_gap_mm(motion_of_faces(face_of_phones(phones, hops, filmed=False)))
    assert np.corrcoef(table[inside], wanted[inside])[0, 1] < np.corrcoef(gap[inside], wanted[inside])[0, 1]


def test_kernels_that_do_not_ship_rewrite_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--stores", str(tmp_path), "--out", str(tmp_path / "other.tsv"), "--rewrite"])
    assert "leave --out out" in capsys.readouterr().err


def test_a_store_is_made_again_with_what_was_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of speech, of a speaker who was filmed with his mouth hardly open: his kernels open it less."""
    phones = [Phone(symbol, 0.4 + 0.1 * number, 0.5 + 0.1 * number) for number, symbol in enumerate("alitesako")]
    said = Utterance(np.full(32_000, 0.1, np.float32), phones)
    for store in ("synthetic", "recordings"):
        with SpeechWriter(tmp_path / store) as writer:
            writer.add(ClipInfo("made.one", "he", "made", "speech", "free", "train", "neutral"), said, 0)
    before = np.array(ClipStore(tmp_path / "synthetic").motion, np.float32)
    with ClipWriter(tmp_path / "faces") as faces:
        for split in ("train", "val"):
            info = ClipInfo(f"{split}.one", "he", "made", "talking", "free", split)
            faces.add(Clip(info, said.audio, motion=0.2 * before, motion_weight=np.ones(len(before), np.float32)))
    path = tmp_path / "aperture.tsv"
    monkeypatch.setattr(aperture, "KERNELS_PATH", path)
    monkeypatch.setattr(kernels_file, "KERNELS_PATH", path)
    monkeypatch.setattr(aperture, "_TABLE_ROWS", 0.1)
    try:
        main(["--stores", str(tmp_path), "--out", str(path), "--rewrite"])
        after = np.array(ClipStore(tmp_path / "synthetic").motion, np.float32)
    finally:
        kernels.cache_clear()
    inside = slice(24, 60)
    assert lip_gap_mm(after[inside]).mean() < 0.7 * lip_gap_mm(before[inside]).mean()
