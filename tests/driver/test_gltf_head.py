"""The head as glTF: valid, small, and the same shape as our own head, as far as straight lines can be."""

import dataclasses
import math

import numpy as np
import pytest
from support.browser import require_node_modules
from support.glb import Glb, validated

from driver import cli
from driver.gltf_head import JAW_ARC, TARGETS, head_glb, target_weights
from models.head.arkit import ArkitMap
from models.head.flame import GROUPS, FaceRig, open_head
from protocol.frame import ARKIT_SHAPES

HEAD = open_head()


@pytest.fixture(scope="module")
def glb():
    return Glb(head_glb(HEAD))


@pytest.fixture(scope="module")
def own():
    """Corners [3 F, 3] of our own head for ARKit weights, in the order of the file's groups."""
    arkit, rig = ArkitMap(HEAD), FaceRig(HEAD)
    triangles = np.concatenate([HEAD.f[HEAD.groups == group] for group in range(len(GROUPS))])
    return lambda weights: rig.vertices(*arkit.to_motion(weights))[triangles.ravel()]


def weights(**values):
    return np.array([values.get(name, 0.0) for name in ARKIT_SHAPES])


def error_mm(glb, own, arkit):
    return 1000 * np.linalg.norm(glb.morphed(target_weights(arkit)) - own(arkit), axis=1)


def test_the_file_is_small_and_names_apples_52_shapes(glb):
    assert len(head_glb(HEAD)) < 2_500_000
    mesh = glb.document["meshes"][0]
    assert mesh["extras"]["targetNames"] == [*ARKIT_SHAPES, JAW_ARC] == list(TARGETS)
    assert mesh["weights"] == [0.0] * 53
    assert [material["name"] for material in glb.document["materials"]] == ["skin", "eyes", "teeth", "tongue"]


@pytest.mark.parametrize("name", [name for name in ARKIT_SHAPES if name != "mouthClose"])
def test_each_shape_alone_is_our_own_to_a_hundredth_of_a_millimetre(glb, own, name):
    assert error_mm(glb, own, weights(**{name: 1.0})).max() < 0.02


def test_the_lips_close_on_an_open_jaw(glb, own):
    assert error_mm(glb, own, weights(jawOpen=1.0, mouthClose=1.0)).max() < 0.02


def test_the_jaw_half_open_is_on_its_arc(glb, own):
    half = weights(jawOpen=0.5)
    assert error_mm(glb, own, half).max() < 0.02
    straight = np.append(half, 0.0)  # as a program moves it that knows the 52 alone
    assert 2.0 < 1000 * np.linalg.norm(glb.morphed(straight) - own(half), axis=1).max() < 2.6


def test_faces_that_people_make_differ_by_less_than_can_be_seen(glb, own):
    chance = np.random.default_rng(3)
    for _ in range(10):
        arkit = chance.uniform(0, 0.6, 52) * (chance.random(52) < 0.25)
        arkit[ARKIT_SHAPES.index("mouthClose")] = 0
        errors = error_mm(glb, own, arkit)
        assert errors.mean() < 0.5
        assert errors.max() < 6.0


def test_normals_follow_the_shapes(glb, own):
    primitive = glb.document["meshes"][0]["primitives"][0]
    positions, normals = (glb.array(primitive["attributes"][name]) for name in ("POSITION", "NORMAL"))
    target = primitive["targets"][ARKIT_SHAPES.index("jawOpen")]
    moved, turned = glb.array(target["POSITION"]), normals + glb.array(target["NORMAL"])
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(normals)), abs=1e-5)
    assert np.linalg.norm(turned, axis=1) == pytest.approx(np.ones(len(normals)), abs=0.01)
    # The chin's front looks down more when the jaw, 24 degrees open, has turned it.
    chin = np.argmin(np.linalg.norm(positions - [0, -0.085, 0.085], axis=1))
    before, after = (math.degrees(math.atan2(one[1], one[2])) for one in (normals[chin], turned[chin]))
    assert np.linalg.norm(moved[chin]) > 0.02
    assert 15 < before - after < 35


def test_an_identity_is_baked_in(own):
    shape = np.zeros(100, np.float32)
    shape[:3] = 2.0, -1.5, 1.0
    other = Glb(head_glb(HEAD, shape))
    rest = FaceRig(HEAD, shape).vertices(*ArkitMap(HEAD).to_motion(np.zeros(52)))
    triangles = np.concatenate([HEAD.f[HEAD.groups == group] for group in range(len(GROUPS))])
    assert np.abs(other.morphed(np.zeros(53)) - rest[triangles.ravel()]).max() < 1e-6
    assert np.abs(rest - HEAD.v_template).max() > 0.002


@pytest.mark.parametrize("is_bare", [False, True], ids=["open head", "without texture and groups, as FLAME's"])
def test_khronos_validator_finds_nothing(tmp_path, is_bare):
    node_modules = require_node_modules()
    bare = dataclasses.replace(HEAD, uv=None, f_uv=None, texture=None, groups=None)
    (tmp_path / "head.glb").write_bytes(head_glb(bare if is_bare else HEAD))
    found = validated(tmp_path / "head.glb", node_modules)
    assert [one for one in found if one["code"] != "IMAGE_NPOT_DIMENSIONS"] == []
    (tmp_path / "broken.glb").write_bytes(head_glb(HEAD).replace(b'"VEC3"', b'"VEC2"'))
    assert validated(tmp_path / "broken.glb", node_modules)


def test_the_command_writes_it(tmp_path, capsys):
    target = tmp_path / "open_head.glb"
    assert cli.main(["head", "export", str(target)]) == 0
    assert target.read_bytes() == head_glb(HEAD)
    assert f"open-head/1 with 53 morph targets to {target} (2.0 MB)" in capsys.readouterr().out
    assert cli.main(["head", "export", str(target), "--head", "nobody"]) == 1
    assert "there is no head 'nobody'" in capsys.readouterr().err
    assert cli.main(["head", "export", str(tmp_path / "no" / "folder.glb")]) == 1
    assert "cannot be written: No such file or directory; choose another place" in capsys.readouterr().err
