"""A clip beside the head that its recording drives:  python -m training.evaluate.moving_picture CLIP RECORDING OUT.webp

Drawn from what was *published* (fused, smoothed, interpolated), not from what the solver said: it shows what a client
sees. Make the recording with `avatar-driver --video CLIP --record RECORDING`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from driver.capture.media_video import VideoFile
from driver.landmark_solver import LandmarkSolver
from driver.mailbox import Mailbox
from driver.recording import read_recording
from driver.types import VideoFrame
from models.head.flame import FaceRig, open_head
from models.head.picture import Camera, render_through
from protocol.frame import FaceFrame

Picture = NDArray[np.uint8]


def pictures(clip: Path) -> Iterator[VideoFrame]:
    """Every picture of the clip, at its media time."""
    outbox: Mailbox[VideoFrame] = Mailbox(4, "wait")
    errors: list[BaseException] = []
    VideoFile(clip, 0, realtime=False).start(outbox, lambda name, error: errors.append(error))
    yield from outbox
    if errors:
        raise errors[0]


def pairs(clip: Path, recording: Path, every: int, height_px: int) -> Iterator[Picture]:
    """Picture and head side by side, for every `every`-th picture of the clip."""
    frames = [item for _, item in read_recording(recording, print) if isinstance(item, FaceFrame)]
    media_ns = np.array([frame.publish_ns - frames[0].publish_ns for frame in frames])
    head, solver = open_head(), LandmarkSolver()
    shape = next((frame.shape for frame in reversed(frames) if frame.shape is not None), None)
    rig = FaceRig(head, shape)
    for picture in pictures(clip):
        if picture.index % every:
            continue
        height, width = picture.image.shape[:2]
        frame = frames[int(np.argmin(np.abs(media_ns - picture.capture_ns)))]
        vertices = rig.vertices(
            frame.expression, frame.jaw, frame.eyelids, frame.gaze, frame.head_rotation, frame.head_translation
        )
        pinhole = solver.camera((width, height))
        drawn = render_through(Camera(pinhole.focal_px, pinhole.centre_px, (width, height)), vertices, head)
        pair = np.hstack([picture.image, drawn])
        size = (round(pair.shape[1] * height_px / height), height_px)
        yield np.asarray(cv2.resize(pair, size, interpolation=cv2.INTER_AREA), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description="An animated WebP of a clip beside the head it drives.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("recording", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", type=int, default=2, help="take every n-th picture")
    parser.add_argument("--rate", type=float, default=15.0, help="pictures a second of the result")
    parser.add_argument("--height", type=int, default=240)
    arguments = parser.parse_args()
    images = [
        Image.fromarray(pair) for pair in pairs(arguments.clip, arguments.recording, arguments.every, arguments.height)
    ]
    first, *rest = images
    first.save(
        arguments.out, save_all=True, append_images=rest, duration=1000 / arguments.rate, loop=0, quality=60, method=4
    )
    print(f"{len(images)} pictures, {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
