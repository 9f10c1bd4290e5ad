"""Real voices: what may be learnt from, marks of corpora, and when an alignment is trusted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.data.phones import Phone
from training.data.recordings import (
    Aligned,
    emodb_phones,
    grid_words,
    is_trusted,
    recordings,
    sound_of,
    transcripts,
)
from training.data.second_opinion import agreement

DATA = Path(os.environ.get("AVATAR_DRIVER_DATA", Path(__file__).parents[4] / "shared" / "data"))
MANIFEST = """path\tkind\tsplit\tuse\tlicence\tsource\tperson\tnote
speech/books/a/one.ogg\tspeech\ttrain\tfree\tx\ty\tP1\t
speech/books/a/two.ogg\tspeech\tval\tfree\tx\ty\tP2\t
speech/closed/three.ogg\tspeech\ttrain\tresearch\tx\ty\t\t
speech/closed/three.lablaut\tlabel\ttrain\tresearch\tx\ty\t\t
speech/noise_kitchen/four.ogg\tnoise\ttrain\tfree\tx\ty\t\t
video/grid_s1/five.mp4\tvideo\ttrain\tfree\tx\ty\tP01\t
video/web/six.mp4\tvideo\ttrain\tfree\tx\ty\tP9\t
"""
PHONES = [Phone(symbol, 0.1 * i, 0.1 * i + 0.1) for i, symbol in enumerate("hɛloʊ")]


def test_the_manifest_decides(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.tsv").write_text(MANIFEST, encoding="utf-8")
    found = {recording.name: (recording.split, recording.person) for recording in recordings(tmp_path)}
    assert found == {
        "books.one": ("train", "P1"),
        "books.two": ("val", "P2"),
        "closed.three": ("test", "closed"),  # research is never learnt from
        "grid_s1.five": ("train", "P01"),
    }
    with pytest.raises(FileNotFoundError, match="--data"):
        recordings(tmp_path / "nowhere")


def test_grid_letters_are_capitals(tmp_path: Path) -> None:
    marks = tmp_path / "x.align"
    marks.write_text("0 17750 sil\n17750 22500 bin\n22500 27000 f\n27000 30000 a\n30000 40000 sp\n")
    assert grid_words(marks) == [(0.71, 0.9, "bin"), (0.9, 1.08, "F"), (1.08, 1.2, "eh")]


def test_emodb_marks(tmp_path: Path) -> None:
    marks = tmp_path / "x.lablaut"
    lines = [
        "    0.08   -1 _t",
        "    0.12   -1 !t\t+asp",
        "    0.20   -1 aI\t\t2",
        "    0.25   -1 \t-sth",
        "    0.40   -1 .",
    ]
    marks.write_text("signal x\n#\n" + "\n".join(lines) + "\n", encoding="latin-1")
    phones = emodb_phones(marks)
    assert [phone.symbol for phone in phones] == ["t", "a", "ɪ"]
    assert (phones[0].start_s, phones[0].end_s) == (0.08, 0.20)  # closure and release
    assert phones[1].stress == 2
    assert phones[2].end_s == pytest.approx(0.40)  # remarks belong to what they are on
    cut = emodb_phones(marks, seconds=0.15)
    assert [(phone.symbol, phone.end_s) for phone in cut] == [("t", 0.15)]


def test_trust_needs_all_of_them() -> None:
    assert is_trusted(Aligned(PHONES, "heard", -0.3), 0.6)
    assert is_trusted(Aligned(PHONES, "marks", 0.0), float("nan"))
    assert not is_trusted(Aligned(PHONES, "heard", -0.3), 0.2)
    assert not is_trusted(Aligned(PHONES, "heard", -3.0), 0.6)
    assert not is_trusted(Aligned(PHONES[:3], "heard", -0.3), 0.6)
    slow = [Phone(p.symbol, 10 * p.start_s, 10 * p.end_s) for p in PHONES]
    assert not is_trusted(Aligned(slow, "heard", -0.3), 0.6)


def test_sound_is_mono_at_16_khz(tmp_path: Path) -> None:
    time_s = np.arange(44_100) / 44_100
    tone = np.stack([np.sin(2 * np.pi * 440.0 * time_s)] * 2, axis=1).astype(np.float32) * 0.5
    soundfile.write(tmp_path / "tone.wav", tone, 44_100)
    audio = sound_of(tmp_path / "tone.wav")
    assert audio.dtype == np.float32
    assert len(audio) == pytest.approx(16_000, abs=64)
    assert np.abs(audio[2000:14_000]).max() == pytest.approx(0.5, abs=0.02)


@pytest.mark.skipif(not (DATA / "MANIFEST.tsv").exists(), reason="the shared data is not here")
def test_a_second_recogniser_knows_who_was_aligned() -> None:
    """It agrees with the right alignment of a real voice far more than with the alignment of another."""
    pytest.importorskip("hama")
    pytest.importorskip("pocketsphinx")
    from training.data.recordings import align

    texts = transcripts(DATA)
    chosen = [r for r in recordings(DATA) if r.path.stem in ("LJ001-0002", "LJ001-0008") and r.path.stem in texts]
    assert len(chosen) == 2
    sounds = [sound_of(recording.path) for recording in chosen]
    found = [align(r, audio, texts[r.path.stem]) for r, audio in zip(chosen, sounds, strict=True)]
    assert all(each.how == "transcript" and each.score > -1.2 for each in found)
    right = [agreement(audio, each.phones) for audio, each in zip(sounds, found, strict=True)]
    wrong = [agreement(audio, each.phones) for audio, each in zip(sounds, reversed(found), strict=True)]
    assert min(right) > 0.5
    assert max(wrong) < 0.4
