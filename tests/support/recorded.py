"""Recordings of a face that moves in a way that is easily told."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from support.asymmetric import asymmetric_face
from support.stream import sink_context

from driver.recording import Recorder
from protocol.frame import ARKIT_SHAPES, FaceFrame
from protocol.msgpack_codec import encode

START_NS = 10**18
PERIOD_NS = 16_666_667


def moving(seq: int) -> FaceFrame:
    """Frame number `seq` at 60 Hz: the jaw opens and shuts, the head turns all the way round and moves to its left."""
    arkit = asymmetric_face().arkit.copy()
    arkit[ARKIT_SHAPES.index("jawOpen")] = 0.5 - 0.5 * math.cos(seq / 10)
    angle = (seq * 0.1 + math.pi) % (2 * math.pi) - math.pi
    return dataclasses.replace(
        asymmetric_face(seq, START_NS + seq * PERIOD_NS),
        arkit=arkit,
        head_rotation=np.array([0, angle, 0], np.float32),
        head_translation=np.array([0.001 * seq, 0, -0.6], np.float32),
    )


def recorded(path: Path, frames: Iterable[FaceFrame]) -> Path:
    """`frames` as a recording at `path`."""
    recorder = Recorder(path, sink_context(), overwrite=True)
    for frame in frames:
        recorder.send(frame, encode(frame))
    recorder.close()
    return path
