"""The judges of a person's own corrections: they see what was not learnt, and a correction that helps shows in both."""

from __future__ import annotations

import numpy as np
import pytest
from support.misread import misread_person, noisy_person

from driver.face_adapter import MEASURES
from models.head.landmarks import FACE_POINTS
from training.evaluate.own_face import Sightings, judged, table
from training.evaluate.video_metrics import LANDMARK_OF_MARK
from training.personalise.recording import Seen

LIPS, CORNER, LID = (MEASURES.index(name) for name in ("lips_apart", "corner_left", "lid_left"))


def sightings(seen: Seen, truth: Seen) -> Sightings:
    """Ours are `seen`, and both judges see the points of `truth`; dlib loses the face in every tenth picture."""
    marks = np.full((len(seen.motions), 68, 2), 100.0, np.float32)
    for mark, landmark in LANDMARK_OF_MARK.items():
        marks[:, mark] = truth.points_px[:, FACE_POINTS.index(landmark)]
    marks[::10] = np.nan
    parts = ("expression", "jaw", "eyelids", "gaze", "head_rotation", "head_translation", "shape", "confidence")
    told = {name: np.stack([getattr(motion, name) for motion in seen.motions]) for name in parts}
    return Sightings(
        seen.times_s,
        **told,
        points_px=seen.points_px,
        landmarks_px=truth.points_px,
        marks_px=marks,
        cost_s=np.array(3.0),
    )


def test_what_helps_is_seen_by_both_judges() -> None:
    person = misread_person(36.0)
    verdict = judged(sightings(person, person), "0a" * 32)
    assert {"lips' opening", "mouth's corners", "eyelids"} <= set(verdict.kept)
    assert (verdict.given_s, verdict.judged_s) == pytest.approx((24.0, 12.0), abs=0.1)
    for judge in ("MediaPipe", "dlib"):
        for measure in (LIPS, CORNER, LID):
            assert verdict.after[judge][measure] < 0.8 * verdict.before[judge][measure], (judge, measure)
    header, rule, row = table({"P01": verdict}, "dlib")
    assert header.startswith("| dlib | s given, judged | lips' opening |")
    assert rule.count("|") == header.count("|") == row.count("|")
    assert row.startswith("| P01 | 24, 12 | **")


def test_what_does_not_help_changes_nothing() -> None:
    noise = noisy_person(36.0)
    verdict = judged(sightings(noise, misread_person(36.0)), "0a" * 32)
    assert verdict.kept == []
    for judge in ("MediaPipe", "dlib"):
        assert verdict.after[judge] == pytest.approx(verdict.before[judge], abs=1e-5)
