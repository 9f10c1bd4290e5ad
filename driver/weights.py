"""Finds model files and proves that they are whole: those that ship with the package, and those a user names."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from driver.errors import ModelError

SUMS_NAME = "SHA256SUMS"
# What turns sound into motion unless the user says otherwise. The one place that names it.
DEFAULT_AUDIO_MODEL = "voice.onnx"
# What reads a face from a picture.
FACE_MODEL = "face.onnx"
# What finds faces for it lies beside it under this name.
FACE_DETECTOR = "face_detector.onnx"
# What a face feels, told from the coefficients that move it.
MOOD_MODEL = "emotion.onnx"


def find_weights(name: str, override: Path | None = None, folder: Path | None = None) -> Path:
    """The file to load for the model file `name` ("envelope.onnx").

    override   a user's own file, taken as it is; ModelError when it does not exist
    folder     where packaged files are, with their SHA256SUMS; default: the installed package's models/weights
    Raises ModelError when the packaged file is missing, unlisted or damaged.
    """
    if override is not None:
        if not override.is_file():
            raise ModelError(f"the model file {override} does not exist; give the path of an .onnx file")
        return override
    folder = packaged_weights() if folder is None else folder
    path = folder / name
    expected = _listed_hashes(folder).get(name)
    if expected is None:
        raise ModelError(
            f"{name} is not listed in {folder / SUMS_NAME}; reinstall avatar-driver, or name a file yourself"
        )
    if not path.is_file():
        raise ModelError(f"the packaged model {path} is missing; reinstall avatar-driver")
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != expected:
        raise ModelError(
            f"the packaged model {path} is damaged: its SHA-256 is {actual[:12]}…, "
            f"it must be {expected[:12]}…; reinstall avatar-driver"
        )
    return path


def find_audio_model(choice: str) -> Path:
    """The audio model for a user's `choice`: "" is the default, "envelope" the one that has learnt nothing, all else
    is a file of theirs."""
    if choice in ("", "envelope"):
        return find_weights("envelope.onnx" if choice else DEFAULT_AUDIO_MODEL)
    return find_weights(choice, override=Path(choice))


def find_native_face(own_file: Path | None = None) -> tuple[Path, Path]:
    """The network that reads a face and the one that finds it. Beside a user's own file lies its own detector, or the
    packaged one is taken."""
    face = find_weights(FACE_MODEL, override=own_file)
    beside = face.with_name(FACE_DETECTOR)
    return face, find_weights(FACE_DETECTOR, override=beside if own_file is not None and beside.is_file() else None)


def packaged_weights() -> Path:
    """The folder of the weights that are installed with the package."""
    # By name and not by import: the driver may import nothing of models but the head.
    with resources.as_file(resources.files("models") / "weights") as folder:
        return folder


def _listed_hashes(folder: Path) -> dict[str, str]:
    """name -> SHA-256 of every line of SHA256SUMS, the format of `sha256sum`."""
    sums = folder / SUMS_NAME
    if not sums.is_file():
        raise ModelError(f"{sums} is missing; reinstall avatar-driver")
    hashes: dict[str, str] = {}
    for line in sums.read_text(encoding="utf-8").splitlines():
        digest, separator, name = line.partition("  ")
        if not separator:
            raise ModelError(f"{sums} has the line {line!r}; each must be a SHA-256, two blanks and a file name")
        hashes[name] = digest
    return hashes
