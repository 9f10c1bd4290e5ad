"""Lens and sensor: what is linear light becomes the picture a webcam gives."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.render.meshes import Floats

Picture = NDArray[np.uint8]

_FEWEST_ROWS = 60  # of a stored crop: a head 40 pixels high
_FACE_SHARE = 0.65  # of what exposure goes by, the rest is the whole picture


@dataclass(frozen=True)
class Sensor:
    """aim             mean of the picture that exposure aims at, linear       balance: gains of red, green, blue
    shoulder        how early highlights roll off, 0..1                        gamma, contrast: of the tone curve
    shot, read      noise: variance a unit of light, deviation in the dark     grain_px: its size
    blur_px         defocus         rows: how many rows the crop had before it was scaled to the store's
    jpeg            quality, None: not compressed
    """

    aim: float
    balance: tuple[float, float, float]
    shoulder: float
    gamma: float
    contrast: float
    shot: float
    read: float
    grain_px: float
    blur_px: float
    rows: int
    jpeg: int | None


def draw_sensor(rng: np.random.Generator, picture_px: int, is_clear: bool = False) -> Sensor:
    """From a good camera in daylight to a bad one in the dark, far away; good ones only, if it must be clear."""
    dim = rng.beta(1.0, 2.5) * (0.2 if is_clear else 1.0)
    rows = (
        picture_px
        if is_clear or rng.uniform() < 0.45
        else round(float(np.exp(rng.uniform(np.log(_FEWEST_ROWS), np.log(picture_px)))))
    )
    return Sensor(
        aim=float(np.exp(rng.normal(np.log(0.22 - 0.14 * dim), 0.35))),
        balance=tuple(np.exp(rng.normal(0.0, 0.08, 3)).tolist()),
        shoulder=float(rng.uniform(0.2, 1.0)),
        gamma=float(rng.normal(2.2, 0.15)),
        contrast=float(rng.uniform(0.0, 0.5)),
        shot=float(0.004 * dim**2 * rng.uniform(0.1, 1.0) + 1e-5),
        read=float(0.018 * dim**2 * rng.uniform(0.1, 1.0) + 3e-4),
        grain_px=float(rng.choice([0.0, 0.6, 1.0])),
        blur_px=float(min(rng.gamma(1.0, 0.5), 0.4 if is_clear else 2.2)) if rng.uniform() < 0.6 else 0.0,
        rows=rows,
        jpeg=int(rng.integers(75 if is_clear else 25, 96)) if rng.uniform() < 0.7 else None,
    )


def exposure(linear: Floats, sensor: Sensor, face: NDArray[np.bool_] | None = None) -> float:
    """The gain that brings a picture's mean (float32 [H, W, 3]), and its face's more so, to the sensor's aim."""
    mean = float(np.minimum(linear, 8.0).mean())
    if face is not None and face.any():
        mean = mean ** (1.0 - _FACE_SHARE) * float(np.minimum(linear[face], 8.0).mean()) ** _FACE_SHARE
    return sensor.aim / max(mean, 1e-4)


def take(
    rng: np.random.Generator, linear: Floats, sensor: Sensor, gain: float, motion_px: tuple[float, float] = (0.0, 0.0)
) -> Picture:
    """The picture uint8 [H, W, 3] of linear light float32 [H, W, 3]; `motion_px`: how far it moved meanwhile."""
    height, width, _ = linear.shape
    light = linear * (gain * np.array(sensor.balance, np.float32))
    if sensor.blur_px > 0.15:
        light = cv2.GaussianBlur(light, (0, 0), sensor.blur_px)
    if np.hypot(*motion_px) > 0.7:
        light = cv2.filter2D(light, -1, _smear(motion_px))
    if sensor.rows < height:
        light = cv2.resize(light, (sensor.rows, sensor.rows), interpolation=cv2.INTER_AREA)
    deviation = np.sqrt(sensor.shot * np.clip(light, 0.0, 4.0) + sensor.read**2)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    if sensor.grain_px:
        noise = cv2.GaussianBlur(noise, (0, 0), sensor.grain_px) * (1.0 + 1.5 * sensor.grain_px)
    light = np.clip(light + deviation * noise, 0.0, None)
    # Linear below the knee, an exponential approach to white above it.
    knee = 1.0 - 0.6 * sensor.shoulder
    light = np.where(light > knee, knee + (1.0 - knee) * (1.0 - np.exp((knee - light) / (1.0 - knee))), light)
    shown = np.clip(light, 0.0, 1.0) ** (1.0 / sensor.gamma)
    shown = shown + sensor.contrast * (shown * shown * (3.0 - 2.0 * shown) - shown)
    picture = np.clip(255.0 * shown + 0.5, 0.0, 255.0).astype(np.uint8)
    if sensor.jpeg is not None:
        _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]
    if sensor.rows < height:
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return picture


def _smear(motion_px: tuple[float, float]) -> Floats:
    """A line of the motion's length and direction as a kernel."""
    reach = int(np.ceil(0.5 * np.hypot(*motion_px))) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    half = 0.5 * np.array(motion_px)
    start, end = ((reach + sign * half) * 16 for sign in (-1.0, 1.0))
    cv2.line(kernel, start.astype(int).tolist(), end.astype(int).tolist(), 1.0, 1, cv2.LINE_AA, 4)
    return kernel / kernel.sum()
