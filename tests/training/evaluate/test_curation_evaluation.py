"""The table of the curation's filters, on cases whose outcome is known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from support.curated import piece

from models.head.landmarks import FACE_POINTS, INNER_LIPS
from training.curation.settings import CurationSettings
from training.data.clips import HOP_SAMPLES, Clip, ClipInfo, ClipWriter
from training.evaluate.curation import Score, figures, score, speaker_scores
from training.evaluate.curation_material import Seen, long_laughs, sounds

SETTINGS = CurationSettings()


def talker(seed: int, is_corpus: bool) -> Seen:
    """Somebody whose lips follow his own voice exactly."""
    rng, hops = np.random.default_rng(seed), 200
    loud = np.convolve(rng.normal(size=hops), np.hanning(9), "same")
    loud = np.maximum(loud, 0.0) / loud.max()
    audio = np.repeat(loud, HOP_SAMPLES) * rng.normal(0.0, 0.2, hops * HOP_SAMPLES)
    whole = piece(4.0, audio=audio.astype(np.float32), voice_gap=loud.astype(np.float32))
    points = np.repeat(whole.arrays["points"][:1], 100, axis=0)
    lower = [FACE_POINTS.index(landmark) for landmark in INNER_LIPS[1][3:6]]
    points[:, lower, 1] += 15.0 * loud[::2][:, None]
    return Seen(f"{seed}", "", is_corpus, whole.with_arrays({"points": points}))


def test_precision_and_recall() -> None:
    some = score("some", [True, True, True, False], [True, False])
    assert some == Score("some", 4, 3, 2, 1)
    assert (some.precision, some.recall) == (0.75, 0.75)
    nothing = score("nothing", [], [False])
    assert math.isnan(nothing.precision)
    assert math.isnan(nothing.recall)
    lines = list(figures(iter([some])))
    assert lines[-1] == "| some | 4 | 3 | 2 | 1 | 0.75 | 0.75 |"


def test_speakers_are_told_from_dubbed_and_shifted_ones() -> None:
    seen = [talker(seed, seed < 6) for seed in range(9)]
    scores = {one.name: one for one in speaker_scores(seen, replace(SETTINGS, speaker_r=0.7))}
    assert len(scores) == 6
    assert [one.good for one in scores.values()] == [6, 6, 3, 3, 3, 3]
    for one in scores.values():
        assert one.good_kept == one.good
        assert one.bad_kept == 0
        assert one.bad == one.good


def test_long_laughs_are_held_out_ones_of_the_length_that_was_asked(tmp_path: Path) -> None:
    laughs = np.ones(120, np.float32)
    laughs[:20] = 0.0
    audio = np.repeat(laughs, HOP_SAMPLES) * 0.1
    with ClipWriter(tmp_path / "laughter") as writer:
        for number in range(6):
            split = "train" if number == 5 else "test"
            info = ClipInfo(f"laugh{number}", "a", "b", "laughter", "free", split)
            writer.add(Clip(info, audio, laughter=laughs))
    with ClipWriter(tmp_path / "negatives") as writer:
        for number in range(3):
            info = ClipInfo(f"speech{number}", "a", "b", "speech", "free", "test")
            writer.add(Clip(info, audio, laughter=np.zeros(120, np.float32)))
    (first, second) = long_laughs(tmp_path, 4.5)
    assert len(first.audio) == len(second.audio) == round(6.5 * 16_000)
    assert first.laughter.sum() * 0.02 == 4.5 - 2 * 0.2  # two breaths between three laughs
    kinds = [one.kind for one in sounds(tmp_path, 3.0)]
    assert kinds.count("recorded laughter") == 5
    assert kinds.count("recorded speech") == 1
