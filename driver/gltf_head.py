"""A head as glTF: one mesh with ARKit's 52 shapes as morph targets, for three.js, Godot, Blender and game engines.

glTF's axes are our own (metres, right-handed, +Y up, the face looks along +Z), so that nothing is converted.

A morph target moves vertices along straight lines, a jaw on an arc. The target `JAW_ARC`, after the 52, makes up for
it: half-way open, its weight 1 brings the chin back onto the arc. Its weight is 4 w (1 - w), with w that of jawOpen.
Whoever leaves it at 0 has the usual 52 shapes, and a chin that passes up to 2.4 mm too near.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from driver import __version__
from driver.errors import RunError
from driver.gltf import GlbWriter, Json
from driver.heads import load_added_head
from models.head.arkit import ArkitMap
from models.head.flame import GROUPS, FaceRig, Floats, HeadModel, open_head
from models.head.surface import vertex_normals
from protocol.frame import ARKIT_SHAPES, OPEN_HEAD_ID

JAW_ARC = "jawOpenArc"
TARGETS: tuple[str, ...] = (*ARKIT_SHAPES, JAW_ARC)
NODE = "Head"

_JAW_OPEN, _MOUTH_CLOSE = ARKIT_SHAPES.index("jawOpen"), ARKIT_SHAPES.index("mouthClose")
# Smaller changes than these cannot be seen: 10 um, and 0.1 degrees of a normal.
_STILL_M, _STILL_NORMAL = 1e-5, 2e-3
_JPEG_QUALITY = 92
# How wet or dull each group of triangles looks; glTF's own measure, 0 a mirror .. 1 chalk.
_ROUGHNESS = {"skin": 0.62, "eyes": 0.12, "teeth": 0.3, "tongue": 0.4, "lashes": 0.9}


def head_glb(head: HeadModel, shape: ArrayLike | None = None) -> bytes:
    """The head, with the identity `shape` [<= S] in standard deviations, as a .glb file. It takes half a second."""
    writer = GlbWriter(f"avatar-driver {__version__}")
    add_head(writer, head, shape)
    return writer.to_bytes()


def write_head(head_id: str, target: Path) -> None:
    """Write the head called `head_id`, the built-in one or one that was added, to the file `target`, and say so."""
    head = open_head() if head_id == OPEN_HEAD_ID else load_added_head(head_id)[0]
    data = head_glb(head)
    try:
        target.write_bytes(data)
    except OSError as error:
        raise RunError(f"{target} cannot be written: {error.strerror}; choose another place") from error
    print(f"{head_id} with {len(TARGETS)} morph targets to {target} ({len(data) / 1e6:.1f} MB)")


def target_weights(arkit: NDArray[np.floating[Any]]) -> Floats:
    """ARKit weights [..., 52] as weights of the file's targets, float32 [..., 53]."""
    opening = arkit[..., _JAW_OPEN, None]
    return np.concatenate([arkit, 4.0 * opening * (1.0 - opening)], axis=-1, dtype=np.float32)


def add_head(writer: GlbWriter, head: HeadModel, shape: ArrayLike | None = None) -> int:
    """Put the head into a document as its only scene; returns the node, which carries the mesh and turns the head."""
    rest, targets = morphs(head, shape)
    normals = _normals(rest, head)
    moved = [(target, _normals(rest + target, head) - normals) for target in targets]
    corners = _Corners(head)
    texture = _texture(writer, head)
    primitives: list[Json] = []
    for group in corners.groups:
        rows, triangles = corners.of(group)
        attributes = {
            "POSITION": writer.vertices(rest[rows], with_bounds=True),
            "NORMAL": writer.vertices(normals[rows]),
        }
        if head.uv is not None:
            attributes["TEXCOORD_0"] = writer.vertices(corners.texture_coordinates(group))
        primitives.append(
            {
                "attributes": attributes,
                "indices": writer.indices(triangles),
                "material": writer.add("materials", _material(group, texture)),
                "targets": [_target(writer, positions[rows], turns[rows]) for positions, turns in moved],
            }
        )
    mesh = writer.add(
        "meshes",
        {
            "name": head.id,
            "primitives": primitives,
            "weights": [0.0] * len(TARGETS),
            "extras": {"targetNames": list(TARGETS)},  # where every known program looks for them
        },
    )
    node = writer.add("nodes", {"name": NODE, "mesh": mesh})
    writer.document["scene"] = writer.add("scenes", {"nodes": [node]})
    return node


def morphs(head: HeadModel, shape: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Vertices at rest float32 [V, 3] and what each of TARGETS adds to them [53, V, 3], in m.

    mouthClose is what it adds to an open jaw, as it never comes without.
    """
    arkit, rig = ArkitMap(head), FaceRig(head, shape)

    def face(**weights: float) -> Floats:
        given = np.zeros(len(ARKIT_SHAPES))
        for name, weight in weights.items():
            given[ARKIT_SHAPES.index(name)] = weight
        return rig.vertices(*arkit.to_motion(given))

    rest, opened = face(), face(jawOpen=1.0)
    targets = [face(**{name: 1.0}) - rest for name in ARKIT_SHAPES]
    targets[_MOUTH_CLOSE] = face(mouthClose=1.0, jawOpen=1.0) - opened
    targets.append(face(jawOpen=0.5) - 0.5 * (rest + opened))
    return rest, np.stack(targets)


class _Corners:
    """The vertices that glTF needs: one for each pair of a place and a texture coordinate, group by group."""

    def __init__(self, head: HeadModel) -> None:
        self._head = head
        numbers = np.zeros(len(head.f), np.uint8) if head.groups is None else head.groups
        is_in: list[NDArray[np.bool_]] = [numbers == number for number in range(len(GROUPS))]
        self._is_in = {group: chosen for group, chosen in zip(GROUPS, is_in, strict=True) if chosen.any()}
        self.groups = tuple(self._is_in)

    def of(self, group: str) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """The head's vertex of each of the group's own [N], and the corners of its triangles [3 F] among these."""
        pairs, corners = self._pairs(group)
        return pairs[:, 0], corners.astype(np.uint32)

    def texture_coordinates(self, group: str) -> Floats:
        """float32 [N, 2], from the picture's top left corner, as glTF wants them."""
        assert self._head.uv is not None
        return (self._head.uv[self._pairs(group)[0][:, 1]] * [1.0, -1.0] + [0.0, 1.0]).astype(np.float32)

    def _pairs(self, group: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        chosen = self._is_in[group]
        places = self._head.f[chosen].ravel()
        texels = places if self._head.f_uv is None else self._head.f_uv[chosen].ravel()
        pairs, corners = np.unique(np.stack([places, texels], axis=1), axis=0, return_inverse=True)
        return pairs.astype(np.int64), corners.ravel()


def _normals(vertices: Floats, head: HeadModel) -> Floats:
    return vertex_normals(vertices.astype(np.float64), head.f.astype(np.int64)).astype(np.float32)


def _target(writer: GlbWriter, positions: Floats, normals: Floats) -> Json:
    moves = (np.abs(positions).max(axis=1) > _STILL_M) | (np.abs(normals).max(axis=1) > _STILL_NORMAL)
    rows = np.flatnonzero(moves)
    position, normal = writer.morph(rows, len(positions), positions[rows], normals[rows])
    return {"POSITION": position, "NORMAL": normal}


def _texture(writer: GlbWriter, head: HeadModel) -> Json | None:
    if head.texture is None or head.uv is None:
        return None
    _, data = cv2.imencode(".jpg", head.texture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    image = writer.image(data.tobytes(), "image/jpeg")
    return {"index": writer.add("textures", {"source": image, "sampler": writer.add("samplers", {})})}


def _material(group: str, texture: Json | None) -> Json:
    surface: Json = {"metallicFactor": 0.0, "roughnessFactor": _ROUGHNESS[group]}
    surface |= {"baseColorFactor": [0.67, 0.4, 0.3, 1.0]} if texture is None else {"baseColorTexture": texture}
    # The inside of the mouth is seen through the lips of a mesh without thickness.
    return {"name": group, "pbrMetallicRoughness": surface, "doubleSided": True}
