"""How cameras and rooms make a face look, and what may be in front of it: nothing of this changes what the face does.

A look is drawn once a clip; noise is drawn anew for each picture, since a still face under noise is what jitter is
learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.head.landmarks import BROW_ROWS, EYE_ROWS, MOUTH_ROWS
from training.data.face_store import Picture
from training.data.mirror import Truth

Floats = NDArray[np.float32]

# Rows of FACE_POINTS that stand for mouth, upper face and eyes; the head is all of them.
_REGION_ROWS = (MOUTH_ROWS, BROW_ROWS, EYE_ROWS)
_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class Look:
    """table   uint8 [256, 3]: what each channel's levels become (exposure, contrast, gamma, white balance)
    greyness   0..1            blur_px   of a box along `blur_angle_rad`; 0 for none
    shrink     1 or less: the resolution that the camera had        noise   levels (rms)       grain   of noise, px
    jpeg       quality, 0 for none
    """

    table: NDArray[np.uint8]
    greyness: float
    blur_px: float
    blur_angle_rad: float
    soft_px: float
    shrink: float
    noise: float
    grain: float
    jpeg: int

    def __call__(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """`picture` uint8 [S, S, 3] as this camera would have taken it."""
        side = picture.shape[0]
        if self.shrink < 1.0:
            small = max(16, round(side * self.shrink))
            picture = np.asarray(cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA), np.uint8)
        if self.blur_px > 1.0:
            picture = np.asarray(cv2.filter2D(picture, -1, _streak(self.blur_px, self.blur_angle_rad)), np.uint8)
        if self.soft_px > 0.0:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), self.soft_px), np.uint8)
        looked = np.empty_like(picture)
        for channel in range(3):
            looked[:, :, channel] = self.table[:, channel][picture[:, :, channel]]
        if self.greyness > 0.0:
            grey = (looked @ _GREY_WEIGHTS)[:, :, None]
            looked = (looked + self.greyness * (grey - looked)).astype(np.uint8)
        if self.noise > 0.0:
            noise = rng.standard_normal(looked.shape, np.float32)
            if self.grain > 0.0:
                noise = cv2.GaussianBlur(noise, (0, 0), self.grain) * (1.0 + 2.5 * self.grain)
            looked = np.clip(looked + self.noise * noise, 0.0, 255.0).astype(np.uint8)
        if self.jpeg:
            done, packed = cv2.imencode(".jpg", looked, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
            if done:
                looked = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
        if looked.shape[0] != side:
            looked = np.asarray(cv2.resize(looked, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
        return looked


def draw_look(rng: np.random.Generator) -> Look:
    """A random camera in a random room; three in ten are dim, some are blurred, coarse or packed."""
    gamma, contrast, light = np.exp(rng.normal(0.0, (0.25, 0.18, 0.2)))
    is_dim = rng.random() < 0.3
    if is_dim:
        light *= rng.uniform(0.15, 0.6)
    tint = np.exp(rng.normal(0.0, 0.08, 3))
    levels = np.linspace(0.0, 1.0, 256)[:, None]
    table = light * tint * (0.5 + contrast * (levels - 0.5)).clip(0.0) ** gamma
    table = 255.0 * table.clip(0.0, 1.0)
    has = rng.random(6)
    return Look(
        table=table.astype(np.uint8),
        greyness=float(rng.uniform(0.3, 1.0)) if has[0] < 0.12 else 0.0,
        blur_px=float(rng.uniform(1.5, 6.0)) if has[1] < 0.15 else 0.0,
        blur_angle_rad=float(rng.uniform(0.0, np.pi)),
        soft_px=float(rng.uniform(0.4, 1.6)) if has[2] < 0.25 else 0.0,
        shrink=float(rng.uniform(0.3, 0.9)) if has[3] < 0.25 else 1.0,
        noise=float(rng.gamma(1.5, 6.0 if is_dim else 2.5)) if has[4] < 0.7 else 0.0,
        grain=float(rng.choice([0.0, 0.0, 0.6, 1.0])),
        jpeg=int(rng.integers(25, 90)) if has[5] < 0.4 else 0,
    )


def cover(picture: Picture, truth: Truth, other: Picture, rng: np.random.Generator) -> tuple[Picture, Truth]:
    """Something in front: a rectangle of one colour or of another picture [S, S, 3], and what it hides is unseen."""
    side = picture.shape[0]
    size = rng.uniform(0.1, 0.45, 2)
    begin = rng.uniform(-0.1, 1.1 - size)
    (left, top), (right, bottom) = np.clip(np.stack([begin, begin + size]), 0.0, 1.0)
    rows, columns = slice(round(side * top), round(side * bottom)), slice(round(side * left), round(side * right))
    covered = picture.copy()
    is_plain = rng.random() < 0.5
    covered[rows, columns] = rng.integers(0, 256, 3) if is_plain else other[rows, columns]
    points = truth["points"].reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        is_hidden = np.all((points > (left, top)) & (points < (right, bottom)), axis=1)
    told = dict(truth)
    told["points_seen"] = np.where(is_hidden, 0.0, truth["points_seen"]).astype(np.float32)
    open_share = [1.0 - is_hidden[region].mean() for region in _REGION_ROWS] + [1.0 - is_hidden.mean()]
    told["visibility"] = truth["visibility"] * np.array(open_share, np.float32)
    return covered, told


def _streak(length_px: float, angle_rad: float) -> Floats:
    """A line of `length_px` through the middle of a small square, sum 1: motion during an exposure."""
    size = 2 * int(np.ceil(length_px / 2)) + 1
    kernel = np.zeros((size, size), np.float32)
    middle = size // 2
    along = 0.5 * length_px * np.array([np.cos(angle_rad), np.sin(angle_rad)])
    ends = [tuple(int(value) for value in np.round(middle + sign * along)) for sign in (-1.0, 1.0)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()
