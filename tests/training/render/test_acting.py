"""Acting stays in the motion space, reaches all of it, and moves as faces do."""

import numpy as np
import pytest

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME
from training.render import acting
from training.render.acting import EACH, act_out, draw_moment, each_shape


@pytest.fixture(scope="module")
def arkit() -> ArkitMap:
    return ArkitMap(open_head())


def test_moments_reach_every_shape_and_all_of_the_gaze(arkit: ArkitMap) -> None:
    rng, given = np.random.default_rng(0), list[np.ndarray]()

    class Recorder:
        def to_motion(self, weights: np.ndarray) -> tuple[np.ndarray, ...]:
            given.append(weights)
            return arkit.to_motion(weights)

    moments = [draw_moment(rng, Recorder()) for _ in range(500)]  # type: ignore[arg-type]
    highest = np.max(given, axis=0)
    is_action = [not name.startswith("eyeLook") for name in ARKIT_SHAPES]
    assert highest[is_action].min() > 0.6, dict(zip(ARKIT_SHAPES, highest.round(2).tolist(), strict=True))
    parts = {name: np.concatenate([vars(moment)[name] for moment in moments]) for name in vars(moments[0])}
    for name, values in parts.items():
        assert PART_BY_NAME[name].minimum <= values.min()
        assert values.max() <= PART_BY_NAME[name].maximum
    assert parts["jaw"][:, 0].max() > 0.3
    assert np.ptp(parts["jaw"][:, 1]) > 0.1
    assert (parts["eyelids"] > 0.95).mean() > 0.04
    for axis, limit_rad in ((0, 0.4), (1, 0.5), (2, 0.4), (3, 0.5)):
        assert parts["gaze"][:, axis].min() < -limit_rad
        assert parts["gaze"][:, axis].max() > limit_rad


def test_many_shapes_at_once_are_of_all_kinds_but_never_opposites(
    arkit: ArkitMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = list[np.ndarray]()

    class Recorder:
        def to_motion(self, weights: np.ndarray) -> tuple[np.ndarray, ...]:
            given.append(weights)
            return arkit.to_motion(weights)

    monkeypatch.setattr(acting, "_MOMENTS", {"many": 1.0})
    rng = np.random.default_rng(2)
    for _ in range(300):
        draw_moment(rng, Recorder())  # type: ignore[arg-type]
    shown = np.array(given) > 0.0
    is_action = np.array([not name.startswith(("eyeLook", "eyeBlink")) for name in ARKIT_SHAPES])
    assert 4 < shown[:, is_action].sum(axis=1).mean() < 12
    assert shown[:, is_action].mean(axis=0).min() > 0.05
    for side in ("jaw", "mouth"):
        left, right = (ARKIT_SHAPES.index(f"{side}{where}") for where in ("Left", "Right"))
        assert not np.any(shown[:, left] & shown[:, right])


def test_courses_are_smooth_and_lids_blink(arkit: ArkitMap) -> None:
    rng = np.random.default_rng(1)
    courses = [act_out(rng, arkit, 48, 30.0) for _ in range(24)]
    jaw_steps = np.concatenate([np.abs(np.diff(course.jaw[:, 0])) for course in courses])
    assert np.percentile(jaw_steps, 99.5) < 0.1  # rad a picture: a full opening takes three pictures at least
    assert max(np.ptp(course.eyelids[:, 0]) for course in courses) > 0.8
    assert max(np.ptp(course.jaw[:, 0]) for course in courses) > 0.1
    still = [
        np.ptp(course.jaw, axis=0).max() < 1e-6 and np.ptp(course.expression, axis=0).max() < 1e-6 for course in courses
    ]
    assert 0 < sum(still) < len(courses)


def test_each_shape_is_made_in_full_and_told_apart_from_rest(arkit: ArkitMap) -> None:
    acts = each_shape(np.random.default_rng(4), arkit)
    weights = np.stack(
        [arkit.to_arkit(*(values[row] for values in vars(acts).values())) for row in range(1 + len(EACH))]
    )
    assert len(EACH) == 44
    looks = np.array([name.startswith("eyeLook") for name in ARKIT_SHAPES])
    assert weights[0, ~looks].max() < 0.05
    for row, name in zip(weights[1:], EACH, strict=True):
        assert row[ARKIT_SHAPES.index(name)] > 0.9, name
    assert np.ptp(acts.gaze, axis=0).max() == 0.0
