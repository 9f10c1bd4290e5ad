"""Which of MediaPipe's landmarks mirror each other, read from the face model file itself."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.head.landmarks import SKIN_COUNT

_GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"
_VERTEX_FLOATS = 5  # position and texture coordinates
_FLOAT_FIELD = b"\x1d"  # protobuf's tag of field 3, fixed 32 bits: the canonical mesh's vertex buffer
# The irises have no place in the canonical mesh: centre, then the four rim points; left and right swap in the picture.
_IRIS_PAIRS = {468: 473, 469: 476, 470: 475, 471: 474, 472: 477}


def mirror_table(face_model: Path) -> NDArray[np.int32]:
    """int32 [478]: the landmark on the other side of the face, from the symmetric canonical mesh in `face_model`."""
    with zipfile.ZipFile(face_model) as archive:
        places = _canonical_vertices(archive.read(_GEOMETRY))
    distances = np.linalg.norm(places[:, None] * [-1.0, 1.0, 1.0] - places[None], axis=2)
    table = np.concatenate([distances.argmin(axis=1), np.zeros(2 * len(_IRIS_PAIRS), np.int64)]).astype(np.int32)
    for right, left in _IRIS_PAIRS.items():
        table[right], table[left] = left, right
    if not np.array_equal(table[table], np.arange(len(table))):
        raise ValueError(f"the canonical face in {face_model} is not symmetric")
    return table


def _canonical_vertices(message: bytes) -> NDArray[np.float64]:
    """Positions [468, 3] in cm. The buffer is the only run of this many float fields in the message."""
    step = 1 + struct.calcsize("<f")
    wanted = SKIN_COUNT * _VERTEX_FLOATS
    for start in range(len(message) - wanted * step):
        tags = message[start : start + wanted * step : step]
        if tags == _FLOAT_FIELD * wanted:
            values = [struct.unpack_from("<f", message, start + 1 + step * index)[0] for index in range(wanted)]
            return np.array(values).reshape(SKIN_COUNT, _VERTEX_FLOATS)[:, :3]
    raise ValueError(f"{_GEOMETRY} holds no canonical mesh of {SKIN_COUNT} vertices")
