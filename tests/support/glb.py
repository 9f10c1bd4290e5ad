"""Reads binary glTF, from Khronos's specification alone: what the tests of our writer judge it by."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_JUDGE = """
import { readFileSync } from "node:fs";
import validator from "gltf-validator";
const report = await validator.validateBytes(new Uint8Array(readFileSync(process.argv[1])));
console.log(JSON.stringify(report.issues.messages));
"""


class Glb:
    """A file taken apart: `document` is its JSON, `array` the values of an accessor."""

    def __init__(self, data: bytes) -> None:
        magic, version, length, json_bytes, json_kind = struct.unpack_from("<5I", data)
        assert (magic, version, length, json_kind) == (0x46546C67, 2, len(data), 0x4E4F534A)
        self.document: dict[str, Any] = json.loads(data[20 : 20 + json_bytes])
        binary_bytes, kind = struct.unpack_from("<2I", data, 20 + json_bytes)
        assert kind == 0x004E4942
        self._binary = data[28 + json_bytes : 28 + json_bytes + binary_bytes]

    def array(self, index: int) -> NDArray[Any]:
        """[count] or [count, width], with sparse values in place."""
        accessor = self.document["accessors"][index]
        width, count = _WIDTHS[accessor["type"]], accessor["count"]
        if "bufferView" in accessor:
            values = self._view(accessor["bufferView"], accessor["componentType"], count * width)
        else:
            values = np.zeros(count * width, _TYPES[accessor["componentType"]])
        values = values.reshape(count, width)
        if sparse := accessor.get("sparse"):
            rows = self._view(sparse["indices"]["bufferView"], sparse["indices"]["componentType"], sparse["count"])
            assert (np.diff(rows.astype(int)) > 0).all()
            values[rows] = self._view(
                sparse["values"]["bufferView"], accessor["componentType"], sparse["count"] * width
            ).reshape(-1, width)
        if "min" in accessor:
            assert np.array_equal(values.min(axis=0), np.float32(accessor["min"]))
            assert np.array_equal(values.max(axis=0), np.float32(accessor["max"]))
        return values[:, 0] if width == 1 else values

    def _view(self, index: int, component_type: int, count: int) -> NDArray[Any]:
        view = self.document["bufferViews"][index]
        kind = np.dtype(_TYPES[component_type])
        assert view["byteLength"] >= count * kind.itemsize
        assert view["byteOffset"] % kind.itemsize == 0
        return np.frombuffer(self._binary, kind, count, view["byteOffset"]).copy()

    def morphed(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        """All corners of all triangles [3 F, 3] with the morph targets at `weights`."""
        corners = []
        for primitive in self.document["meshes"][0]["primitives"]:
            points = self.array(primitive["attributes"]["POSITION"]).astype(np.float64)
            for weight, target in zip(weights, primitive["targets"], strict=True):
                points += weight * self.array(target["POSITION"])
            corners.append(points[self.array(primitive["indices"])])
        return np.concatenate(corners)


def validated(file: Path, node_modules: Path) -> list[dict[str, Any]]:
    """What Khronos's own validator has to say of `file`, from npm."""
    ran = subprocess.run(
        ["node", "--input-type=module", "-e", _JUDGE, str(file)],
        cwd=node_modules.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(ran.stdout)
