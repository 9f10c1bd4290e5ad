"""How the tracker errs about landmarks whose place is known: with the expression, with the person, and by the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.head.flame import HeadModel
from models.head.landmarks import SKIN_COUNT, Floats, LandmarkEmbedding
from training.head.landmark_sightings import CAMERA, Sighting

Doubles = NDArray[np.float64]

SLIPS = 16
PERSON_SLIPS = 16
_LARGEST_ERROR_M = 0.015
_SHAPE_WEIGHT = 0.3  # spread of an ARKit shape's weight in the pictures
# The pictures are renders, and real faces follow their habits only in part. People rendered apart are read equally well
# with half to all of it (vertex error 1.81, 1.78, 1.80 mm at 0.5, 0.75, 1); on free clips of real faces the less is
# believed the better the reading agrees with MediaPipe's blendshape network (docs/experiments.md).
_BELIEF = 0.5
_RIDGE = 30.0  # how many pictures a shape must be seen in before its habits are believed


def with_errors(head: HeadModel, placed: LandmarkEmbedding, seen: list[Sighting]) -> LandmarkEmbedding:
    """`placed` with its `habits`, `slips` and `person_slips` from what was seen. Left and right are averaged."""
    if head.arkit_motion is None or head.expression_signs is None:
        raise ValueError(f"the head {head.id!r} has no ARKit table, or no left and right")
    people = np.array([sighting.person for sighting in seen])
    errors = np.stack([_errors(head, placed, sighting) for sighting in seen])[:, :SKIN_COUNT]
    errors = np.clip(errors, -_LARGEST_ERROR_M, _LARGEST_ERROR_M)
    of_people = np.stack([errors[people == person].mean(axis=0) for person in np.unique(people)])
    errors = _without_mean(errors, people)
    expressions = _without_mean(np.stack([sighting.expression for sighting in seen]).astype(np.float64), people)
    other_side = placed.mirror[:SKIN_COUNT]
    errors = _both_sides(errors, other_side)
    expressions = np.concatenate([expressions, expressions * head.expression_signs])

    shapes = head.arkit_motion[:, : head.expression_count].astype(np.float64)
    spread = _SHAPE_WEIGHT**2 * (shapes.T @ shapes + np.eye(head.expression_count))
    curvature = expressions.T @ expressions + _RIDGE * np.linalg.inv(spread)
    habits = np.linalg.solve(curvature, expressions.T @ errors).astype(np.float64)
    return replace(
        placed,
        habits=_by_landmark(_BELIEF * habits),
        slips=_by_landmark(_main_directions(errors - expressions @ habits, SLIPS)),
        person_slips=_by_landmark(_main_directions(_both_sides(of_people, other_side), PERSON_SLIPS)),
    )


def _both_sides(errors: Doubles, other_side: NDArray[np.int32]) -> Doubles:
    """Errors [N, skin, 2] and their mirror images as rows [2 N, skin * 2]."""
    return np.concatenate([errors, errors[:, other_side] * [-1.0, 1.0]]).reshape(2 * len(errors), -1)


def _main_directions(rows: Doubles, count: int) -> Doubles:
    """The `count` directions in which `rows` [N, D] spread most, each as long as its standard deviation."""
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    return directions[:count] * (sizes[:count, None] / np.sqrt(len(rows)))


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
