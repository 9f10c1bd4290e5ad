"""Packaged weights are verified, a user's own file is taken as it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from driver.errors import ModelError
from driver.weights import (
    DEFAULT_AUDIO_MODEL,
    FACE_DETECTOR,
    find_audio_model,
    find_native_face,
    find_weights,
    packaged_weights,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.onnx").write_bytes(b"weights")
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(b'weights').hexdigest()}  a.onnx\n")
    return tmp_path


def test_a_whole_file_is_found(folder: Path) -> None:
    assert find_weights("a.onnx", folder=folder) == folder / "a.onnx"


def test_a_damaged_file_is_refused(folder: Path) -> None:
    (folder / "a.onnx").write_bytes(b"weighs")
    with pytest.raises(ModelError, match=r"a\.onnx is damaged.*reinstall"):
        find_weights("a.onnx", folder=folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "a.onnx").unlink()
    with pytest.raises(ModelError, match="is missing; reinstall"):
        find_weights("a.onnx", folder=folder)


def test_an_unlisted_file_is_refused(folder: Path) -> None:
    (folder / "b.onnx").write_bytes(b"weights")
    with pytest.raises(ModelError, match=r"b\.onnx is not listed"):
        find_weights("b.onnx", folder=folder)


def test_a_broken_or_missing_list_is_refused(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text("a.onnx\n")
    with pytest.raises(ModelError, match=r"has the line 'a\.onnx'"):
        find_weights("a.onnx", folder=folder)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(ModelError, match="SHA256SUMS is missing"):
        find_weights("a.onnx", folder=folder)


def test_a_users_own_file_needs_no_hash(tmp_path: Path) -> None:
    own = tmp_path / "mine.onnx"
    with pytest.raises(ModelError, match="does not exist; give the path"):
        find_weights("a.onnx", override=own)
    own.write_bytes(b"anything")
    assert find_weights("a.onnx", override=own) == own


def test_a_users_own_face_brings_its_own_detector(tmp_path: Path) -> None:
    own = tmp_path / "mine.onnx"
    own.write_bytes(b"a face")
    beside = tmp_path / FACE_DETECTOR
    beside.write_bytes(b"a detector")
    assert find_native_face(own) == (own, beside)
    with pytest.raises(ModelError, match=r"nowhere\.onnx does not exist"):
        find_native_face(tmp_path / "nowhere.onnx")


def test_every_packaged_model_is_whole_and_has_a_card() -> None:
    names = [path.name for path in packaged_weights().glob("*.onnx")]
    assert "envelope.onnx" in names
    card = (packaged_weights() / "MODEL_CARD.md").read_text(encoding="utf-8")
    for name in names:
        assert find_weights(name).is_file()
        assert f"## {name}" in card


def test_the_audio_model_is_the_default_the_envelope_or_a_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(b"own")
    assert find_audio_model("") == find_weights(DEFAULT_AUDIO_MODEL)
    assert find_audio_model("envelope").name == "envelope.onnx"
    assert find_audio_model(str(own)) == own
    with pytest.raises(ModelError, match=r"nowhere\.onnx does not exist; give the path of an \.onnx file"):
        find_audio_model("nowhere.onnx")
