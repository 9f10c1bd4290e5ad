"""Writes binary glTF 2.0 (.glb): arrays become accessors, the rest is the document's own JSON.

Source of the layout: Khronos, "glTF 2.0 Specification", sections 3.6 (binary data) and 4 (GLB).
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]

_MAGIC, _VERSION, _JSON_CHUNK, _BINARY_CHUNK = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
_COMPONENT_TYPES = {"uint8": 5121, "uint16": 5123, "uint32": 5125, "float32": 5126}
_ELEMENT_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_VERTICES, _INDICES = 34962, 34963


class GlbWriter:
    """A glTF document under construction. `document` is its JSON: add scenes, nodes, meshes and materials there.

    Accessors, images and their bytes are added by the methods, each of which returns the index to refer to.
    """

    def __init__(self, generator: str) -> None:
        self.document: Json = {"asset": {"version": "2.0", "generator": generator}}
        self._binary = bytearray()
        self._zeros: dict[int, int] = {}

    def add(self, kind: str, value: Json) -> int:
        """Append `value` to the document's list `kind` ("nodes", "meshes" ...); returns its index there."""
        values: list[Json] = self.document.setdefault(kind, [])
        values.append(value)
        return len(values) - 1

    def vertices(self, values: NDArray[Any], *, with_bounds: bool = False) -> int:
        """An accessor of one value [N] or vector [N, 2..4] a vertex; positions must come with their bounds."""
        return self._accessor(values, self._view(values, _VERTICES), with_bounds)

    def indices(self, values: NDArray[Any]) -> int:
        """An accessor of the corners of triangles [3 F], counted from 0."""
        return self._accessor(values, self._view(values, _INDICES), False)

    def samples(self, values: NDArray[Any], *, with_bounds: bool = False) -> int:
        """An accessor of an animation: values [N] or [N, 4], or times [N], which must come with their bounds."""
        return self._accessor(values, self._view(values), with_bounds)

    def morph(self, rows: NDArray[np.integer], count: int, *deltas: NDArray[np.float32]) -> list[int]:
        """Accessors of vectors [count, 3] that are 0 but at `rows` [K], where they are the `deltas`, each [K, 3].

        They share the stored rows. Without any rows all of them are the one accessor of zeros.
        """
        if not len(rows):
            if count not in self._zeros:
                # The specification reads an accessor without bytes as zeros.
                zero = {"componentType": 5126, "count": count, "type": "VEC3", "min": [0.0] * 3, "max": [0.0] * 3}
                self._zeros[count] = self.add("accessors", zero)
            return [self._zeros[count]] * len(deltas)
        narrow = rows.astype(np.uint16 if count <= 65_536 else np.uint32)
        places = {"bufferView": self._view(narrow), "componentType": _COMPONENT_TYPES[narrow.dtype.name]}
        return [self._sparse(places, len(rows), count, delta.astype(np.float32)) for delta in deltas]

    def image(self, data: bytes, mime_type: str) -> int:
        """An image file kept inside."""
        return self.add("images", {"bufferView": self._raw_view(data), "mimeType": mime_type})

    def to_bytes(self) -> bytes:
        """The whole file."""
        binary = bytes(self._binary)
        text = json.dumps({**self.document, "buffers": [{"byteLength": len(binary)}]}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), _JSON_CHUNK) + text
        chunks += struct.pack("<II", len(binary), _BINARY_CHUNK) + binary
        return struct.pack("<III", _MAGIC, _VERSION, 12 + len(chunks)) + chunks

    def _accessor(self, values: NDArray[Any], view: int, with_bounds: bool) -> int:
        accessor = {"bufferView": view, **_described(values)}
        if with_bounds:
            accessor |= _bounds(values)
        return self.add("accessors", accessor)

    def _sparse(self, places: Json, rows: int, count: int, delta: NDArray[np.float32]) -> int:
        whole = delta if rows == count else np.concatenate([delta, np.zeros((1, 3), np.float32)])
        sparse = {"count": rows, "indices": places, "values": {"bufferView": self._view(delta)}}
        return self.add("accessors", {**_described(delta), "count": count, **_bounds(whole), "sparse": sparse})

    def _view(self, values: NDArray[Any], target: int | None = None) -> int:
        data = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        return self._raw_view(data, target)

    def _raw_view(self, data: bytes, target: int | None = None) -> int:
        view: Json = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self._binary += data + b"\0" * (-len(data) % 4)
        return self.add("bufferViews", view)


def _described(values: NDArray[Any]) -> Json:
    width = 1 if values.ndim == 1 else values.shape[1]
    return {
        "componentType": _COMPONENT_TYPES[values.dtype.name],
        "count": len(values),
        "type": _ELEMENT_TYPES[width],
    }


def _bounds(values: NDArray[Any]) -> Json:
    columns = values.reshape(len(values), -1)
    return {"min": columns.min(axis=0).tolist(), "max": columns.max(axis=0).tolist()}
