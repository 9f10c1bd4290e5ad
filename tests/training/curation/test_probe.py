"""A file whose pictures are in an unknown format, as a few changed bytes make one."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from training.curation.item import Item
from training.curation.probe import probe
from training.curation.settings import CurationSettings


def film(path: Path, seconds: int = 4) -> bytes:
    """Grey pictures and silence."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", 25, options={"preset": "ultrafast"})
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", 16000, layout="mono")
        for number in range(25 * seconds):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8))
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for begin in range(0, 16000 * seconds, 1024):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            sound.sample_rate, sound.pts = 16000, begin
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path.read_bytes()


def test_pictures_in_an_unknown_format_are_told(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    whole = film(path)
    [kept] = probe(Item.of_file(path), CurationSettings())
    assert not kept.is_rejected
    path.write_bytes(whole.replace(b"avc1", b"zzzz"))
    [piece] = probe(Item.of_file(path), CurationSettings())
    assert piece.reason == "the pictures are in a format that nobody here can decode"
