"""Arrays out of a pickle, without running any of it.

A pickle is a program: it names classes and functions, and calls them. Here every name that a head file may use stands
for a `_Remembered`: a class that only keeps what it was called with. No code of numpy, scipy or chumpy runs while the
pickle is read, and every other name is refused. Afterwards the arrays are rebuilt from what was remembered, with each
size and type checked.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# FLAME's 400 components in float64 are 48 MB; this leaves room without letting a small file ask for all memory.
MAX_ARRAY_BYTES = 512 * 2**20
# Files of this kind have a few hundred. Deeper nesting than this could exhaust the C stack.
MAX_OPCODES = 50_000

_PICKLE_FAULTS = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class RefusedPickle(ValueError):
    """The pickle is damaged, or holds something other than arrays. The message completes "the file ..."."""


class _Remembered:
    """Stands for a class or a function of the pickle; keeps the arguments and the state, and does nothing."""

    # A BUILD opcode finds `__setstate__` and so can never set attributes, neither here nor on the class itself.
    __slots__ = ("args", "state")

    def __init__(self, *args: Any) -> None:
        self.args = args
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Remembered):
    """numpy.core.multiarray._reconstruct(type, shape, typecode), then the state of ndarray.__reduce__."""


class _Buffer(_Remembered):
    """numpy.core.numeric._frombuffer(buffer, dtype, shape, order): an array of pickle protocol 5."""


class _Dtype(_Remembered):
    """numpy.dtype(code, align, copy), then its state with the byte order."""


class _Columns(_Remembered):
    """scipy.sparse.csc_matrix."""


class _Rows(_Remembered):
    """scipy.sparse.csr_matrix."""


class _Chumpy(_Remembered):
    """chumpy.ch.Ch: an array in `x`."""


class _Selection(_Remembered):
    """chumpy.reordering.Select: some elements of another array."""


class _Other(_Remembered):
    """Something that no array needs: ndarray as an argument, sets, chumpy's other expressions."""


class _Mapping(_Remembered):
    """collections.OrderedDict."""

    __slots__ = ("items",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.items: dict[Any, Any] = {}

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value


class _Reconstructor(_Remembered):
    """copyreg._reconstructor(class, base, state): how protocols 0 and 1 make an empty object."""

    def __new__(cls, kind: Any, *_: Any) -> Any:
        if not (isinstance(kind, type) and issubclass(kind, _Remembered)):
            raise pickle.UnpicklingError("copyreg._reconstructor was given something that is not a class")
        return kind()


class _Bytes(_Remembered):
    """_codecs.encode(text, "latin1") and, for none at all, bytes(): how protocols 0 to 2 write bytes."""

    def __new__(cls, text: str = "", encoding: str = "latin1") -> Any:
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"_codecs.encode was asked for {encoding!r}")
        return text.encode("latin1")


_MEANING: dict[str, type[_Remembered]] = {
    "numpy ndarray": _Other,
    "numpy dtype": _Dtype,
    **{f"numpy.{core}.multiarray _reconstruct": _Array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": _Other for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": _Buffer for core in ("core", "_core")},
    **{
        f"scipy.sparse{module} csc_{kind}": _Columns for module in ("", ".csc", "._csc") for kind in ("matrix", "array")
    },
    **{f"scipy.sparse{module} csr_{kind}": _Rows for module in ("", ".csr", "._csr") for kind in ("matrix", "array")},
    "chumpy Ch": _Chumpy,
    "chumpy.ch Ch": _Chumpy,
    "chumpy.reordering Select": _Selection,
    "collections OrderedDict": _Mapping,
    "_codecs encode": _Bytes,
    "__builtin__ bytes": _Bytes,
    **{f"{module} _reconstructor": _Reconstructor for module in ("copyreg", "copy_reg")},
    **{f"{module} {name}": _Other for module in ("builtins", "__builtin__") for name in ("object", "set", "frozenset")},
}
# Expressions such as chumpy.ch_ops.add: kept, and refused only where an array that is needed consists of one.
_CHUMPY_NAME = re.compile(r"chumpy(\.[a-z_]+)* [A-Za-z_]+")


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> type[_Remembered]:
        asked = f"{module} {name}"
        if asked in _MEANING:
            return _MEANING[asked]
        if _CHUMPY_NAME.fullmatch(asked):
            return _Other
        raise RefusedPickle(f"asks for {module}.{name}, but a head file holds arrays and nothing that runs")


def read_pickled_arrays(data: bytes, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The arrays called `names` of the dictionary that was pickled into `data`; those it lacks are left out.

    Reads pickles of Python 2 and 3, of numpy 1 and 2; sparse matrices come back dense, chumpy objects as their values.
    Arrays are numeric (bool, int, uint, float), read-only, in the byte order of the file. RefusedPickle for all else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of odd escapes in a damaged protocol-0 string
            _check_opcodes(data)
            root = _Reader(io.BytesIO(data), encoding="latin1").load()
        if isinstance(root, _Mapping):
            root = root.items
        if not isinstance(root, dict):
            raise RefusedPickle(f"holds a {type(root).__name__}, not a dictionary of arrays")
        return {name: _array_under(name, root[name]) for name in names if name in root}
    except RefusedPickle:
        raise
    except _PICKLE_FAULTS as error:
        raise RefusedPickle(f"is a damaged pickle ({type(error).__name__}: {error})") from error


def _check_opcodes(data: bytes) -> None:
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if count > MAX_OPCODES:
            raise RefusedPickle(f"has more than {MAX_OPCODES} steps, but a head file is a few arrays")
        # A pickler numbers what it memorises from 0 up; a huge number would make the reader allocate a huge table.
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= count:
            raise RefusedPickle("is a damaged pickle (a memo out of order)")


def _array_under(name: str, item: Any) -> NDArray[Any]:
    try:
        return _array(item)
    except RefusedPickle as error:
        raise RefusedPickle(f"has an entry {name!r} that {error}") from error


def _array(item: Any) -> NDArray[Any]:
    """The array that `item` stands for."""
    match item:
        case _Array(state=(int(), shape, dtype, is_fortran, content)):
            return _from_bytes(content, dtype, shape, "F" if is_fortran else "C")
        case _Buffer(args=(content, dtype, shape, order)):
            return _from_bytes(content, dtype, shape, order)
        case _Columns(state=dict() as parts):
            return _dense(parts, compressed_axis=1)
        case _Rows(state=dict() as parts):
            return _dense(parts, compressed_axis=0)
        case _Chumpy(state={"x": values}):
            return _array(values)
        case _Selection(state={"a": source, "idxs": ids, "preferred_shape": shape}):
            return _array(source).reshape(-1)[_array(ids)].reshape(_checked_shape(shape))
        case int() if abs(item) < 2**31:
            return np.array(item)
        case _:
            raise RefusedPickle(f"is a {type(item).__name__.strip('_').lower()} object, not a plain array")


def _from_bytes(content: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if isinstance(content, str):  # Python 2's str, read as latin1
        content = content.encode("latin1")
    if not isinstance(content, bytes | bytearray) or order not in ("C", "F"):
        raise RefusedPickle("is an array of objects, not of numbers")
    element, shape = _checked_dtype(dtype), _checked_shape(shape)
    if math.prod(shape) * element.itemsize != len(content):
        raise RefusedPickle(f"claims the shape {shape} of {element} but has {len(content)} bytes")
    return np.frombuffer(bytes(content), element).reshape(shape, order=order)


def _checked_dtype(dtype: Any) -> np.dtype[Any]:
    match dtype:
        case _Dtype(args=(str(code), *_), state=None):
            byte_order = "="
        case _Dtype(args=(str(code), *_), state=(int(), str(byte_order), *_)):
            pass
        case _:
            raise RefusedPickle("is an array without a type")
    if not re.fullmatch("b1|[iu][1248]|f[248]", code) or byte_order not in ("<", ">", "|", "="):
        raise RefusedPickle(f"is an array of type {code!r}, not of numbers")
    return np.dtype(code).newbyteorder(byte_order)  # type: ignore[arg-type]


def _checked_shape(shape: Any) -> tuple[int, ...]:
    if (
        not isinstance(shape, tuple | list)
        or len(shape) > 8
        or not all(type(size) is int and size >= 0 for size in shape)
    ):
        raise RefusedPickle("has a shape that is not a tuple of sizes")
    if math.prod(shape) * 8 > MAX_ARRAY_BYTES:
        raise RefusedPickle(
            f"has the shape {tuple(shape)}, more than the {MAX_ARRAY_BYTES >> 20} MB that a head may need"
        )
    return tuple(shape)


def _dense(parts: dict[Any, Any], compressed_axis: int) -> NDArray[np.float64]:
    """The dense matrix of compressed sparse columns (axis 1) or rows (axis 0)."""
    shape = _checked_shape(parts.get("_shape"))
    values, others, starts = (_array(parts.get(key)).reshape(-1) for key in ("data", "indices", "indptr"))
    if len(shape) != 2 or others.dtype.kind not in "iu" or starts.dtype.kind not in "iu":
        raise RefusedPickle("is a sparse matrix without its shape and indices")
    lengths = np.diff(starts)
    if (
        starts.size != shape[compressed_axis] + 1
        or starts[0] != 0
        or np.any(lengths < 0)
        or not lengths.sum() == values.size == others.size
    ):
        raise RefusedPickle("is a sparse matrix whose parts do not fit each other")
    compressed = np.repeat(np.arange(shape[compressed_axis]), lengths)
    dense = np.zeros(shape)
    rows, columns = (others, compressed) if compressed_axis == 1 else (compressed, others)
    np.add.at(dense, (rows.astype(np.int64), columns), values)
    return dense
