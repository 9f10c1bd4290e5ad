"""A recording as an animated glTF: a key for each frame, in our axes, on the recorded person's head."""

import dataclasses
import io
import math

import numpy as np
import pytest
from support.asymmetric import HEAD_YAW_RAD, asymmetric_face
from support.browser import require_node_modules
from support.glb import Glb, validated
from support.recorded import PERIOD_NS, START_NS, moving, recorded

from driver.export import export
from driver.exports.glb import write_glb
from driver.exports.table import read_table
from driver.gltf_head import TARGETS, target_weights
from models.head.flame import FaceRig, open_head
from protocol.frame import ARKIT_SHAPES

JAW_OPEN = ARKIT_SHAPES.index("jawOpen")


def exported(tmp_path, frames):
    file = io.BytesIO()
    write_glb(file, read_table(recorded(tmp_path / "talk.adrec", frames), pytest.fail))
    return Glb(file.getvalue())


def tracks(glb):
    animation = glb.document["animations"][0]
    found = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        assert glb.document["nodes"][channel["target"]["node"]]["mesh"] == 0
        assert sampler["interpolation"] == "LINEAR"
        found[channel["target"]["path"]] = glb.array(sampler["input"]), glb.array(sampler["output"])
    return found


def test_every_frame_is_a_key(tmp_path):
    frames = [moving(seq) for seq in range(101)]
    found = tracks(exported(tmp_path, frames))
    assert set(found) == {"weights", "rotation", "translation"}
    for times, _ in found.values():
        assert times == pytest.approx(np.arange(101) / 60, abs=1e-5)
    weights = found["weights"][1].reshape(101, len(TARGETS))
    assert np.array_equal(weights, [target_weights(frame.arkit) for frame in frames])
    assert np.array_equal(weights[:, :52], [frame.arkit for frame in frames])
    # It moves about its middle place, and to the subject's left, which is +X.
    assert found["translation"][1] == pytest.approx(
        np.array([[0.001 * (seq - 50), 0, 0] for seq in range(101)]), abs=1e-6
    )


def test_the_head_turns_to_its_left_and_never_the_long_way_round(tmp_path):
    _, rotations = tracks(exported(tmp_path, [moving(seq) for seq in range(101)]))["rotation"]
    assert rotations[5] == pytest.approx([0, math.sin(0.25), 0, math.cos(0.25)], abs=1e-6)
    assert np.linalg.norm(rotations, axis=1) == pytest.approx(np.ones(101), abs=1e-6)
    assert (np.einsum("nk,nk->n", rotations[1:], rotations[:-1]) > 0.99).all()
    _, one = tracks(exported(tmp_path, [asymmetric_face(0, START_NS)]))["rotation"]
    assert one[0] == pytest.approx([0, math.sin(HEAD_YAW_RAD / 2), 0, math.cos(HEAD_YAW_RAD / 2)], abs=1e-6)


def test_times_only_rise(tmp_path):
    times_ns = [0, 0, PERIOD_NS, PERIOD_NS + 1, 3 * PERIOD_NS]  # two pairs that float32 seconds cannot tell apart
    frames = [dataclasses.replace(moving(seq), publish_ns=START_NS + at) for seq, at in enumerate(times_ns)]
    times, weights = tracks(exported(tmp_path, frames))["weights"]
    assert (np.diff(times) > 0).all()
    assert weights.reshape(-1, 53)[:, JAW_OPEN].tolist() == [frames[row].arkit[JAW_OPEN] for row in (0, 2, 4)]


def test_the_recorded_identity_is_worn_if_it_is_the_open_heads(tmp_path):
    shape = np.linspace(-2, 2, 100, dtype=np.float32)
    triangles = np.concatenate([open_head().f[open_head().groups == group] for group in range(5)])
    for head, expected in (("open-head/1", shape), ("flame-2023-open", np.zeros(100))):
        frames = [dataclasses.replace(moving(0), head=head, shape=shape), dataclasses.replace(moving(1), head=head)]
        worn = exported(tmp_path, frames)
        vertices = FaceRig(open_head(), expected).vertices(np.zeros(50), np.zeros(3), np.zeros(2), np.zeros(4))
        assert np.abs(worn.morphed(np.zeros(53)) - vertices[triangles.ravel()]).max() < 1e-6


def test_khronos_validator_finds_nothing(tmp_path):
    recording = recorded(tmp_path / "talk.adrec", [moving(seq) for seq in range(10)])
    assert export(recording, tmp_path / "talk.glb", "glb", pytest.fail) == 10
    found = validated(tmp_path / "talk.glb", require_node_modules())
    assert [one for one in found if one["code"] != "IMAGE_NPOT_DIMENSIONS"] == []
