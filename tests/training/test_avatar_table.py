"""The avatar codec's tables are those that their command writes."""

from pathlib import Path

import numpy as np
import pytest

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.avatar_codec import DEFAULTS, MULTIPLIERS
from protocol.avatar_levels import LEVELS
from protocol.avatar_values import COUNT
from protocol.frame import ARKIT_SHAPES
from protocol.golden.frames import dense, wink
from training.avatar_table import KEY_EVERY, chances, levels, script_motion, script_table

CLIENT = Path(__file__).parents[2] / "driver" / "web" / "client"


def test_levels_are_those_of_the_open_head():
    found = levels()
    assert tuple(found) == ARKIT_SHAPES
    assert tuple(found.values()) == LEVELS


@pytest.mark.parametrize("name", [name for name in ARKIT_SHAPES if name.endswith("Left") and "Look" not in name])
def test_both_sides_of_a_face_have_the_same_levels(name):
    found = dict(zip(ARKIT_SHAPES, LEVELS, strict=True))
    other = name.removesuffix("Left") + "Right"
    assert abs(found[name] - found[other]) <= 1


def test_javascript_has_the_same_tables():
    assert (CLIENT / "avatar_table.js").read_text() == script_table()
    assert (CLIENT / "open_head_motion.js").read_text() == script_motion()


def test_the_scripts_motion_is_that_of_the_head():
    rows = script_motion().split("OPEN_HEAD_MOTION = [\n")[1].split("];")[0].splitlines()
    table = np.array([[float(value) for value in row.strip(" [],").split(",")] for row in rows])
    weights = np.full(52, 0.25)
    expected = np.concatenate(ArkitMap(open_head()).motion_change(weights))
    assert weights @ table == pytest.approx(expected, abs=1e-3)


def test_chances_are_those_of_what_is_sent():
    alone, apart = chances([[wink()] * 60, [dense()] * 60])
    assert len(alone) == len(apart) == len(MULTIPLIERS)
    assert DEFAULTS.key_every == KEY_EVERY
    for row in apart:  # faces that do not change differ by nothing
        values = np.frombuffer(bytes.fromhex(row), np.uint8).reshape(COUNT, 2)
        assert (values[:, 0] == 255).all()
    tongue = 2 * ARKIT_SHAPES.index("tongueOut")
    closed = 2 * ARKIT_SHAPES.index("mouthFrownLeft")
    first = bytes.fromhex(alone[0])
    assert first[tongue] < 10  # there in all of them
    assert 100 < first[closed] < 160  # there in half of them
