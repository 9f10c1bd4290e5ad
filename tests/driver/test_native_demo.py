"""The sample, read by our own networks alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from driver.assemble import demo_sample
from driver.cli import main
from driver.recording import read_recording
from protocol.frame import ARKIT_SHAPES, REGIONS, FaceFrame

NOWHERE = "udp://127.0.0.1:9"
NATIVE = ("--tracker", "native")


def test_the_sample_is_read_without_mediapipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    file = tmp_path / "sample.adrec"
    options = ["--video", str(demo_sample()), "--audio", "none", "--out", NOWHERE, "--record", str(file), "--quiet"]
    assert main([*options, *NATIVE]) == 0
    frames = [frame for _, frame in read_recording(file, pytest.fail) if isinstance(frame, FaceFrame)]
    assert len(frames) > 500
    mouth = np.array([frame.confidence[REGIONS.index("mouth")] for frame in frames])
    assert (mouth > 0.5).mean() > 0.95
    blink, jaw = (
        np.array([frame.arkit[ARKIT_SHAPES.index(name)] for frame in frames]) for name in ("eyeBlinkLeft", "jawOpen")
    )
    # Its eyes are warped shut, as no camera saw it: the network tells it by two fifths, and a filmed blink by four.
    assert np.percentile(blink, 75) < 0.03
    shut = blink > 0.2
    assert np.count_nonzero(shut[1:] & ~shut[:-1]) == 5, "as many blinks as the sample has"
    assert np.percentile(jaw, 5) < 0.02 < 0.15 < jaw.max()


def test_a_look_ahead_delays_expression_and_says_so(tmp_path: Path) -> None:
    jaws = []
    for pictures in (0, 2):
        file = tmp_path / f"{pictures}.adrec"
        options = ["--video", str(demo_sample()), "--audio", "none", "--out", NOWHERE, "--record", str(file)]
        assert main([*options, "--quiet", "--duration", "4", "--face-lookahead", str(pictures), *NATIVE]) == 0
        frames = [frame for _, frame in read_recording(file, pytest.fail) if isinstance(frame, FaceFrame)]
        jaws.append(np.array([frame.jaw[0] for frame in frames]))
    length = min(map(len, jaws))
    now, later = (one[:length] for one in jaws)
    lags = [np.corrcoef(now[20 : length - 20], np.roll(later, -lag)[20 : length - 20])[0, 1] for lag in range(9)]
    assert 3 <= int(np.argmax(lags)) <= 5, "two pictures at 30 Hz are four frames at 60 Hz"
