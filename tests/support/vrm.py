"""Small VRM avatars, made on the spot from the open head: bones as a person has them, and a choice of expressions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from driver.gltf import GlbWriter
from driver.gltf_head import TARGETS, add_head
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES

# Bone, its parent, its place from the parent in metres: X to the left, Y up, Z to the front.
BONES: dict[str, tuple[str | None, tuple[float, float, float]]] = {
    "hips": (None, (0, 0.9, 0)),
    "spine": ("hips", (0, 0.3, 0)),
    "neck": ("spine", (0, 0.25, 0)),
    "head": ("neck", (0, 0.08, 0)),
    "leftEye": ("head", (0.03, 0.1, 0.07)),
    "rightEye": ("head", (-0.03, 0.1, 0.07)),
    "leftUpperArm": ("spine", (0.18, 0.2, 0)),
    "leftLowerArm": ("leftUpperArm", (0.25, 0, 0)),
    "leftHand": ("leftLowerArm", (0.25, 0, 0)),
    "rightUpperArm": ("spine", (-0.18, 0.2, 0)),
    "rightLowerArm": ("rightUpperArm", (-0.25, 0, 0)),
    "rightHand": ("rightLowerArm", (-0.25, 0, 0)),
    "leftUpperLeg": ("hips", (0.1, 0, 0)),
    "leftLowerLeg": ("leftUpperLeg", (0, -0.42, 0)),
    "leftFoot": ("leftLowerLeg", (0, -0.4, 0)),
    "rightUpperLeg": ("hips", (-0.1, 0, 0)),
    "rightLowerLeg": ("rightUpperLeg", (0, -0.42, 0)),
    "rightFoot": ("rightLowerLeg", (0, -0.4, 0)),
}
VRM0_PRESETS = {"aa": "a", "ih": "i", "ou": "u", "ee": "e", "oh": "o", "blinkLeft": "blink_l", "blinkRight": "blink_r"}
PRESET_SHAPES = {
    "aa": "jawOpen",
    "ih": "mouthStretchLeft",
    "ou": "mouthPucker",
    "ee": "mouthSmileLeft",
    "oh": "mouthFunnel",
    "blinkLeft": "eyeBlinkLeft",
    "blinkRight": "eyeBlinkRight",
}


def write_vrm(path: Path, version: Literal[0, 1], expressions: Literal["presets", "perfect_sync"]) -> Path:
    """An avatar that wears the open head; VRM 0 ones look along -Z, as they must."""
    writer = GlbWriter("a test")
    mesh_node = add_head(writer, open_head())
    sign = 1 if version == 1 else -1
    nodes = {name: writer.add("nodes", {"name": name}) for name in BONES}
    for name, (parent, (x, y, z)) in BONES.items():
        node = writer.document["nodes"][nodes[name]]
        node["translation"] = [sign * x, y, sign * z]
        if parent is not None:
            writer.document["nodes"][nodes[parent]].setdefault("children", []).append(nodes[name])
    worn = writer.document["nodes"][mesh_node]
    worn["translation"] = [0, 0.07, 0]
    if version == 0:
        worn["rotation"] = [0, 1, 0, 0]
    writer.document["nodes"][nodes["head"]]["children"].append(mesh_node)
    writer.document["scenes"][0]["nodes"] = [nodes["hips"]]
    shapes = {name: name for name in ARKIT_SHAPES} if expressions == "perfect_sync" else PRESET_SHAPES
    key = "VRMC_vrm" if version == 1 else "VRM"
    writer.document["extensionsUsed"] = [key]
    build = _vrm1 if version == 1 else _vrm0
    writer.document["extensions"] = {key: build(nodes, mesh_node, shapes, expressions)}
    path.write_bytes(writer.to_bytes())
    return path


def _vrm1(nodes: dict[str, int], mesh_node: int, shapes: dict[str, str], expressions: str) -> dict[str, Any]:
    found = {
        name: {"morphTargetBinds": [{"node": mesh_node, "index": TARGETS.index(shape), "weight": 1.0}]}
        for name, shape in shapes.items()
    }
    span = {"inputMaxValue": 90, "outputScale": 90}
    ranges = ("rangeMapHorizontalInner", "rangeMapHorizontalOuter", "rangeMapVerticalDown", "rangeMapVerticalUp")
    return {
        "specVersion": "1.0",
        "meta": {"name": "test", "authors": ["a test"], "licenseUrl": "https://vrm.dev/licenses/1.0/"},
        "humanoid": {"humanBones": {name: {"node": node} for name, node in nodes.items()}},
        "expressions": {"preset" if expressions == "presets" else "custom": found},
        "lookAt": {"type": "bone", "offsetFromHeadBone": [0, 0.1, 0.1], **dict.fromkeys(ranges, span)},
    }


def _vrm0(nodes: dict[str, int], mesh_node: int, shapes: dict[str, str], expressions: str) -> dict[str, Any]:
    groups = [
        {
            "name": name[0].upper() + name[1:],
            "presetName": VRM0_PRESETS[name] if expressions == "presets" else "unknown",
            "binds": [{"mesh": 0, "index": TARGETS.index(shape), "weight": 100}],
        }
        for name, shape in shapes.items()
    ]
    span = {"curve": [0, 0, 0, 1, 1, 1, 1, 0], "xRange": 90, "yRange": 90}
    ranges = ("lookAtHorizontalInner", "lookAtHorizontalOuter", "lookAtVerticalDown", "lookAtVerticalUp")
    return {
        "specVersion": "0.0",
        "meta": {"title": "test"},
        "humanoid": {"humanBones": [{"bone": name, "node": node} for name, node in nodes.items()]},
        "blendShapeMaster": {"blendShapeGroups": groups},
        "firstPerson": {"lookAtTypeName": "Bone", **dict.fromkeys(ranges, span)},
    }
