"""Keeps what is seen from the front, with a mouth that can be seen, of a head that does not whirl."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models.head.rotation import matrix_from_axis_angle
from training.curation.item import Array, Item
from training.curation.runs import kept_runs
from training.curation.settings import CurationSettings


def steady(item: Item, settings: CurationSettings) -> Iterator[Item]:
    """The runs of pictures in which the head faces the camera and turns slowly enough; the rest turned down."""
    rotations = np.stack([matrix_from_axis_angle(one) for one in item.arrays["head_rotation"]])
    yaw_deg, pitch_deg = facing_deg(rotations, item.arrays["head_translation"])
    times_s = item.arrays["times_s"]
    speed_deg_s = turning_deg_s(rotations, times_s, settings.turn_window_s)
    hidden = item.arrays["mouth_seen"] < settings.visibility_minimum
    rules = (
        (np.abs(yaw_deg) > settings.yaw_maximum_deg, f"turned aside by more than {settings.yaw_maximum_deg:g}°"),
        (np.abs(pitch_deg) > settings.pitch_maximum_deg, f"turned up or down by over {settings.pitch_maximum_deg:g}°"),
        (speed_deg_s > settings.turn_maximum_deg_s, f"turns faster than {settings.turn_maximum_deg_s:g}°/s"),
        (hidden, "the mouth is hidden"),
    )
    problems = [""] * len(times_s)
    for is_so, reason in reversed(rules):
        problems = [reason if bad else problem for bad, problem in zip(is_so, problems, strict=True)]
    figures = {"yaw_deg": yaw_deg, "pitch_deg": pitch_deg, "turn_deg_s": speed_deg_s}
    measured = item.with_figures(
        **{f"{name}_p95": float(np.percentile(np.abs(values), 95.0)) for name, values in figures.items()}
    )
    yield from kept_runs(measured, "steady", times_s.tolist(), problems, settings)


def facing_deg(rotations: Array, translations: Array) -> tuple[Array, Array]:
    """Yaw (positive to the subject's left) and pitch (positive upwards) [F] of heads from the line to the camera, in
    degrees; rotations [F, 3, 3] head to camera, translations [F, 3] m."""
    to_camera = -translations / np.maximum(np.linalg.norm(translations, axis=1, keepdims=True), 1e-6)
    # The camera as the head sees it: straight ahead is +Z, its left is +X.
    seen = np.einsum("fij,fi->fj", rotations, to_camera)
    return -np.degrees(np.arctan2(seen[:, 0], seen[:, 2])), -np.degrees(np.arcsin(np.clip(seen[:, 1], -1.0, 1.0)))


def turning_deg_s(rotations: Array, times_s: Array, window_s: float) -> Array:
    """Angular speed [F] of heads, in degrees a second, over `window_s` around each picture."""
    after = np.minimum(np.searchsorted(times_s, times_s + 0.5 * window_s), len(times_s) - 1)
    before = np.maximum(np.searchsorted(times_s, times_s - 0.5 * window_s, side="right") - 1, 0)
    turned = np.einsum("fij,fkj->fik", rotations[after], rotations[before])
    cosine = np.clip(0.5 * (np.trace(turned, axis1=1, axis2=2) - 1.0), -1.0, 1.0)
    return np.degrees(np.arccos(cosine)) / np.maximum(times_s[after] - times_s[before], 1e-3)
