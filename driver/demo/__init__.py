"""The embedded sample: ten seconds of a talking face, which loop. Origin and licence: README.md beside this file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def sample_path() -> Path:
    """The sample's video file, sound included."""
    with resources.as_file(resources.files(__name__) / "sample.mp4") as path:
        return path
