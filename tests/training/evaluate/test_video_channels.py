"""How much of a shape is told of a face against the same face at rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from driver.types import VideoFrame
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES
from training.data.face_store import FaceStore
from training.data.made_up_faces import made_up_faces
from training.evaluate.video_channels import by_act
from training.evaluate.video_judged import VideoJudged
from training.evaluate.video_material import ACT, ACTED, REST, Scene, VideoMaterial, load
from training.evaluate.video_watch import Watched
from training.render.acting import EACH

PARTS = ("expression", "jaw", "eyelids", "gaze")


def frames() -> Iterator[VideoFrame]:
    return iter([])


def motions(arkit: ArkitMap, resting: np.ndarray, shares: dict[str, float]) -> dict[str, np.ndarray]:
    """Every shape by a share of it (1 where none is given), each after a rest that has `resting` weights."""
    rows: list[np.ndarray] = []
    for name in EACH:
        made = resting.copy()
        made[ARKIT_SHAPES.index(name)] += shares.get(name, 1.0)
        if name == "mouthClose":  # closes a mouth that is open
            made[ARKIT_SHAPES.index("jawOpen")] = 1.0
        rows += [resting] * REST + [made] * ACT
    turned = (arkit.to_motion(row) for row in rows)
    return dict(zip(PARTS, map(np.stack, zip(*turned, strict=True)), strict=True))


def judged(truths: dict[str, np.ndarray], told: list[dict[str, np.ndarray]]) -> VideoJudged:
    count = len(truths["jaw"])
    scenes = [Scene(f"person {number}", count, frames, truths=truths) for number in range(len(told))]
    empty = np.full((count, 1), np.nan, np.float32)
    nothing = dict.fromkeys(Watched.__dataclass_fields__, empty)
    answers = [Watched(**nothing | parts) for parts in told]
    return VideoJudged("one", VideoMaterial({ACTED: scenes}, {}), {ACTED: answers}, {}, {})


def test_a_shape_is_told_against_the_rest_of_its_own_face() -> None:
    """Whose jaw hangs aside at rest is asked only for what it does more; a face that is lost does nothing."""
    arkit, still = ArkitMap(open_head()), np.zeros(len(ARKIT_SHAPES))
    crooked = still.copy()
    crooked[ARKIT_SHAPES.index("jawLeft")] = 0.4
    truths = motions(arkit, still, {})
    told = motions(arkit, crooked, {"jawLeft": 0.5, "cheekPuff": 0.04})
    lost = {name: np.full_like(values, np.nan) for name, values in told.items()}
    lines = {name: cells for name, *cells in by_act([judged(truths, [told, told, lost])])}
    assert lines["**jawLeft**"] == ["0.50 (67)"]
    assert lines["**cheekPuff**"] == ["0.04 (0)"]
    assert lines["jawOpen"] == ["1.00 (67)"]
    assert len(lines) == len(EACH)
    assert by_act([]) == []
    assert by_act([replace(judged(truths, [told]), answers={})]) == []


def test_a_store_of_acted_shapes_is_shown_rest_and_shape_by_turns(tmp_path: Path) -> None:
    made_up_faces(tmp_path / "acted_shapes", clips=1, pictures=3)
    store = FaceStore(tmp_path / "acted_shapes")
    scenes = load(None, tmp_path).scenes[ACTED]
    assert [scene.name for scene in scenes] == [store.infos[0].name]
    expected = np.concatenate([[row] * count for shape in (1, 2) for row, count in ((0, REST), (shape, ACT))])
    np.testing.assert_array_equal(scenes[0].truths["jaw"], store[0].truths["jaw"][expected])
    shown = [frame.image for frame in scenes[0].frames()]
    np.testing.assert_array_equal(np.stack(shown), store[0].pictures[expected])
