"""Finding the face networks: explicit file, cache, installed package, download."""

from __future__ import annotations

import hashlib
import http.server
import sys
import threading
from pathlib import Path

import pytest

from driver import face_model
from driver.errors import ModelError
from driver.face_networks import Network, load_face_networks

CONTENT = b"not really a network" * 5000


@pytest.fixture
def known_content(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Stands in for the real file, on a machine where no package ships one."""
    monkeypatch.setattr(face_model, "FACE_MODEL_SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(face_model, "_PACKAGES", ())
    return CONTENT


@pytest.fixture
def server(tmp_path: Path):
    """Serves the folder `site` on loopback."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_the_first_use_downloads_and_the_second_finds(known_content: bytes, server, tmp_path: Path) -> None:
    folder, address = server
    (folder / "model.task").write_bytes(known_content)
    cache = tmp_path / "cache"
    found = face_model.find_face_model(cache_dir=cache, url=f"{address}/model.task")
    assert found.read_bytes() == known_content
    assert face_model.find_face_model(cache_dir=cache, url=f"{address}/gone") == found
    assert list(cache.iterdir()) == [found]


def test_a_damaged_download_is_refused_and_leaves_nothing(known_content: bytes, server, tmp_path: Path) -> None:
    folder, address = server
    (folder / "model.task").write_bytes(known_content[:-1] + b"?")
    cache = tmp_path / "cache"
    with pytest.raises(ModelError, match="SHA-256"):
        face_model.find_face_model(cache_dir=cache, url=f"{address}/model.task")
    assert list(cache.iterdir()) == []


def test_offline_is_one_sentence_with_the_remedies(known_content: bytes, server, tmp_path: Path) -> None:
    _, address = server
    with pytest.raises(ModelError, match=r"404.*--face-model FILE") as caught:
        face_model.find_face_model(cache_dir=tmp_path / "cache", url=f"{address}/missing.task")
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="could not be downloaded"):
        face_model.find_face_model(cache_dir=tmp_path / "cache", url="http://127.0.0.1:1/model.task")


def test_a_damaged_cache_is_replaced(known_content: bytes, server, tmp_path: Path) -> None:
    folder, address = server
    (folder / "model.task").write_bytes(known_content)
    cached = tmp_path / face_model.FACE_MODEL_NAME
    cached.write_bytes(b"half a file")
    assert face_model.find_face_model(cache_dir=tmp_path, url=f"{address}/model.task") == cached
    assert cached.read_bytes() == known_content


def test_an_explicit_file_must_exist_and_be_the_known_one(known_content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a file"):
        face_model.find_face_model(tmp_path / "nowhere.task")
    other = tmp_path / "other.task"
    other.write_bytes(b"something else")
    with pytest.raises(ModelError, match="differs from the known"):
        face_model.find_face_model(other)
    other.write_bytes(known_content)
    assert face_model.find_face_model(other) == other


def test_a_package_is_located_without_being_imported(
    known_content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package_with_faces"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "faces.task").write_bytes(known_content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(face_model, "_PACKAGES", (("package_with_faces", "faces.task"),))
    assert face_model.find_face_model(cache_dir=tmp_path / "empty", url="") == package / "faces.task"


def test_a_file_that_is_no_face_landmarker_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.task"
    path.write_text("hello")
    with pytest.raises(ModelError, match="not a MediaPipe face landmarker"):
        load_face_networks(path)


def test_without_litert_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ModelError, match=r"pip install 'avatar-driver\[mediapipe\]', or choose --tracker native"):
        Network(b"a graph")
