"""Voice models, exported once for all tests that ask for them."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with all knobs, whose motion says what it heard; see `support.voice_models.TinyVoice`."""
    _need_the_exporter()
    from support.voice_models import export_tiny

    return export_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def untrained_voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real network with the weights it is born with."""
    _need_the_exporter()
    from support.voice_models import export_untrained

    return export_untrained(tmp_path_factory.mktemp("untrained"))


def _need_the_exporter() -> None:
    for package in ("torch", "onnx", "onnxscript"):
        pytest.importorskip(package)
