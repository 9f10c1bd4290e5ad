import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from support.chumpy import chumpy_array, dumps_as_python2

from driver.errors import ModelError, UsageError
from driver.heads import add_and_print, add_head, list_heads, load_added_head, print_heads
from models.head.flame import open_head
from models.head.retarget import MotionMap
from training.head.flame_like import FlameLike, flame_like
from training.head.transfer_error import measure


@pytest.fixture(scope="module")
def made_up() -> FlameLike:
    return flame_like(open_head(), seed=1)


@pytest.fixture(scope="module")
def flame_file(made_up, tmp_path_factory) -> Path:
    """FLAME's format as published: Python 2, chumpy objects, a sparse regressor where scipy is there to write it."""
    arrays = dict(made_up.arrays)
    for name in ("v_template", "shapedirs", "posedirs"):
        arrays[name] = chumpy_array(arrays[name])
    try:
        from scipy.sparse import csc_matrix
    except ImportError:
        pass
    else:
        arrays["J_regressor"] = csc_matrix(arrays["J_regressor"])
    path = tmp_path_factory.mktemp("flame") / "flame2099_Made_up.pkl"
    path.write_bytes(dumps_as_python2(arrays))
    return path


@pytest.fixture
def quick_map(monkeypatch):
    """A map without the solving, for what is not about the map."""

    def solve(source, target):
        return MotionMap(source.id, target.id, np.zeros((53, 55), np.float32), 0.5, 3.0)

    monkeypatch.setattr("driver.heads.solve_motion_map", solve)


def test_a_flame_file_becomes_a_head_whose_motion_is_right_to_half_a_millimetre(flame_file, made_up, tmp_path):
    added = add_head(flame_file, folder=tmp_path)
    assert (added.id, added.file_name) == ("flame-2099-made-up", flame_file.name)
    assert list_heads(tmp_path) == [added]
    head, motion_map = load_added_head(added.id, tmp_path)
    assert (head.id, motion_map.source_id, motion_map.target_id) == (added.id, "open-head/1", added.id)
    assert head.vertex_count == 5023
    assert head.arkit_motion is not None

    again, error = measure(open_head(), made_up, head)
    np.testing.assert_allclose(motion_map.matrix, again.matrix, atol=0.05)  # the stored head is rounded
    assert error.motion_rms_mm > 3.0
    assert error.rms_mm < 0.7
    assert error.rms_mm < 2.5 * error.floor_rms_mm


def test_names(flame_file, quick_map, tmp_path):
    assert add_head(flame_file, "mine", tmp_path).id == "mine"
    assert add_head(flame_file, "mine", tmp_path).id == "mine"  # the same file again
    for name in ("open-head/1", "", "../up", "Ä", "x" * 64):
        with pytest.raises(UsageError, match="cannot name a head"):
            add_head(flame_file, name, tmp_path)
    assert [added.id for added in list_heads(tmp_path)] == ["mine"]


def test_a_name_belongs_to_one_file(flame_file, made_up, quick_map, tmp_path):
    add_head(flame_file, "mine", tmp_path)
    other = tmp_path / "other.pkl"
    other.write_bytes(pickle.dumps(dict(made_up.arrays)))
    with pytest.raises(UsageError, match="already names the head from flame2099"):
        add_head(other, "mine", tmp_path)


def test_a_refused_file_leaves_nothing(tmp_path):
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(ModelError, match=r"asks for builtins\.print"):
        add_head(path, folder=tmp_path / "heads")
    assert list_heads(tmp_path / "heads") == []


def test_a_head_that_was_never_added(flame_file, quick_map, tmp_path):
    with pytest.raises(ModelError, match=r"no head 'other' \(added: none\)"):
        load_added_head("other", tmp_path)
    add_head(flame_file, "mine", tmp_path)
    (tmp_path / "inner").mkdir()
    with pytest.raises(ModelError, match="no head"):
        load_added_head("../mine", tmp_path / "inner")
    with pytest.raises(ModelError, match=r"\(added: mine\)"):
        load_added_head("other", tmp_path)


@pytest.mark.parametrize("name", ["head.npz", "motion_map.npz", "source.json"])
def test_a_damaged_head_names_the_remedy(flame_file, quick_map, tmp_path, name):
    folder = add_head(flame_file, "mine", tmp_path).folder
    (folder / name).write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"damaged.*head add FILE"):
        list_heads(tmp_path) if name == "source.json" else load_added_head("mine", tmp_path)


def test_a_source_of_another_version_is_damaged(flame_file, quick_map, tmp_path):
    folder = add_head(flame_file, "mine", tmp_path).folder
    facts = json.loads((folder / "source.json").read_text())
    (folder / "source.json").write_text(json.dumps(facts | {"colour": "green"}))
    with pytest.raises(ModelError, match="colour"):
        list_heads(tmp_path)


def test_what_the_command_line_prints(flame_file, quick_map, tmp_path, capsys):
    add_and_print(flame_file, "mine", tmp_path)
    print_heads(tmp_path)
    printed = capsys.readouterr().out
    assert "mine: vertex error 0.50 mm rms, 3.0 mm at most. Use it: --head mine" in printed
    assert "open-head/1  (built in)\nmine  (flame2099_Made_up.pkl" in printed
