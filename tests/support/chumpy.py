"""Pickles such as chumpy and Python 2 wrote them, made without either."""

from __future__ import annotations

import io
import pickle
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

_MODULES = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}


def chumpy_object(module: str, name: str, **state: object) -> object:
    """An object that pickles as an instance of `module.name` with `state` as its attributes."""
    if not hasattr(_MODULES[module], name):
        setattr(_MODULES[module], name, type(name, (), {"__module__": module}))
    value = getattr(_MODULES[module], name)()
    value.__dict__.update(state)
    return value


def chumpy_array(values: object) -> object:
    """What `chumpy.array(values)` leaves in a pickle."""
    return chumpy_object("chumpy.ch", "Ch", x=values, _dirty_vars={"x"}, _itr=None, _depends_on_deps={})


def dumps(value: object, protocol: int = 2) -> bytes:
    """`pickle.dumps`, with chumpy's names known for as long as it takes."""
    with _chumpy_known():
        return pickle.dumps(value, protocol)


def dumps_as_python2(value: object) -> bytes:
    """`value` as Python 2, numpy 1 and an old scipy pickled it: bytes as str, modules under their old names."""
    file = io.BytesIO()
    with _chumpy_known():
        _Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.").replace(b"scipy.sparse._csc", b"scipy.sparse.csc")


class _Python2Pickler(pickle._Pickler):
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_str(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_str


@contextmanager
def _chumpy_known() -> Iterator[None]:
    names = [name for name in _MODULES if name not in sys.modules]
    sys.modules.update({name: _MODULES[name] for name in names})
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
