"""BVH: read by bvhio, which computes where joints are by itself."""

import dataclasses
import io
import math
import re

import numpy as np
import pytest
from support.asymmetric import HEAD_YAW_RAD, asymmetric_face
from support.stream import sink_context

from driver.exports.bvh import write_bvh
from driver.exports.table import read_table
from driver.recording import Recorder
from models.head.flame import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT, open_head
from models.head.rotation import matrix_from_axis_angle, matrix_from_gaze
from protocol.golden.frames import dense
from protocol.msgpack_codec import encode

bvhio = pytest.importorskip("bvhio")
glm = pytest.importorskip("glm")  # what bvhio's vectors are

PERIOD_NS = 16_666_667


def frames(numbers):
    """An asymmetric face, then one whose every rotation is about an axis of its own, in turns."""
    faces = [asymmetric_face(), dense()]
    return [
        dataclasses.replace(faces[number % 2], seq=number, publish_ns=1_000 + number * PERIOD_NS) for number in numbers
    ]


def written(tmp_path, given):
    recorder = Recorder(tmp_path / "talk.adrec", sink_context())
    for frame in given:
        recorder.send(frame, encode(frame))
    recorder.close()
    file = io.BytesIO()
    write_bvh(file, read_table(tmp_path / "talk.adrec", pytest.fail))
    path = tmp_path / "talk.bvh"
    path.write_bytes(file.getvalue())
    return path


def position_m(joint):
    return np.array(joint.PositionWorld) / 100


def posed(skeleton, row):
    """The joints by name, in the pose of frame `row`."""
    skeleton.loadPose(row)
    return {joint.Name: joint for joint, _, _ in skeleton.layout()}


def rotated(joint, vector):
    """Where the joint turns a direction of the face. At rest bvhio's joints have axes of their own, along the bones."""
    return np.array(joint.RotationWorld * glm.inverse(rest_rotation(joint)) * glm.vec3(*vector))


def rest_rotation(joint):
    rotation = joint.RestPose.Rotation
    while (joint := joint.Parent) is not None:
        rotation = joint.RestPose.Rotation * rotation
    return rotation


def test_joints_are_where_the_recording_has_them(tmp_path):
    given = frames(range(4))
    skeleton = bvhio.readAsHierarchy(str(written(tmp_path, given)))
    head = open_head()
    rest_m = head.J_regressor @ head.v_template
    for row, frame in enumerate(given):
        joints = posed(skeleton, row)
        turn = matrix_from_axis_angle(frame.head_rotation)
        for name, joint in (("Head", NECK), ("Jaw", JAW), ("LeftEye", LEFT_EYE), ("RightEye", RIGHT_EYE)):
            expected = turn @ rest_m[joint] + frame.head_translation
            assert position_m(joints[name]) == pytest.approx(expected, abs=2e-6)
        local = {
            "Head": np.eye(3),
            "Jaw": matrix_from_axis_angle(frame.jaw),
            "LeftEye": matrix_from_gaze(*frame.gaze[:2]),
            "RightEye": matrix_from_gaze(*frame.gaze[2:]),
        }
        for name, matrix in local.items():
            for axis in np.eye(3):
                assert rotated(joints[name], axis) == pytest.approx(turn @ matrix @ axis, abs=1e-5)


def test_the_asymmetric_face_looks_the_same(tmp_path):
    skeleton = bvhio.readAsHierarchy(str(written(tmp_path, [asymmetric_face()])))
    joints = posed(skeleton, 0)
    out, left, up = (0, 0, 1), (1, 0, 0), (0, 1, 0)
    assert rotated(joints["Head"], out) == pytest.approx([math.sin(HEAD_YAW_RAD), 0, math.cos(HEAD_YAW_RAD)], abs=1e-5)
    # The neck takes its share of the turn, and the head stays on it.
    assert rotated(joints["Neck"], out)[0] == pytest.approx(math.sin(HEAD_YAW_RAD / 2), abs=1e-5)
    assert rotated(joints["Head"], left)[2] < 0
    for eye in ("LeftEye", "RightEye"):
        seen_from_head = rotated(joints["Head"], left) @ rotated(joints[eye], out)
        assert seen_from_head < -0.1
        assert rotated(joints[eye], out) @ np.array(up) > 0.1
    assert rotated(joints["Jaw"], out) @ rotated(joints["Head"], left) < -0.05
    assert position_m(joints["LeftEye"])[0] > position_m(joints["RightEye"])[0]


def test_the_clock_is_even_and_holds_the_nearest_frame(tmp_path):
    numbers = [0, 1, 2, 3, 6, 7, 8]  # two frames were lost
    text = written(tmp_path, frames(numbers)).read_text()
    assert re.search(r"^Frames: 9$", text, re.M)
    assert float(re.search(r"^Frame Time: (\S+)$", text, re.M)[1]) == pytest.approx(PERIOD_NS / 1e9, abs=1e-9)
    motion = text.split("Frame Time:")[1].splitlines()[1:]
    expected = [number % 2 for number in (0, 1, 2, 3, 3, 6, 6, 7, 8)]
    assert [motion.index(line) for line in motion] == expected


def test_a_single_frame_is_a_file_too(tmp_path):
    assert "Frames: 1\n" in written(tmp_path, frames([0])).read_text()


def test_the_neck_joint_is_the_heads_own_root(tmp_path):
    """At rest the neck stands where the open head's root joint is."""
    still = dataclasses.replace(asymmetric_face(), head_rotation=np.zeros(3), head_translation=np.zeros(3))
    skeleton = bvhio.readAsHierarchy(str(written(tmp_path, [still])))
    skeleton.loadPose(0)
    head = open_head()
    assert position_m(skeleton) == pytest.approx((head.J_regressor @ head.v_template)[ROOT], abs=1e-6)
