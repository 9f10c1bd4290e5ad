"""Builds the embedded sample: `python -m training.data.make_demo PORTRAIT FIRST.wav SECOND.wav --face-model FILE`.

A public-domain portrait speaks two sentences that a volunteer read for LibriVox; where the files come from, and under
which terms, is in driver/demo/README.md. The lips follow the recording's phones, the rest of the face is made up.
"""

from __future__ import annotations

import argparse
import itertools
import wave
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from training.data.portrait import Portrait, Pose

SIZE = (640, 480)
FRAME_RATE_HZ = 30
AUDIO_RATE_HZ = 16_000
DURATION_S = 10.0
# The part of the 512 px photograph that is shown: left, top, width in pixels.
CROP = (86, 0, 288)
# Where the face is in the crop: a square as the landmark network wants it, left, top, side in pixels.
FACE_SQUARE = (132, 98, 360)
OUTPUT = Path(__file__).parents[2] / "driver" / "demo" / "sample.mp4"

# Phones of both sentences and their lengths in 10 ms, from a forced alignment with pocketsphinx's US English model:
# "and mister john dashwood had then leisure to consider how much there might be prudently in his power to do for them"
# "he was not an ill disposed young man"
PHONES = (
    "- 20 AE 11 N 3 D 3 M 4 IH 3 S 7 T 7 ER 5 JH 14 AA 14 N 7 D 9 AE 15 SH 11 W 13 UH 6 D 6 HH 10 AE 8 D 8 DH 6 EH 11 "
    "N 24 L 13 IY 9 ZH 13 ER 11 T 12 AH 6 K 9 AH 4 N 5 S 14 IH 6 D 4 ER 13 HH 12 AW 44 M 10 AH 6 CH 17 DH 10 EH 4 R 5 "
    "M 10 AY 9 T 8 B 5 IY 10 P 11 R 7 UW 5 D 3 AH 3 N 3 T 3 L 8 IY 9 IH 6 N 4 HH 3 IH 6 Z 10 P 5 AW 13 ER 11 T 4 IH 6 "
    "D 8 UW 13 F 14 AO 8 R 4 DH 5 AH 8 M 5 - 31 "
    "- 21 HH 6 IY 6 W 6 AH 4 Z 11 N 5 AA 25 T 31 AH 6 N 7 IH 5 L 13 D 3 IH 3 S 13 P 8 OW 22 Z 8 D 6 Y 7 AH 6 NG 9 M 10 "
    "AE 20 N 17 - 20"
)

# phone -> (open, rounded, spread), each 0..1
LIPS: dict[str, tuple[float, float, float]] = {
    "-": (0.0, 0.0, 0.0),
    **dict.fromkeys(("M", "B", "P"), (0.0, 0.0, 0.0)),
    **dict.fromkeys(("F", "V"), (0.06, 0.0, 0.2)),
    **dict.fromkeys(("AA", "AE"), (0.85, 0.0, 0.2)),
    "AH": (0.55, 0.0, 0.1),
    "AO": (0.65, 0.6, 0.0),
    "AW": (0.75, 0.45, 0.0),
    "AY": (0.75, 0.0, 0.35),
    "EH": (0.55, 0.0, 0.4),
    "IH": (0.35, 0.0, 0.5),
    "IY": (0.30, 0.0, 0.8),
    "OW": (0.55, 0.8, 0.0),
    **dict.fromkeys(("UW", "UH", "W"), (0.25, 1.0, 0.0)),
    **dict.fromkeys(("SH", "ZH", "CH", "JH"), (0.22, 0.7, 0.0)),
    **dict.fromkeys(("R", "ER"), (0.32, 0.5, 0.0)),
    **dict.fromkeys(("S", "Z", "T", "D", "N", "DH", "L", "Y"), (0.22, 0.0, 0.4)),
    **dict.fromkeys(("K", "NG", "HH"), (0.35, 0.0, 0.1)),
}
CLOSED = ("M", "B", "P", "-")
BLINKS_S = (1.05, 3.75, 5.35, 7.25, 9.3)
BROWS_UP_S = (0.35, 3.6, 7.9)


def main() -> None:
    """Track the photograph, animate it, and write picture and sound into one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("portrait", type=Path)
    parser.add_argument("voices", type=Path, nargs=2)
    parser.add_argument("--face-model", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()

    photo = load_photo(options.portrait)
    landmarks = find_landmarks(photo, options.face_model)
    sound = load_sound(options.voices)
    frames = animate(Portrait(photo, landmarks))
    write_clip(options.output, frames, sound)
    print(f"{options.output}: {len(frames)} frames, {options.output.stat().st_size / 1e6:.2f} MB")


def load_photo(path: Path) -> NDArray[np.uint8]:
    """The crop of the photograph at the size of the clip, RGB."""
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"{path} is no picture; give scikit-image's data/astronaut.png")
    left, top, width = CROP
    height = width * SIZE[1] // SIZE[0]
    crop = cv2.resize(image[top : top + height, left : left + width], SIZE, interpolation=cv2.INTER_LANCZOS4)
    return cv2.cvtColor(crop, cv2.COLOR_BGR2RGB).astype(np.uint8)


def find_landmarks(photo: NDArray[np.uint8], face_model: Path) -> NDArray[np.float32]:
    """[478, 3] of the face in the photograph, in its pixels, by MediaPipe's network from face_landmarker.task."""
    with zipfile.ZipFile(face_model) as bundle:
        network = Interpreter(model_content=bundle.read("face_landmarks_detector.tflite"))
    network.allocate_tensors()
    left, top, side = FACE_SQUARE
    face = cv2.resize(photo[top : top + side, left : left + side], (256, 256), interpolation=cv2.INTER_AREA)
    network.set_tensor(network.get_input_details()[0]["index"], face[np.newaxis].astype(np.float32) / 255)
    network.invoke()
    landmarks = network.get_tensor(network.get_output_details()[0]["index"]).reshape(-1, 3)
    return (landmarks * (side / 256) + np.array([left, top, 0])).astype(np.float32)


def load_sound(paths: list[Path]) -> NDArray[np.int16]:
    """Both sentences one after the other, cut or padded to the clip's length."""
    parts: list[NDArray[np.int16]] = []
    for path in paths:
        with wave.open(str(path)) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (AUDIO_RATE_HZ, 1, 2):
                raise SystemExit(f"{path} must be 16 kHz mono, 16 bit")
            parts.append(np.frombuffer(file.readframes(file.getnframes()), np.int16))
    sound = np.concatenate(parts)[: int(DURATION_S * AUDIO_RATE_HZ)]
    return np.pad(sound, (0, int(DURATION_S * AUDIO_RATE_HZ) - len(sound)))


def animate(portrait: Portrait) -> list[NDArray[np.uint8]]:
    """Every picture of the clip, with the noise of a camera."""
    count = round(DURATION_S * FRAME_RATE_HZ)
    time_s = np.arange(count) / FRAME_RATE_HZ
    lips = lip_curves(time_s)
    blink = bumps(time_s, BLINKS_S, 0.065)
    brows = bumps(time_s, BROWS_UP_S, 0.22)
    # Nothing moves at either end, so that the clip loops without a jump.
    settled = np.clip(np.minimum(time_s, DURATION_S - 1 / FRAME_RATE_HZ - time_s) / 0.6, 0, 1)
    sway = settled * settled * (3 - 2 * settled)
    noise = np.random.default_rng(0)
    frames: list[NDArray[np.uint8]] = []
    for number, t in enumerate(time_s):
        pose = Pose(
            pitch=float(sway[number] * (0.05 * np.sin(2 * np.pi * 0.45 * t) + 0.025 * lips["open"][number])),
            yaw=float(sway[number] * (0.10 * np.sin(2 * np.pi * 0.21 * t) + 0.03 * np.sin(2 * np.pi * 0.67 * t))),
            roll=float(sway[number] * 0.045 * np.sin(2 * np.pi * 0.16 * t + 0.4)),
            shift_x=float(sway[number] * 9 * np.sin(2 * np.pi * 0.19 * t)),
            shift_y=float(sway[number] * 4 * np.sin(2 * np.pi * 0.37 * t)),
        )
        weights = {name: float(curve[number]) for name, curve in lips.items()}
        picture = portrait.render(weights | {"blink": float(blink[number]), "brows_up": float(brows[number])}, pose)
        grain = noise.normal(0.0, 1.2, (*picture.shape[:2], 1))
        frames.append(np.clip(picture + grain, 0, 255).astype(np.uint8))
    return frames


def lip_curves(time_s: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Shape weights over time: each phone's lips, blended over 40 ms, closures kept closed."""
    words = PHONES.split()
    phones = [(name, int(length)) for name, length in zip(words[::2], words[1::2], strict=True)]
    steps = list(itertools.chain.from_iterable([name] * length for name, length in phones))
    wanted = np.array([LIPS[name] for name in steps])
    closed = np.array([float(name in CLOSED) for name in steps])
    smooth = gaussian_filter1d(wanted, 4.0, axis=0, mode="nearest")
    shut = np.clip(gaussian_filter1d(closed, 2.0, mode="nearest") * 1.6, 0, 1)
    # Lips lead the sound a little.
    at = np.clip((time_s + 0.02) * 100, 0, len(steps) - 1)
    opening, rounded, spread, shut = (np.interp(at, np.arange(len(steps)), curve) for curve in (*smooth.T, shut))
    return {
        "seal": np.ones_like(time_s),
        "relax": np.full_like(time_s, 0.7),
        "open": opening * (1 - shut) * 0.85,
        "rounded": rounded,
        "spread": spread,
        "upper_up": 0.5 * spread * (1 - shut),
    }


def bumps(time_s: NDArray[np.float64], centres_s: tuple[float, ...], width_s: float) -> NDArray[np.float64]:
    """1 at each centre, falling off as a Gaussian."""
    return np.exp(-(((time_s[:, None] - np.array(centres_s)) / width_s) ** 2)).max(axis=1)


def write_clip(path: Path, frames: list[NDArray[np.uint8]], sound: NDArray[np.int16]) -> None:
    """H.264 (yuv420p) and AAC in an MP4 file that may be played from its beginning."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE_HZ, options={"crf": "20", "preset": "slow"})
        video.width, video.height = SIZE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=AUDIO_RATE_HZ, layout="mono")
        audio.bit_rate = 64_000
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        heard = av.AudioFrame.from_ndarray(sound[np.newaxis], format="s16", layout="mono")
        heard.sample_rate = AUDIO_RATE_HZ
        heard.time_base = Fraction(1, AUDIO_RATE_HZ)
        heard.pts = 0
        container.mux(audio.encode(heard))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    main()
