"""The expressions that a fit may find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driver.errors import ModelError
from driver.shape_space import ShapeSpace
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES


@pytest.fixture(scope="module")
def space() -> ShapeSpace:
    return ShapeSpace(open_head())


def test_what_is_measured_elsewhere_or_not_at_all_is_left_out(space: ShapeSpace) -> None:
    names = set(space.names)
    assert {"mouthSmileLeft", "browInnerUp", "mouthClose", "eyeSquintRight"} <= names
    assert not {"eyeBlinkLeft", "eyeLookUpRight", "eyeWideLeft", "jawOpen", "jawForward", "tongueOut"} & names


def test_weights_come_back_from_the_expression(space: ShapeSpace) -> None:
    weights = np.zeros(len(space.names))
    weights[space.names.index("mouthSmileLeft")] = 0.7
    expression = space.expression(weights, np.array([0.0, 0.5]))
    shown = ArkitMap(open_head()).to_arkit(expression, np.zeros(3), np.zeros(2), np.zeros(4))
    by_name = dict(zip(ARKIT_SHAPES, shown.tolist(), strict=True))
    assert by_name.pop("mouthSmileLeft") == pytest.approx(0.7, abs=0.02)
    assert by_name.pop("eyeWideRight") == pytest.approx(0.5, abs=0.02)
    assert max(by_name.values()) < 0.02


def test_lips_close_only_what_the_jaw_has_opened(space: ShapeSpace) -> None:
    close = space.names.index("mouthClose")
    full_rad = ArkitMap(open_head()).to_motion(np.eye(52)[ARKIT_SHAPES.index("jawOpen")])[1][0]
    assert space.upper(0.0)[close] == 0.0
    assert space.upper(0.5 * full_rad)[close] == pytest.approx(0.5)
    assert space.upper(2.0 * full_rad)[close] == 1.0
    assert np.delete(space.upper(0.0), close).min() == 1.0


def test_a_head_without_the_table_is_refused() -> None:
    with pytest.raises(ModelError, match="no ARKit table"):
        ShapeSpace(replace(open_head(), arkit_motion=None))
