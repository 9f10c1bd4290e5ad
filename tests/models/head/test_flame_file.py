import os
import pickle

import numpy as np
import pytest

from models.head.flame import JAW, FaceRig
from models.head.flame_file import HeadFileError, head_id_of, load_flame


def flame_arrays(components: int = 400, vertex_count: int = 40) -> dict[str, np.ndarray]:
    """A very small head with the names, shapes and types of FLAME's arrays."""
    random = np.random.default_rng(7)
    weights = random.random((vertex_count, 5)) + 0.01
    weights[:5, JAW] += 20.0
    regressor = random.random((5, vertex_count))
    return {
        "v_template": random.uniform(-0.1, 0.1, (vertex_count, 3)),
        "shapedirs": random.normal(0.0, 1e-3, (vertex_count, 3, components)),
        "posedirs": random.normal(0.0, 1e-4, (vertex_count, 3, 36)),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "f": random.integers(0, vertex_count, (60, 3)).astype(np.uint32),
        "bs_style": np.array("lbs"),
    }


def write(path, arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        path.write_bytes(pickle.dumps(arrays, 2))
    return path


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
@pytest.mark.parametrize(("components", "identity_total"), [(400, 300), (150, 100)])
def test_loads_the_first_components(tmp_path, suffix, components, identity_total):
    arrays = flame_arrays(components)
    head = load_flame(write(tmp_path / f"flame2023_Open{suffix}", arrays))
    assert (head.id, head.shape_count, head.expression_count) == ("flame-2023-open", 100, 50)
    stored = arrays["shapedirs"].astype(np.float32)
    np.testing.assert_array_equal(head.shapedirs[:, :, :100], stored[:, :, :100])
    np.testing.assert_array_equal(head.shapedirs[:, :, 100:], stored[:, :, identity_total : identity_total + 50])
    np.testing.assert_array_equal(head.kintree_table[0], [-1, 0, 1, 1, 1])
    assert not head.v_template.flags.writeable
    vertices = FaceRig(head).vertices(np.zeros(50), np.zeros(3), np.zeros(2), np.zeros(4))
    np.testing.assert_allclose(vertices, arrays["v_template"], atol=1e-7)


def test_loads_a_sparse_regressor(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    arrays = flame_arrays()
    dense = arrays["J_regressor"]
    head = load_flame(write(tmp_path / "a.pkl", arrays | {"J_regressor": sparse.csc_matrix(dense)}))
    np.testing.assert_allclose(head.J_regressor, dense, rtol=1e-6)


def test_takes_other_counts(tmp_path):
    path = write(tmp_path / "a.npz", flame_arrays(30) | {"shape_count": np.array(20)})
    head = load_flame(path, "mine", shape_count=12, expression_count=8)
    assert (head.id, head.shapedirs.shape[2], head.expression_count) == ("mine", 20, 8)


@pytest.mark.parametrize(
    ("name", "head_id"),
    [
        ("flame2023_Open.pkl", "flame-2023-open"),
        ("generic_model.pkl", "generic-model"),
        ("FLAME 2020.npz", "flame-2020"),
        ("_.pkl", "head"),
    ],
)
def test_id_from_file_name(name, head_id):
    assert head_id_of(name) == head_id


def changed(name, value):
    arrays = flame_arrays()
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value(arrays[name])
    return arrays


def first_is_nan(array):
    array = array.copy()
    array.flat[0] = np.nan
    return array


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("posedirs", None, "lacks posedirs"),
        ("v_template", lambda a: a[:, :2], "v_template of shape"),
        ("v_template", lambda a: a * 100.0, "in metres"),
        ("v_template", first_is_nan, "not finite"),
        ("shapedirs", lambda a: a[:, :, :60], "last axis is not 400"),
        ("shapedirs", lambda a: a[:-1], "shapedirs of shape"),
        ("posedirs", lambda a: a[:, :, :9], "posedirs of shape"),
        ("J_regressor", lambda a: a[:3], "J_regressor of shape"),
        ("J_regressor", lambda a: a * 2.0, "not to 1"),
        ("weights", lambda a: a[:, ::-1][:, :4], "weights of shape"),
        ("weights", lambda a: np.eye(5)[np.zeros(len(a), int)], "follows the jaw"),
        ("kintree_table", lambda a: np.zeros_like(a), "joint parents"),
        ("f", lambda a: a + 1000, "outside the 40 vertices"),
        ("f", lambda a: a[:, :2], "f of shape"),
    ],
)
def test_a_file_that_is_no_flame_head_is_one_sentence(tmp_path, suffix, name, value, rule):
    path = write(tmp_path / f"head{suffix}", changed(name, value))
    with pytest.raises(HeadFileError, match=rule) as raised:
        load_flame(path)
    assert str(path) in str(raised.value)
    assert "publisher" in str(raised.value)


def test_too_few_components(tmp_path):
    path = write(tmp_path / "a.npz", flame_arrays(130) | {"shape_count": np.array(100)})
    with pytest.raises(HeadFileError, match="100 identity and 30 expression"):
        load_flame(path)


class Malicious:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
def test_a_malicious_file_is_refused_and_runs_nothing(tmp_path, suffix):
    canary = tmp_path / "canary"
    arrays = flame_arrays() | {"v_template": np.array(Malicious(f"touch {canary}"), dtype=object)}
    path = write(tmp_path / f"head{suffix}", arrays)
    canary.unlink(missing_ok=True)
    with pytest.raises(HeadFileError):
        load_flame(path)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("a.pkl", b"not a pickle", "damaged"),
        ("a.npz", b"not a zip", "not a readable .npz"),
        ("a.obj", b"v 0 0 0", "a .pkl or an .npz"),
        ("missing.pkl", None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, name, content, rule):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HeadFileError, match=rule):
        load_flame(path)


def test_a_damaged_npz_is_one_sentence(tmp_path):
    path = write(tmp_path / "a.npz", flame_arrays())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(HeadFileError, match=r"not a readable \.npz"):
        load_flame(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.pkl"
    with path.open("wb") as file:
        file.truncate(2**30)  # sparse: takes no disk
    with pytest.raises(HeadFileError, match="1024 MB"):
        load_flame(path)
