import contextlib
import os
import pickle
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chumpy import chumpy_array, chumpy_object, dumps, dumps_as_python2

from models.head.pickled_arrays import MAX_OPCODES, RefusedPickle, read_pickled_arrays

VALUES = np.arange(12, dtype=np.float64).reshape(3, 4)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "uint32", "int64", ">f8", "bool"])
def test_reads_arrays_of_every_protocol(protocol, dtype):
    values = VALUES.astype(dtype)
    read = read_pickled_arrays(pickle.dumps({"a": values, "skip": "text"}, protocol), ["a", "missing"])
    assert list(read) == ["a"]
    np.testing.assert_array_equal(read["a"], values)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_reads_column_major_and_empty_arrays(protocol):
    stored = {"columns": np.asfortranarray(VALUES), "empty": np.zeros((0, 3)), "scalar": 7}
    read = read_pickled_arrays(pickle.dumps(stored, protocol), stored)
    np.testing.assert_array_equal(read["columns"], VALUES)
    assert read["empty"].shape == (0, 3)
    assert read["scalar"] == 7


def test_reads_python_2_numpy_1_files():
    data = dumps_as_python2({b"a": VALUES})
    assert b"numpy.core.multiarray" in data
    np.testing.assert_array_equal(read_pickled_arrays(data, ["a"])["a"], VALUES)


@pytest.mark.parametrize("layout", ["csc_matrix", "csr_matrix", "csc_array"])
@pytest.mark.parametrize("is_python2", [False, True])
def test_reads_sparse_matrices_dense(layout, is_python2):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = VALUES * (VALUES % 3 == 0)
    stored = {"J_regressor": getattr(sparse, layout)(matrix)}
    data = dumps_as_python2(stored) if is_python2 else pickle.dumps(stored)
    np.testing.assert_array_equal(read_pickled_arrays(data, stored)["J_regressor"], matrix)


@pytest.mark.parametrize(
    "write", [dumps_as_python2, dumps, lambda value: dumps(value, 0), lambda value: dumps(value, 4)]
)
def test_reads_chumpy_objects_without_chumpy(write):
    plain = chumpy_array(VALUES)
    chosen = chumpy_object("chumpy.reordering", "Select", a=plain, idxs=np.array([5, 0]), preferred_shape=(2, 1))
    data = write({"plain": plain, "chosen": chosen})
    assert "chumpy" not in sys.modules
    read = read_pickled_arrays(data, ["plain", "chosen"])
    np.testing.assert_array_equal(read["plain"], VALUES)
    np.testing.assert_array_equal(read["chosen"], [[5.0], [0.0]])


def test_other_chumpy_expressions_are_refused_only_where_needed():
    data = dumps({"J": chumpy_object("chumpy.reordering", "transpose", a=VALUES), "a": VALUES})
    np.testing.assert_array_equal(read_pickled_arrays(data, ["a"])["a"], VALUES)
    with pytest.raises(RefusedPickle, match="'J'"):
        read_pickled_arrays(data, ["J"])


class Calls:
    """Pickles into a call of `function`."""

    def __init__(self, function: object, *arguments: object, state: object = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> tuple:
        return self.reduced


def global_(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def attacks(canary: str) -> dict[str, bytes]:
    command = f"touch {canary}"
    code = f"open({canary!r}, 'w')"
    evil = Calls(os.system, command)
    entry = b"}" + text("a")  # a dictionary, the key, then the attack as its value
    return {
        "os.system": pickle.dumps(evil),
        "os.system in protocol 0": pickle.dumps({"a": evil}, 0),
        "builtins.eval": pickle.dumps({"a": Calls(eval, code)}),
        "builtins.exec under Python 2's name": entry + global_("__builtin__", "exec") + text(code) + b"\x85Rs.",
        "getattr chain": global_("builtins", "getattr")
        + global_("builtins", "__import__")
        + text("os")
        + b"\x85R"
        + text("system")
        + b"\x86R"
        + text(command)
        + b"\x85R.",
        "open for writing": pickle.dumps({"a": Calls(open, canary, "w")}),
        "inside chumpy's state": entry
        + global_("chumpy.ch", "Ch")
        + b")\x81}"
        + text("x")
        + global_("os", "system")
        + text(command)
        + b"\x85Rsbs.",
        "inside an array's state": entry
        + global_("numpy.core.multiarray", "_reconstruct")
        + global_("numpy", "ndarray")
        + b"K\x00\x85"
        + text("b")
        + b"\x87R("
        + b"K\x01K\x01\x85"
        + global_("os", "system")
        + text(command)
        + b"\x85R"
        + b"\x89NtbS.",
        "numpy.load with pickles": pickle.dumps({"a": Calls(np.load, canary, None, True)}),
        "numpy's own runner": entry + global_("numpy.testing._private.utils", "runstring") + text(code) + b"}\x86Rs.",
        "_reconstruct of a foreign class": entry
        + global_("numpy.core.multiarray", "_reconstruct")
        + global_("subprocess", "Popen")
        + text(command)
        + b"N\x87Rs.",
        "STACK_GLOBAL": b"\x80\x04" + entry + text("os") + text("system") + b"\x93" + text(command) + b"\x85Rs.",
        "STACK_GLOBAL with a dotted name": b"\x80\x04"
        + entry
        + text("numpy")
        + text("os.system")
        + b"\x93"
        + text(command)
        + b"\x85Rs.",
        "INST": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "OBJ": b"(" + global_("os", "system") + text(command) + b"o.",
        "NEWOBJ": global_("subprocess", "Popen") + text(command) + b"\x85\x81.",
        "extension code": entry + b"\x82\x01s.",
        "persistent id": b"Pevil\n.",
        "BUILD on a class": entry
        + global_("numpy", "dtype")
        + b"N}"
        + text("__setstate__")
        + global_("os", "system")
        + b"s\x86bs.",
        "_codecs with another codec": entry
        + global_("_codecs", "encode")
        + text(command)
        + text("punycode")
        + b"\x86Rs.",
        "_reconstructor of a value": entry + global_("copy_reg", "_reconstructor") + text(command) + b"NN\x87Rs.",
        "apply on a string": entry + text("system") + text(command) + b"\x85Rs.",
    }


@pytest.mark.parametrize("name", attacks("unused"))
def test_a_malicious_pickle_is_refused_and_runs_nothing(name, tmp_path):
    canary = tmp_path / "canary"
    data = attacks(str(canary))[name]
    with pytest.raises(RefusedPickle):
        read_pickled_arrays(data, ["a"])
    assert not canary.exists()


@pytest.mark.parametrize("name", ["os.system", "getattr chain", "STACK_GLOBAL", "INST", "OBJ", "inside chumpy's state"])
def test_the_attacks_are_real(name, tmp_path, monkeypatch):
    """The plain unpickler falls for them, so refusing them means something."""
    canary = tmp_path / "canary"
    for stand_in in ("chumpy", "chumpy.ch"):
        module = types.ModuleType(stand_in)
        module.Ch = type("Ch", (), {})
        monkeypatch.setitem(sys.modules, stand_in, module)
    data = attacks(str(canary))[name]
    pickle.loads(data)
    assert canary.exists()


def test_refusal_names_what_was_asked_for():
    with pytest.raises(RefusedPickle, match=r"asks for posix\.system"):
        read_pickled_arrays(pickle.dumps(Calls(os.system, "true")), ["a"])


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "damaged"),
        (pickle.dumps({"a": VALUES})[:-20], "damaged"),
        (pickle.dumps([1, 2]), "not a dictionary"),
        (pickle.dumps({"a": [1.0, 2.0]}), "not a plain array"),
        (pickle.dumps({"a": np.array(["text"])}), "not of numbers"),
        (pickle.dumps({"a": np.array([{}], dtype=object)}), "objects"),
        (b"}r\xff\xff\xff\x7f.", "memo out of order"),
        (b"]" * (MAX_OPCODES + 2) + b".", "steps"),
        (pickle.dumps({"a": VALUES}, 2).replace(b"K\x03K\x04\x86", b"K\x03K\x05\x86"), "claims the shape"),
    ],
)
def test_damaged_pickles_are_one_sentence(data, rule):
    with pytest.raises(RefusedPickle, match=rule):
        read_pickled_arrays(data, ["a"])


def test_a_sparse_matrix_must_fit_together():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csc_matrix(VALUES)
    matrix.indptr = matrix.indptr + 1
    with pytest.raises(RefusedPickle, match=r"do not fit|damaged"):
        read_pickled_arrays(pickle.dumps({"a": matrix}), ["a"])


def test_an_object_that_contains_itself_is_refused():
    loop = chumpy_array(VALUES)
    loop.x = loop
    with pytest.raises(RefusedPickle):
        read_pickled_arrays(dumps({"a": loop}), ["a"])


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
def test_mutated_pickles_raise_nothing_else(changes):
    data = bytearray(pickle.dumps({"a": VALUES, "b": np.arange(5)}, 2))
    for place, value in changes:
        data[place % len(data)] = value
    with contextlib.suppress(RefusedPickle):
        read_pickled_arrays(bytes(data), ["a", "b"])
