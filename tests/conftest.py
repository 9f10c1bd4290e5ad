"""Fixtures for all tests: fake networks of devices that real programs provide. See `tests/support`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))  # for `from support.x import y`: the tests are imported by path, not as packages

from support.mjpeg import MjpegServer  # noqa: E402
from support.pulse import PulseServer  # noqa: E402


@pytest.fixture
def mjpeg_server() -> Iterator[MjpegServer]:
    """A network camera at 30 fps on loopback; killed afterwards."""
    server = MjpegServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def pulse_server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[PulseServer]:
    """A sound server without a sound card: what `play` plays, the default microphone hears. Killed afterwards."""
    if reason := PulseServer.missing():
        pytest.skip(reason)
    server = PulseServer(tmp_path_factory.mktemp("pulse"))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def shared_data() -> Path:
    """The folder of real clips and voices beside the repository; skips the test where it is missing."""
    folder = TESTS.parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs real clips in ../shared/data, which are not here")
    return folder
