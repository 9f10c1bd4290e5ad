"""How the tracker errs about landmarks whose place is known: with the expression (habits), and together (slips)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.head.flame import HeadModel
from models.head.landmarks import SKIN_COUNT, Floats, LandmarkEmbedding
from training.head.landmark_sightings import CAMERA, Sighting

Doubles = NDArray[np.float64]

SLIPS = 16
_LARGEST_ERROR_M = 0.015
_SHAPE_WEIGHT = 0.3  # spread of an ARKit shape's weight in the pictures
_RIDGE = 30.0  # how many pictures a shape must be seen in before its habits are believed


def habits_and_slips(head: HeadModel, placed: LandmarkEmbedding, seen: list[Sighting]) -> tuple[Floats, Floats]:
    """`habits` [478, 2, E] and `slips` [478, 2, K] of the embedding `placed` (see `LandmarkEmbedding`).

    A person's mean error is no habit: it looks like that person's shape. Left and right are averaged.
    """
    if head.arkit_motion is None or head.expression_signs is None:
        raise ValueError(f"the head {head.id!r} has no ARKit table, or no left and right")
    people = np.array([sighting.person for sighting in seen])
    errors = np.stack([_errors(head, placed, sighting) for sighting in seen])[:, :SKIN_COUNT]
    errors = _without_mean(np.clip(errors, -_LARGEST_ERROR_M, _LARGEST_ERROR_M), people)
    expressions = _without_mean(np.stack([sighting.expression for sighting in seen]).astype(np.float64), people)
    other_side = placed.mirror[:SKIN_COUNT]
    errors = np.concatenate([errors, errors[:, other_side] * [-1.0, 1.0]]).reshape(2 * len(seen), -1)
    expressions = np.concatenate([expressions, expressions * head.expression_signs])

    shapes = head.arkit_motion[:, : head.expression_count].astype(np.float64)
    spread = _SHAPE_WEIGHT**2 * (shapes.T @ shapes + np.eye(head.expression_count))
    curvature = expressions.T @ expressions + _RIDGE * np.linalg.inv(spread)
    habits = np.linalg.solve(curvature, expressions.T @ errors).astype(np.float64)
    _, sizes, directions = np.linalg.svd(errors - expressions @ habits, full_matrices=False)
    slips = directions[:SLIPS] * (sizes[:SLIPS, None] / np.sqrt(len(errors)))
    return _by_landmark(habits), _by_landmark(slips)


def _errors(head: HeadModel, placed: LandmarkEmbedding, sighting: Sighting) -> Doubles:
    """[478, 2]: from each landmark's surface point to where the tracker sees it, along the head's x and y, m."""
    points = np.einsum("lk,lki->li", placed.barycentric, sighting.vertices[head.f[placed.triangles]]).astype(np.float64)
    pixels = sighting.pixels - CAMERA.pixels(points)
    metres = pixels * [1.0, -1.0] * (-points[:, 2:] / CAMERA.focal_px)
    return np.linalg.solve(sighting.rotation[:2, :2], metres.T).T


def _without_mean(values: Doubles, people: NDArray[np.int64]) -> Doubles:
    means = {person: values[people == person].mean(axis=0) for person in np.unique(people)}
    return values - np.stack([means[person] for person in people])


def _by_landmark(rows: Doubles) -> Floats:
    """Rows [N, skin * 2] as float32 [478, 2, N]; the irises have none."""
    by_landmark = np.zeros((SKIN_COUNT + 10, 2, len(rows)), np.float32)
    by_landmark[:SKIN_COUNT] = rows.reshape(-1, SKIN_COUNT, 2).transpose(1, 2, 0)
    return by_landmark
