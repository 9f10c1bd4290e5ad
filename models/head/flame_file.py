"""A head from a FLAME file: the published pickles (plain or with chumpy objects), or an .npz with the same names.

Files: FLAME 2017-2023 have 5023 vertices and 400 components, 300 of identity and then 100 of expression; reduced copies
with 150 components (100 and 50) are common.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.head.flame import EYELID_COUNT, JAW, JOINT_COUNT, HeadModel
from models.head.pickled_arrays import RefusedPickle, read_pickled_arrays

SHAPE_COUNT = 100
EXPRESSION_COUNT = 50

MAX_FILE_BYTES = 512 * 2**20
MAX_VERTICES = 100_000

_REQUIRED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_OPTIONAL = ("eyeliddirs", "shape_count")
_PARENTS = (0, 1, 1, 1)  # of neck, jaw, left eye, right eye
_HEIGHT_RANGE_M = (0.1, 1.0)
_REMEDY = "use a FLAME file as its publisher distributes it, such as flame2023_Open.pkl"


class HeadFileError(ValueError):
    """The head file is missing, damaged, refused or not a FLAME head. One sentence with the remedy."""


def load_flame(
    path: str | Path,
    head_id: str | None = None,
    shape_count: int = SHAPE_COUNT,
    expression_count: int = EXPRESSION_COUNT,
) -> HeadModel:
    """The head in the FLAME file `path` (.pkl or .npz), with its first identity and expression components.

    Nothing in the file is run: a pickle that asks for more than arrays is refused. `head_id` defaults to
    `head_id_of(path)`. Arrays are float32 or int32 and read-only. Raises HeadFileError.
    """
    path = Path(path)
    arrays = _read_arrays(path)
    try:
        return _head(arrays, head_id or head_id_of(path), shape_count, expression_count)
    except _Misfit as misfit:
        raise HeadFileError(f"{path} {misfit}; {_REMEDY}") from misfit


def head_id_of(path: str | Path) -> str:
    """An id from the file's name: words and numbers, lower case, joined by "-" (`flame2023_Open`: flame-2023-open)."""
    words = re.findall(r"[a-z]+|[0-9]+", Path(path).stem.lower())
    return "-".join(words)[:64] or "head"


class _Misfit(ValueError):
    """What is wrong with the arrays; completes "the file ..."."""


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    if path.suffix not in (".pkl", ".pickle", ".npz"):
        raise HeadFileError(f"{path} ends in {path.suffix!r}; a head file is a .pkl or an .npz")
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise HeadFileError(
                f"{path} has {size >> 20} MB; a head file has at most {MAX_FILE_BYTES >> 20} MB; {_REMEDY}"
            )
        if path.suffix == ".npz":
            return _read_npz(path)
        return read_pickled_arrays(path.read_bytes(), _REQUIRED + _OPTIONAL)
    except OSError as error:
        raise HeadFileError(
            f"{path} cannot be read ({error.strerror or error}); give the path of a FLAME file"
        ) from error
    except RefusedPickle as error:
        raise HeadFileError(f"{path} {error}; {_REMEDY}") from error
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, MemoryError, NotImplementedError) as error:
        if isinstance(error, HeadFileError):
            raise
        raise HeadFileError(f"{path} is not a readable .npz of arrays ({error}); {_REMEDY}") from error


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > MAX_FILE_BYTES:
        raise HeadFileError(
            f"{path} unpacks to {unpacked >> 20} MB; a head file has at most {MAX_FILE_BYTES >> 20} MB; {_REMEDY}"
        )
    with np.load(path, allow_pickle=False) as arrays:
        return {name: np.asarray(arrays[name]) for name in _REQUIRED + _OPTIONAL if name in arrays.files}


def _head(arrays: dict[str, NDArray[Any]], head_id: str, shape_count: int, expression_count: int) -> HeadModel:
    missing = [name for name in _REQUIRED if name not in arrays]
    if missing:
        raise _Misfit(f"lacks {', '.join(missing)}")
    template = arrays["v_template"]
    if template.ndim != 2 or template.shape[1] != 3 or not 4 <= len(template) <= MAX_VERTICES:
        raise _Misfit(f"has a v_template of shape {template.shape}, not (4..{MAX_VERTICES} vertices, 3)")
    vertex_count = len(template)
    total = arrays["shapedirs"].shape[-1] if arrays["shapedirs"].ndim == 3 else 0
    identity_total = _identity_total(arrays, total)
    if identity_total < shape_count or total - identity_total < expression_count:
        raise _Misfit(
            f"has {identity_total} identity and {total - identity_total} expression components,"
            f" fewer than the {shape_count} and {expression_count} that are published"
        )
    _check_shape(arrays, "shapedirs", (vertex_count, 3, total))
    _check_shape(arrays, "posedirs", (vertex_count, 3, 9 * (JOINT_COUNT - 1)))
    _check_shape(arrays, "J_regressor", (JOINT_COUNT, vertex_count))
    _check_shape(arrays, "weights", (vertex_count, JOINT_COUNT))
    _check_shape(arrays, "kintree_table", (2, JOINT_COUNT))
    if "eyeliddirs" in arrays:
        _check_shape(arrays, "eyeliddirs", (vertex_count, 3, EYELID_COUNT))
    floats = {name: _floats(arrays[name], name) for name in arrays if name not in ("f", "kintree_table", "shape_count")}
    _check_geometry(floats)
    parents = arrays["kintree_table"][0, 1:]
    if tuple(int(parent) for parent in parents) != _PARENTS:
        raise _Misfit(f"has the joint parents {parents.tolist()} after the root, not {list(_PARENTS)}")

    kept = [*range(shape_count), *range(identity_total, identity_total + expression_count)]
    return HeadModel(
        id=head_id,
        v_template=floats["v_template"],
        shapedirs=_frozen(floats["shapedirs"][:, :, kept]),
        shape_count=shape_count,
        posedirs=floats["posedirs"],
        J_regressor=floats["J_regressor"],
        weights=floats["weights"],
        kintree_table=_frozen(np.array([(-1, *_PARENTS), range(JOINT_COUNT)], np.int32)),
        f=_triangles(arrays["f"], vertex_count),
        eyeliddirs=floats.get("eyeliddirs"),
    )


def _identity_total(arrays: dict[str, NDArray[Any]], total: int) -> int:
    if "shape_count" in arrays and arrays["shape_count"].size == 1:
        return int(arrays["shape_count"].reshape(-1)[0])
    known = {400: 300, 150: 100}
    if total not in known:
        raise _Misfit(f"has shapedirs of shape {arrays['shapedirs'].shape}, whose last axis is not 400 (FLAME) or 150")
    return known[total]


def _check_shape(arrays: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> None:
    if arrays[name].shape != shape:
        raise _Misfit(f"has {name} of shape {arrays[name].shape}, not {shape}")


def _floats(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise _Misfit(f"has {name} with values that are not finite numbers")
    return _frozen(array.astype(np.float32))


def _check_geometry(floats: dict[str, NDArray[np.float32]]) -> None:
    height_m = float(np.ptp(floats["v_template"][:, 1]))
    low, high = _HEIGHT_RANGE_M
    if not low <= height_m <= high:
        raise _Misfit(f"is {height_m:g} high, but a head in metres is {low:g} to {high:g} high")
    for name in ("weights", "J_regressor"):
        sums = floats[name].sum(axis=1)
        if np.abs(sums - 1.0).max() > 1e-2:
            raise _Misfit(f"has {name} whose rows add up to {sums.min():.3g}..{sums.max():.3g}, not to 1")
    if not np.any(floats["weights"][:, JAW] > 0.5):
        raise _Misfit("has no vertex that follows the jaw")


def _triangles(faces: NDArray[Any], vertex_count: int) -> NDArray[np.int32]:
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces) or faces.dtype.kind not in "biuf":
        raise _Misfit(f"has f of shape {faces.shape}, not (triangles, 3)")
    if not (faces.min() >= 0 and faces.max() < vertex_count):
        raise _Misfit(f"has triangles that point outside the {vertex_count} vertices")
    return _frozen(faces.astype(np.int32))


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array
